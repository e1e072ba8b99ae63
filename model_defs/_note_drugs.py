"""Names of drugs: ingredients with their RxNorm code, and brands.

A short list of what is common in notes, not a formulary. Codes are concepts of the type IN
(ingredient) of RxNorm, https://www.nlm.nih.gov/research/umls/rxnorm; "" where none is kept here.
They were compared with CPIC's table of drugs (https://github.com/cpicpgx/cpic-schema) for the 70
that both have, and agree.
"""

_CODED = """
abacavir 190521|acetaminophen 161|acyclovir 281|albuterol 435|alendronate 46041|allopurinol 519
alprazolam 596|amiodarone 703|amitriptyline 704|amlodipine 17767|amoxicillin 723|ampicillin 733
anastrozole 84857|aspirin 1191|atenolol 1202|atorvastatin 83367|azithromycin 18631|baclofen 1292
benazepril 18867|budesonide 19831|bumetanide 1808|bupivacaine 1815|bupropion 42347|buspirone 1827
captopril 1998|carbamazepine 2002|carvedilol 20352|cefazolin 2180|ceftriaxone 2193
celecoxib 140587|cephalexin 2231|cetirizine 20610|ciprofloxacin 2551|cisplatin 2555
citalopram 2556|clarithromycin 21212|clindamycin 2582|clonazepam 2598|clonidine 2599
clopidogrel 32968|codeine 2670|colchicine 2683|cyclobenzaprine 21949|cyclophosphamide 3002
dexamethasone 3264|diazepam 3322|diclofenac 3355|digoxin 3407|diltiazem 3443|diphenhydramine 3498
donepezil 135447|doxazosin 49276|doxorubicin 3639|doxycycline 3640|enalapril 3827|enoxaparin 67108
epinephrine 3992|erythromycin 4053|escitalopram 321988|esomeprazole 283742|ezetimibe 341248
famotidine 4278|fenofibrate 8703|fentanyl 4337|finasteride 25025|fluconazole 4450|fluoxetine 4493
fluticasone 41126|furosemide 4603|gabapentin 25480|gemfibrozil 4719|glimepiride 25789
glipizide 4821|glyburide 4815|haloperidol 5093|heparin 5224|hydralazine 5470
hydrochlorothiazide 5487|hydrocodone 5489|hydrocortisone 5492|hydromorphone 3423|ibuprofen 5640
insulin 5856|ipratropium 7213|irbesartan 83818|ketorolac 35827|lamotrigine 28439
lansoprazole 17128|latanoprost 43611|letrozole 72965|levetiracetam 114477|levofloxacin 82122
levothyroxine 10582|lidocaine 6387|lisinopril 29046|lithium 6448|loratadine 28889|lorazepam 6470
losartan 52175|lovastatin 6472|meloxicam 41493|memantine 6719|meperidine 6754|metformin 6809
methotrexate 6851|methylprednisolone 6902|metoclopramide 6915|metoprolol 6918|metronidazole 6922
midazolam 6960|mirtazapine 15996|montelukast 88249|morphine 7052|naproxen 7258|nifedipine 7417
nitroglycerin 4917|olanzapine 61381|omeprazole 7646|ondansetron 26225|oxybutynin 32675
oxycodone 7804|oxytocin 7824|paclitaxel 56946|pantoprazole 40790|paroxetine 32937|phenytoin 8183
pioglitazone 33738|pravastatin 42463|prednisolone 8638|prednisone 8640|promethazine 8745
propofol 8782|propranolol 8787|quetiapine 51272|quinapril 35208|ramipril 35296|ranitidine 9143
rifampin 9384|risperidone 35636|rosuvastatin 301542|salmeterol 36117|sertraline 36437
sildenafil 136411|simvastatin 36567|spironolactone 9997|sulfamethoxazole 10180|sumatriptan 37418
tamoxifen 10324|tamsulosin 77492|terazosin 37798|theophylline 10438|timolol 10600
tolterodine 119565|topiramate 38404|torsemide 38413|tramadol 10689|trazodone 10737
triamcinolone 10759|trimethoprim 10829|valsartan 69749|vancomycin 11124|venlafaxine 39786
verapamil 11170|warfarin 11289|zolpidem 39993
"""
_UNCODED = """
amikacin argatroban atropine azathioprine bacitracin betamethasone bisacodyl bleomycin botulinum
brimonidine calcitriol candesartan carboplatin carboprost cefepime cefotetan cefoxitin cefuroxime
chlorhexidine chlorthalidone cyclosporine darbepoetin desmopressin dobutamine docetaxel docusate
dopamine dorzolamide duloxetine ephedrine epoetin esmolol estradiol etomidate etoposide
filgrastim fluorouracil folate gentamicin glargine glucagon glucosamine glycopyrrolate guaifenesin
hydroxychloroquine hydroxyzine isoflurane isosorbide ketamine labetalol lactulose leucovorin
leuprolide levalbuterol linezolid lispro loperamide mannitol meclizine medroxyprogesterone
megestrol mesalamine methadone methocarbamol methyldopa methylergonovine milrinone
minoxidil misoprostol mycophenolate naloxone neomycin neostigmine niacin nitrofurantoin
norepinephrine nystatin octreotide oxaliplatin oxymetazoline papaverine phenazopyridine
phenobarbital phenylephrine pilocarpine piperacillin prochlorperazine progesterone propafenone
protamine pseudoephedrine remifentanil rocuronium sevelamer sevoflurane solifenacin sotalol
succinylcholine sucralfate sufentanil sulfasalazine tacrolimus temazepam tobramycin
travoprost tropicamide ursodiol valacyclovir valproate vasopressin vecuronium vincristine
multivitamin
"""
_BRANDS = """
abilify aripiprazole|accolate zafirlukast|accupril quinapril|aciphex rabeprazole
actos pioglitazone|adalat nifedipine|advil ibuprofen|aldactone spironolactone|aleve naproxen
allegra fexofenadine|altace ramipril|amaryl glimepiride|ambien zolpidem|anaprox naproxen
ancef cefazolin|aricept donepezil|arimidex anastrozole|ativan lorazepam|atrovent ipratropium
augmentin amoxicillin|avandia rosiglitazone|avapro irbesartan|avelox moxifloxacin
avodart dutasteride|azmacort triamcinolone|bactrim sulfamethoxazole|benadryl diphenhydramine
benicar olmesartan|betadine povidone-iodine|bumex bumetanide|buspar buspirone|calan verapamil
cardizem diltiazem|cardura doxazosin|catapres clonidine|celebrex celecoxib|celexa citalopram
cialis tadalafil|cipro ciprofloxacin|claritin loratadine|cleocin clindamycin|clinoril sulindac
colace docusate|compazine prochlorperazine|coreg carvedilol|cosopt dorzolamide|coumadin warfarin
cozaar losartan|crestor rosuvastatin|cymbalta duloxetine|darvocet propoxyphene
decadron dexamethasone|demerol meperidine|depakote valproate|desyrel trazodone|detrol tolterodine
diflucan fluconazole|dilantin phenytoin|dilaudid hydromorphone|diovan valsartan
ditropan oxybutynin|duragesic fentanyl|dyazide triamterene|ecotrin aspirin|effexor venlafaxine
elavil amitriptyline|eliquis apixaban|enbrel etanercept|evista raloxifene|femara letrozole
flagyl metronidazole|flexeril cyclobenzaprine|flomax tamsulosin|flonase fluticasone
flovent fluticasone|floxin ofloxacin|fosamax alendronate|gleevec imatinib|glucophage metformin
glucotrol glipizide|haldol haloperidol|humalog lispro|humulin insulin|hytrin terazosin
hyzaar losartan|imdur isosorbide|imitrex sumatriptan|imodium loperamide|inderal propranolol
isordil isosorbide|kadian morphine|keflex cephalexin|kenalog triamcinolone|keppra levetiracetam
klonopin clonazepam|lamictal lamotrigine|lanoxin digoxin|lantus glargine|lasix furosemide
lescol fluvastatin|levaquin levofloxacin|levitra vardenafil|levoxyl levothyroxine
lexapro escitalopram|lipitor atorvastatin|lopid gemfibrozil|lopressor metoprolol
lortab hydrocodone|lotensin benazepril|lotrel amlodipine|lovenox enoxaparin|lupron leuprolide
lyrica pregabalin|macrobid nitrofurantoin|marcaine bupivacaine|maxzide triamterene
medrol methylprednisolone|mevacor lovastatin|micardis telmisartan|micronase glyburide
mobic meloxicam|motrin ibuprofen|namenda memantine|naprosyn naproxen|nasonex mometasone
neurontin gabapentin|nexium esomeprazole|nitrostat nitroglycerin|norco hydrocodone
normodyne labetalol|norvasc amlodipine|novolin insulin|novolog insulin|nubain nalbuphine
omnicef cefdinir|orapred prednisolone|oxycontin oxycodone|pamelor nortriptyline|paxil paroxetine
pepcid famotidine|percocet oxycodone|phenergan promethazine|pitocin oxytocin
plaquenil hydroxychloroquine|plavix clopidogrel|pravachol pravastatin|prevacid lansoprazole
prilosec omeprazole|prinivil lisinopril|procardia nifedipine|procrit epoetin|prograf tacrolimus
proscar finasteride|protonix pantoprazole|proventil albuterol|prozac fluoxetine
pulmicort budesonide|reglan metoclopramide|relafen nabumetone|remeron mirtazapine
requip ropinirole|restoril temazepam|risperdal risperidone|ritalin methylphenidate
robitussin guaifenesin|rocephin ceftriaxone|roxicet oxycodone|sensorcaine bupivacaine
seroquel quetiapine|sinemet levodopa|singulair montelukast|skelaxin metaxalone
solu-medrol methylprednisolone|solumedrol methylprednisolone|soma carisoprodol|spiriva tiotropium
strattera atomoxetine|sudafed pseudoephedrine|synthroid levothyroxine|taxol paclitaxel
taxotere docetaxel|tegretol carbamazepine|tenoretic atenolol|tenormin atenolol|topamax topiramate
toprol metoprolol|toprol-xl metoprolol|toradol ketorolac|trental pentoxifylline|tricor fenofibrate
tylenol acetaminophen|ultram tramadol|unasyn ampicillin|valium diazepam|valtrex valacyclovir
vancocin vancomycin|vasotec enalapril|ventolin albuterol|versed midazolam|viagra sildenafil
vicodin hydrocodone|vioxx rofecoxib|vistaril hydroxyzine|voltaren diclofenac|vytorin ezetimibe
wellbutrin bupropion|xalatan latanoprost|xanax alprazolam|xarelto rivaroxaban|xopenex levalbuterol
xylocaine lidocaine|zantac ranitidine|zaroxolyn metolazone|zestoretic lisinopril
zestril lisinopril|zetia ezetimibe|ziac bisoprolol|zithromax azithromycin|zocor simvastatin
zofran ondansetron|zoloft sertraline|zosyn piperacillin|zovirax acyclovir|zyloprim allopurinol
zyprexa olanzapine|zyrtec cetirizine
"""


def _pairs(table: str) -> dict[str, str]:
    """Entries `name value`, apart by `|` or line breaks.

    >>> _pairs("a 1|b 2|c 3")
    {'a': '1', 'b': '2', 'c': '3'}
    """
    entries = table.replace("\n", "|").split("|")
    return {name: value for name, value in map(str.split, filter(None, entries))}


BRANDS = _pairs(_BRANDS)
"""Brand, lower case -> (first) ingredient."""

INGREDIENTS = {
    **dict.fromkeys(BRANDS.values(), ""),
    **dict.fromkeys(_UNCODED.split(), ""),
    **_pairs(_CODED),
}
"""Ingredient -> RxNorm code, "" where none is kept."""

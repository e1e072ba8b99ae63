"""Notes and messages made of templates, with the spans of their identifiers known.

Two sets of templates, both written before the rules of `transforms.fhir.scrub`: DEVELOPMENT is
what the rules were tuned on, HELD_OUT what they are measured on. Names, streets and towns of the
two do not overlap. A template is a line or a block; a note is a few of them. `{name}`, `{phone}`
and the like are filled in and labelled; what stands in a template itself is no identifier, however
much it looks like one (Foley, Parkinson, the Mercer ward).
"""

import random
import string
from collections.abc import Callable
from typing import NamedTuple


class Labelled(NamedTuple):
    """`text[begin:end]` is an identifier of this kind."""

    begin: int
    end: int
    kind: str


class Pools(NamedTuple):
    """What the fields of one set of templates are filled with: lists with `|` between."""

    templates: tuple[str, ...]
    given: str
    family: str
    streets: str
    towns: str


KINDS = {
    "full": "NAME", "last_first": "NAME", "caps": "NAME", "lower": "NAME", "given": "NAME",
    "family": "NAME", "initial": "NAME", "phone": "PHONE", "short_phone": "PHONE",
    "date": "DATE", "day": "DATE", "month": "DATE", "street": "ADDRESS", "town": "ADDRESS",
    "zip_town": "ADDRESS", "mrn": "ID", "ssn": "ID", "email": "URL", "url": "URL",
}  # fmt: skip

DEVELOPMENT = Pools(
    templates=(
        "PATIENT: {last_first}\nMRN: {mrn}\nDOB: {date}\nDATE OF VISIT: {date}",
        "Patient Name: {full}\nAddress: {street}, {zip_town}\nPhone: {phone}",
        "ST. ANNE MEDICAL CENTER\n{street}\n{zip_town}\nTel {phone}  Fax {phone}",
        "Mr. {family} is a 67-year-old man with Parkinson disease and a Foley catheter.",
        "Mrs. {full} was seen with her daughter {given}, who helps with insulin glargine.",
        "I discussed the case with Dr. {family}, who agrees with Plavix 75 mg daily.",
        "Referred by Dr. {full} for Crohn disease and a Baker's cyst.",
        "Thank you for letting us see Ms. {family} on {date}.",
        "She was admitted on {date} and discharged on {date}.",
        "Last colonoscopy was in {month}; next due in 5 years.",
        "Follow up on {day} with labs. Call {phone} for questions.",
        "Electronically signed by: {full}, MD on {date} at 14:32",
        "Dictated by {full}, PA-C\nTranscribed: {date}",
        "{full}, M.D.\nDepartment of Cardiology",
        "Sincerely,\n\n{full}, MD, FACC",
        "cc: {full}, M.D.\n    {full}, D.O.",
        "SSN {ssn}. Member ID: {mrn}. Account number {mrn}.",
        "Medical record # {mrn}, accession no. {mrn}.",
        "Emergency contact: {full} (wife), {phone}.",
        "Lives at {street} with his son {given}.",
        "He lives in {town} and works as a carpenter.",
        "Strength is 5/5 in both arms. BP 120/80, pulse 72, temp 98.6. Pain 4/10.",
        "Positive Murphy sign, negative Homans sign, Babinski absent. Apgar 8 and 9.",
        "Potassium 4.2, creatinine 1.10, WBC 7.4, platelets 150-400, glucose 100-125 mg/dL.",
        "Hashimoto thyroiditis, Graves disease, Raynaud phenomenon, Wilson disease excluded.",
        "Transferred to the Mercer ward; the Kennedy wing had no bed.",
        "Give lisinopril 10 mg, metformin 500 mg and Tylenol 650 mg every 4-6 hours.",
        "A Jackson-Pratt drain and an Allis clamp were used; Allen test normal.",
        "Lasix 1-2 tablets, 10/325 Norco, insulin 70/30, vitamin B12 1000 mcg.",
        "Dr. {family}'s note of {date} was reviewed.",
        "My name is {full} and my number is {phone}. I have had a rash since {day}.",
        "hi this is {lower}, call me back at {phone} please, my chest hurts",
        "Thanks,\n{given}",
        "You can email me at {email} or see {url}.",
        "My husband {given} has a fever of 102 and Dr. {family} told us to write.",
        "please tell dr {lower} that the amoxicillin makes me sick",
        "Pager {short_phone}; office {phone}.",
        "Attending: {caps}, MD",
        "Nurse {given} {family} removed the PICC line on {date}.",
        "The patient's mother, {full}, gave consent.",
        "Ranson criteria 2, Glasgow coma scale 15, Wells score 1.5, Child-Pugh A.",
        "Epstein-Barr virus IgG positive. Kaposi sarcoma ruled out. Bell palsy resolved.",
    ),
    given=(
        "James|Mary|Robert|Patricia|Michael|Jennifer|David|Linda|Susan|Thomas|Karen|Nancy|"
        "Daniel|Emily|Anna|Samuel|Rachel|Peter|Laura|Aisha|Dmitri|Ngozi|Thuy|Bjorn|Xochitl"
    ),
    family=(
        "Smith|Johnson|Williams|Brown|Jones|Garcia|Miller|Davis|Martinez|Lopez|Moore|Taylor|"
        "Lee|Thompson|Clark|Walker|Young|Allen|Wright|Hill|Okonkwo|Petrov|O'Malley|Kowalczyk|"
        "Nguyen|Parkinson|Bjornsdottir"
    ),
    streets=(
        "12 Main Street|4501 Oak Avenue, Apt 3B|77 N. Maple Dr.|890 Washington Blvd, Suite 200|"
        "3 Old Mill Road|1600 5th Ave"
    ),
    towns="Springfield|Boston|Lake Forest|St. Paul|Albany",
)  # fmt: skip

HELD_OUT = Pools(
    templates=(
        "RE: {last_first}\nMed Rec No: {mrn}\nBirth date: {date}\nAdmit date: {date}",
        "Name: {full}    Hosp No: {mrn}    Date: {date}",
        "{street}\n{zip_town}\nPh: {phone} | Fx: {phone}\n{url}",
        "RIVERSIDE CLINIC, {street}, {zip_town}, telephone {phone}",
        "This 54-year-old gentleman, Mr. {full}, has Paget disease and a Hickman catheter.",
        "Miss {family} came in with her sister {given} and her boyfriend {given}.",
        "Dr. {family} (cardiology) and Dr. {family} (renal) recommend holding Coumadin.",
        "Under the care of Professor {family}; previously followed by {full}, NP.",
        "She had a stroke on {date}, was at rehab until {date}, and fell again {day}.",
        "The last mammogram dates from {month}.",
        "Return {date}, or earlier if fever.",
        "Authenticated by {full} MD {date} 0815",
        "D: {date}  T: {date}  Job 4",
        "Attending physician: {full}\nResident: {full}",
        "Kind regards,\n{full}\nConsultant Neurologist",
        "Copy to: Dr {full}, {street}, {zip_town}",
        "Social security number: {ssn}; policy no {mrn}.",
        "Chart #{mrn}. Specimen {mrn} was received in formalin.",
        "Next of kin: brother, {full}, reachable at {phone}.",
        "Home address is {street}, {zip_town}.",
        "The patient resides in {town} with two cats.",
        "{full} is a 39-year-old woman who presents with chest pain.",
        "Reviewed with {full}, RN, who will call the family.",
        "Reflexes 2+/4, strength 4/5, visual acuity 20/40, SpO2 95-98%, RR 16-18.",
        "Negative Lachman, McMurray and Phalen tests; Tinel sign positive. Gleason 3+4.",
        "Sodium 136-145, troponin 0.04, CA 19-9 of 37, hematocrit 41.2, INR 2-3.",
        "Sjogren syndrome, Addison disease, Cushing syndrome, Meniere disease, Dupuytren.",
        "Moved to the Rosalind ward, then the Harper pavilion for telemetry.",
        "Continue Zoloft 50 mg, Norvasc 5 mg, Humalog sliding scale and Advil as needed.",
        "A Penrose drain, Kelly clamps and a Weitlaner retractor; Kerley B lines on film.",
        "Percocet 5/325 one to two tabs q4-6h, Augmentin 875-125, Novolog 70-30.",
        "Per Dr. {family}'s letter dated {date}, the biopsy was benign.",
        "It's {full}, date of birth {date}. You can reach me on {phone} after 5.",
        "hello doctor, {lower} here, my phone is {phone} and i cant sleep",
        "Best wishes,\n{full}",
        "Write to {email}; the pictures are on {url}",
        "My wife {given} says I snore and {given}, our son, too. Is that bad?",
        "could mrs {lower} from billing ring me, i was in on {day}",
        "Ext. {short_phone}, cell {phone}.",
        "SURGEON: {caps}, M.D.\nASSISTANT: {caps}, PA",
        "Case manager {full} arranged transport for {day}.",
        "Her father, {given}, died of Huntington disease; mother {given} is well.",
        "Hodgkin lymphoma stage 2, Ann Arbor, Karnofsky 80, Breslow 1.2 mm, Mallampati 2.",
        "Whipple procedure; Roux limb intact. Billroth 2. Hartmann pouch. Nissen wrap.",
        "Spoke to {given} {family} by phone about the results.",
        "Discussed with {initial}, who will follow.",
    ),
    given=(
        "John|Barbara|William|Elizabeth|Richard|Jessica|Joseph|Sarah|Charles|Margaret|Matthew|"
        "Sandra|Anthony|Ashley|Steven|Kimberly|Paul|Donna|Kevin|Rajesh|Oluwaseun|Siobhan|Yuki|"
        "Lakshmi|Tariq"
    ),
    family=(
        "Anderson|Wilson|Jackson|White|Harris|Martin|Robinson|Lewis|Scott|Green|Adams|Baker|"
        "Nelson|Carter|Mitchell|Perez|Roberts|Turner|Phillips|Campbell|Hodgkin|McAllister|"
        "Fitzgerald|Srinivasan|Abdullahi|Van-Houten|Szczepanski|Oyelaran"
    ),
    streets=(
        "8 Elm Court|2210 Lincoln Road|15 W. Cedar Ln, Unit 4|PO Box 1182|"
        "640 Harbor View Terrace|31 Chestnut St.|9012 State Highway 14"
    ),
    towns="Portland|Fort Wayne|Cambridge|San Mateo|Rochester|Mt. Vernon",
)  # fmt: skip

_STATES = "MA NY CA OR IN TX IL OH WA PA"
_MONTHS_TEXT = """
    January February March April May June July August September October November December
"""
_MONTHS = _MONTHS_TEXT.split()


def note(seed: int, pools: Pools) -> tuple[str, list[Labelled]]:
    """One text of 3 to 8 templates, and its identifiers in order."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    text, found = "", []
    for template in chance.sample(pools.templates, chance.randint(3, 8)):
        if text:
            text += chance.choice(("\n", "\n\n", " ") if text.endswith(".") else ("\n", "\n\n"))
        for literal, name, _, _ in string.Formatter().parse(template):
            text += literal
            if name:
                value = _fill(name, pools, chance)
                found.append(Labelled(len(text), len(text) + len(value), KINDS[name]))
                text += value
    return text, found


def _fill(name: str, pools: Pools, chance: random.Random) -> str:
    given, family = chance.choice(pools.given.split("|")), chance.choice(pools.family.split("|"))
    middle = chance.choice("ABCDEFGHJKLMNPRSTW")
    full = chance.choice((f"{given} {family}", f"{given} {middle}. {family}"))
    town, digits = chance.choice(pools.towns.split("|")), lambda n: _digits(chance, n)
    fillers: dict[str, Callable[[], str]] = {
        "full": lambda: full,
        "last_first": lambda: chance.choice((f"{family}, {given}", f"{family}, {given} {middle}")),
        "caps": full.upper,
        "lower": lambda: chance.choice((given, family)).lower(),
        "given": lambda: given,
        "family": lambda: family,
        "initial": lambda: f"{given[0]}. {family}",
        "phone": lambda: _phone(chance),
        "short_phone": lambda: digits(chance.choice((4, 5))),
        "date": lambda: _date(chance),
        "day": lambda: _day(chance),
        "month": lambda: f"{chance.choice(_MONTHS)} {chance.choice(('', 'of '))}{_year(chance)}",
        "street": lambda: chance.choice(pools.streets.split("|")),
        "town": lambda: town,
        "zip_town": lambda: f"{town}, {chance.choice(_STATES.split())} {digits(5)}",
        "mrn": lambda: chance.choice(
            (digits(7), digits(9), f"{middle}{digits(6)}", f"{digits(3)}-{digits(4)}", digits(6))
        ),
        "ssn": lambda: f"{digits(3)}-{digits(2)}-{digits(4)}",
        "email": lambda: f"{given.lower()}.{family.lower().replace(chr(39), '')}@example.com",
        "url": lambda: chance.choice(("www.example.org/u/", "https://example.net/")) + digits(4),
    }
    return fillers[name]()


def _digits(chance: random.Random, number: int) -> str:
    return str(chance.randint(1, 9)) + "".join(str(chance.randint(0, 9)) for _ in range(number - 1))


def _phone(chance: random.Random) -> str:
    area, office, line = _digits(chance, 3), _digits(chance, 3), _digits(chance, 4)
    forms = (
        "({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "+1-{}-{}-{}", "1-{}-{}-{}", "({}){}-{}", "{} {} {}"
    )  # fmt: skip
    number = chance.choice(forms).format(area, office, line)
    return number if chance.random() < 0.85 else f"{office}-{line}"


def _year(chance: random.Random) -> int:
    return chance.randint(1938, 2024)


def _date(chance: random.Random) -> str:
    year, month, day = _year(chance), chance.randint(1, 12), chance.randint(1, 28)
    name = _MONTHS[month - 1]
    forms = (
        f"{year}-{month:02d}-{day:02d}", f"{month}/{day}/{year}", f"{month:02d}/{day:02d}/{year}",
        f"{month}/{day}/{year % 100:02d}", f"{month:02d}-{day:02d}-{year}", f"{name} {day}, {year}",
        f"{name[:3]} {day}, {year}", f"{day} {name} {year}", f"{day}-{name[:3]}-{year}",
        f"{name} {day}th, {year}", f"{day}.{month}.{year}", f"{name.upper()} {day}, {year}",
    )  # fmt: skip
    return chance.choice(forms)


def _day(chance: random.Random) -> str:
    month, day = chance.randint(1, 12), chance.randint(1, 28)
    name = _MONTHS[month - 1]
    return chance.choice(
        (f"{name} {day}", f"{name[:3]} {day}th", f"{day} {name}", f"{month}/{day}")
    )

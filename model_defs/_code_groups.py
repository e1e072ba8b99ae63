"""Which codes mean what: groups of conditions, drugs, laboratory tests, as data.

A group is a name and patterns `SYSTEM//code`. ICD codes are compared without their dot and a
pattern covers all codes below it (`ICD10//I50` covers I50.9 of ICD10 and ICD10CM); codes of
every other system are compared whole, ATC by prefix.

Sources: Quan et al. 2005, https://doi.org/10.1097/01.mlr.0000182534.19832.83 (Charlson groups
in ICD-10 and ICD-9-CM); Quan et al. 2011, https://doi.org/10.1093/aje/kwq433 (weights);
Strack et al. 2014, https://doi.org/10.1155/2014/781670 (groups of primary diagnoses).
"""

import re

import polars as pl

Patterns = tuple[str, ...]

_ICD_VARIANT = r"^(ICD9|ICD10)(?:CM|GM|AM|CA)$"
_PREFIX_SYSTEMS = ("ICD9", "ICD10", "ICD9PROC", "ICD10PCS", "ATC")
_LONGEST_PREFIX = 7


def _expand(item: str) -> list[str]:
    """`I60-I69` -> I60, I61, …; one code stays itself. Dots are dropped.

    >>> _expand("G83.0-G83.2")
    ['G830', 'G831', 'G832']
    """
    first, _, last = item.replace(".", "").partition("-")
    if not last:
        return [first]
    letter, digits = re.fullmatch(r"([A-Z]?)(\d+)", first).groups()  # type: ignore[union-attr]
    end = int(last.removeprefix(letter))
    return [f"{letter}{n:0{len(digits)}d}" for n in range(int(digits), end + 1)]


def codes_of(**by_system: str) -> Patterns:
    """Blank-separated codes per system, ranges allowed -> patterns.

    >>> codes_of(icd10="I21-I22", snomed="22298006")
    ('ICD10//I21', 'ICD10//I22', 'SNOMED//22298006')
    """
    return tuple(
        f"{system.upper()}//{code}"
        for system, items in by_system.items()
        for item in items.split()
        for code in (_expand(item) if system in ("icd9", "icd10") else [item])
    )


CHARLSON: dict[str, Patterns] = {
    "myocardial_infarction": codes_of(
        icd10="I21 I22 I25.2",
        icd9="410 412",
        snomed="22298006 399211009 401303003 401314000",
    ),
    "heart_failure": codes_of(
        icd10="I09.9 I11.0 I13.0 I13.2 I25.5 I42.0 I42.5-I42.9 I43 I50 P29.0",
        icd9="398.91 402.01 402.11 402.91 404.01 404.03 404.11 404.13 404.91 404.93 "
        "425.4-425.9 428",
        snomed="88805009 84114007 42343007",
    ),
    "peripheral_vascular": codes_of(
        icd10="I70 I71 I73.1 I73.8 I73.9 I77.1 I79.0 I79.2 K55.1 K55.8 K55.9 Z95.8 Z95.9",
        icd9="093.0 437.3 440 441 443.1-443.9 447.1 557.1 557.9 V43.4",
        snomed="400047006 399957001",
    ),
    "cerebrovascular": codes_of(
        icd10="G45 G46 H34.0 I60-I69",
        icd9="362.34 430-438",
        snomed="230690007 266257000",
    ),
    "dementia": codes_of(
        icd10="F00-F03 F05.1 G30 G31.1",
        icd9="290 294.1 331.2",
        snomed="26929004 230265002 52448006",
    ),
    "chronic_pulmonary": codes_of(
        icd10="I27.8 I27.9 J40-J47 J60-J67 J68.4 J70.1 J70.3",
        icd9="416.8 416.9 490-505 506.4 508.1 508.8",
        snomed="13645005 185086009 87433001 195967001 233678006 63480004",
    ),
    "rheumatic": codes_of(
        icd10="M05 M06 M31.5 M32-M34 M35.1 M35.3 M36.0",
        icd9="446.5 710.0-710.4 714.0-714.2 714.8 725",
        snomed="69896004 55464009 200936003",
    ),
    "peptic_ulcer": codes_of(icd10="K25-K28", icd9="531-534", snomed="13200003"),
    "mild_liver": codes_of(
        icd10="B18 K70.0-K70.3 K70.9 K71.3-K71.5 K71.7 K73 K74 K76.0 K76.2-K76.4 K76.8 K76.9 Z94.4",
        icd9="070.22 070.23 070.32 070.33 070.44 070.54 070.6 070.9 570 571 573.3 573.4 573.8 "
        "573.9 V42.7",
        snomed="128302006 61977001",
    ),
    "diabetes": codes_of(
        icd10="E10.0 E10.1 E10.6 E10.8 E10.9 E11.0 E11.1 E11.6 E11.8 E11.9 E12.0 E12.1 E12.6 "
        "E12.8 E12.9 E13.0 E13.1 E13.6 E13.8 E13.9 E14.0 E14.1 E14.6 E14.8 E14.9",
        icd9="250.0-250.3 250.8 250.9",
        snomed="44054006 73211009 46635009",
    ),
    "diabetes_complicated": codes_of(
        icd10="E10.2-E10.5 E10.7 E11.2-E11.5 E11.7 E12.2-E12.5 E12.7 E13.2-E13.5 E13.7 "
        "E14.2-E14.5 E14.7",
        icd9="250.4-250.7",
        snomed="127013003 422034002 368581000119106 90781000119102 157141000119108 "
        "1551000119108 97331000119101 1501000119109 60951000119105",
    ),
    "hemiplegia": codes_of(
        icd10="G04.1 G11.4 G80.1 G80.2 G81 G82 G83.0-G83.4 G83.9",
        icd9="334.1 342 343 344.0-344.6 344.9",
        snomed="50582007 698754002",
    ),
    "renal": codes_of(
        icd10="I12.0 I13.1 N03.2-N03.7 N05.2-N05.7 N18 N19 N25.0 Z49.0-Z49.2 Z94.0 Z99.2",
        icd9="403.01 403.11 403.91 404.02 404.03 404.12 404.13 404.92 404.93 582 583.0-583.7 "
        "585 586 588.0 V42.0 V45.1 V56",
        snomed="431855005 431856006 433144002 431857002 46177005 709044004",
    ),
    "cancer": codes_of(
        icd10="C00-C26 C30-C34 C37-C41 C43 C45-C58 C60-C76 C81-C85 C88 C90-C97",
        icd9="140-172 174-194 195.0-195.8 200-208 238.6",
        snomed="254837009 254637007 254632001 424132000 126906006 363406005 93761005 "
        "109838007 91861009 93143009",
    ),
    "severe_liver": codes_of(
        icd10="I85.0 I85.9 I86.4 I98.2 K70.4 K71.1 K72.1 K72.9 K76.5-K76.7",
        icd9="456.0-456.2 572.2-572.8",
    ),
    "metastatic_cancer": codes_of(
        icd10="C77-C80", icd9="196-199", snomed="94260004 314994000 128462008"
    ),
    "hiv": codes_of(icd10="B20-B22 B24", icd9="042-044", snomed="86406008 62479008"),
}

CHARLSON_WEIGHTS: dict[str, int] = {
    "heart_failure": 2,
    "dementia": 2,
    "chronic_pulmonary": 1,
    "rheumatic": 1,
    "mild_liver": 2,
    "diabetes_complicated": 1,
    "hemiplegia": 2,
    "renal": 1,
    "cancer": 2,
    "severe_liver": 4,
    "metastatic_cancer": 6,
    "hiv": 4,
}

OTHER_CONDITIONS: dict[str, Patterns] = {
    "hypertension": codes_of(icd10="I10-I13 I15", icd9="401-405", snomed="38341003 59621000"),
    "atrial_fibrillation": codes_of(icd10="I48", icd9="427.3", snomed="49436004"),
    "venous_thromboembolism": codes_of(
        icd10="I26 I80.1 I80.2 I82", icd9="415.1 451.1 453", snomed="128053003 59282003"
    ),
    "valve_replacement": codes_of(icd10="Z95.2-Z95.4", icd9="V42.2 V43.3"),
    "depression": codes_of(
        icd10="F32 F33 F34.1", icd9="296.2 296.3 300.4 311", snomed="370143000 36923009 35489007"
    ),
    "psychosis": codes_of(icd10="F20-F25 F28-F31", icd9="295 296.0 296.4-296.8 297 298"),
    "substance_use": codes_of(
        icd10="F10-F16 F18 F19",
        icd9="291 292 303 304 305.0 305.2-305.9",
        snomed="7200002 6525002 55680006",
    ),
    "obesity": codes_of(icd10="E66", icd9="278.0", snomed="162864005 414916001 408512008"),
}

DIAGNOSIS_GROUPS: dict[str, Patterns] = {
    "infectious": codes_of(icd10="A B", icd9="001-139"),
    "neoplasm": codes_of(icd10="C D0-D4", icd9="140-239"),
    "blood": codes_of(icd10="D5-D8", icd9="280-289", snomed="271737000"),
    "diabetes": codes_of(
        icd10="E08-E14",
        icd9="250",
        snomed=" ".join(
            pattern.removeprefix("SNOMED//")
            for name in ("diabetes", "diabetes_complicated")
            for pattern in CHARLSON[name]
            if pattern.startswith("SNOMED//")
        ),
    ),
    "endocrine": codes_of(icd10="E", icd9="240-249 251-279"),
    "mental": codes_of(icd10="F", icd9="290-319", snomed="370143000 6525002 55680006 7200002"),
    "nervous": codes_of(icd10="G H", icd9="320-389", snomed="128613002 26929004"),
    "circulatory": codes_of(
        icd10="I",
        icd9="390-459 785",
        snomed="22298006 401303003 401314000 88805009 84114007 42343007 53741008 49436004 "
        "230690007 410429000",
    ),
    "respiratory": codes_of(
        icd10="J", icd9="460-519 786", snomed="13645005 185086009 87433001 195967001 233604007"
    ),
    "digestive": codes_of(icd10="K", icd9="520-579 787", snomed="74400008 13200003"),
    "skin": codes_of(icd10="L", icd9="680-709"),
    "musculoskeletal": codes_of(icd10="M", icd9="710-739", snomed="64859006 239873007 69896004"),
    "genitourinary": codes_of(
        icd10="N", icd9="580-629 788", snomed="433144002 431857002 46177005 68566005"
    ),
    "pregnancy": codes_of(icd10="O", icd9="630-679", snomed="72892002 398254007"),
    "perinatal": codes_of(icd10="P Q", icd9="740-779"),
    "symptoms": codes_of(icd10="R", icd9="780-784 789-799"),
    "injury": codes_of(icd10="S T", icd9="800-999", snomed="55680006 359817006 283371005"),
    "factors": codes_of(icd10="Z", icd9="V"),
}

DRUGS: dict[str, Patterns] = {
    "insulin": codes_of(atc="A10A", rxnorm="5856 253182 274783 86009 51428 106892"),
    "oral_antidiabetic": codes_of(atc="A10B", rxnorm="6809 860975 4821 4815 25789 33738"),
    "anticoagulant": codes_of(
        atc="B01AA B01AB B01AE B01AF",
        rxnorm="11289 855332 1364430 1114195 1037042 67108 5224",
    ),
    "antiplatelet": codes_of(
        atc="B01AC", rxnorm="1191 243670 32968 309362 613391 855812 1116632 1116635"
    ),
    "digoxin": codes_of(atc="C01AA", rxnorm="3407 197604"),
    "amiodarone": codes_of(atc="C01BD01", rxnorm="703 833528"),
    "diuretic": codes_of(
        atc="C03", rxnorm="4603 310429 313988 315971 1719286 38413 1808 9997 5487 310798 316049"
    ),
    "beta_blocker": codes_of(atc="C07", rxnorm="6918 866412 866414 20352 1202"),
    "renin_angiotensin": codes_of(atc="C09", rxnorm="29046 314076 314077 52175 979480 69749"),
    "statin": codes_of(
        atc="C10AA", rxnorm="36567 312961 314231 316672 83367 259255 42463 301542 6472 41127"
    ),
    "steroid": codes_of(atc="H02A", rxnorm="8640 8638 6902 3264 5492"),
    "opioid": codes_of(
        atc="N02A", rxnorm="7804 1049221 1860154 7052 5489 1310197 4337 3423 2670 10689"
    ),
    "antipsychotic": codes_of(atc="N05A", rxnorm="5093 51272 61381 35636"),
    "rifampin": codes_of(atc="J04AB02", rxnorm="9384"),
    "carbamazepine": codes_of(atc="N03AF01", rxnorm="2002"),
    "phenytoin": codes_of(atc="N03AB02", rxnorm="8183"),
    "azole_antifungal": codes_of(atc="J02AC J02AB", rxnorm="4450 28031 6135 121243"),
    "sulfonamide": codes_of(atc="J01E", rxnorm="10180 198334 198335"),
    "macrolide": codes_of(atc="J01FA", rxnorm="4053 21212 18631"),
    "acetaminophen": codes_of(atc="N02BE01", rxnorm="161 313782 198440 282464"),
    "proton_pump_inhibitor": codes_of(atc="A02BC", rxnorm="7646 40790 283742 17128"),
}

# Unit of the feature; LOINC codes; factor by which a value in another UCUM unit is multiplied.
Measure = tuple[str, str, dict[str, float]]

_PER_UL = {"10*3/uL": 1.0, "10*9/L": 1.0, "K/uL": 1.0, "10*3/mm3": 1.0}
_PERCENT = {"{%}": 1.0}
MEASURES: dict[str, Measure] = {
    "sodium": ("mmol/L", "2951-2 2947-0", {"meq/L": 1.0, "mEq/L": 1.0}),
    "potassium": ("mmol/L", "2823-3 6298-4", {"meq/L": 1.0, "mEq/L": 1.0}),
    "creatinine": ("mg/dL", "2160-0 38483-4", {"umol/L": 1 / 88.42}),
    "urea_nitrogen": ("mg/dL", "3094-0 6299-2", {"mmol/L": 2.801}),
    "egfr": ("mL/min/{1.73_m2}", "33914-3 48642-3 62238-1 98979-8", {"mL/min": 1.0}),
    "glucose": ("mg/dL", "2345-7 2339-0 41653-7", {"mmol/L": 18.016}),
    "hba1c": ("%", "4548-4 17856-6", _PERCENT),
    "albumin": ("g/dL", "1751-7", {"g/L": 0.1}),
    "hemoglobin": ("g/dL", "718-7 30313-1", {"g/L": 0.1, "mmol/L": 1.611}),
    "leukocytes": ("10*3/uL", "6690-2 26464-8", _PER_UL),
    "platelets": ("10*3/uL", "777-3 26515-7", _PER_UL),
    "natriuretic_peptide": ("pg/mL", "33762-6", {"ng/L": 1.0}),
    "systolic_pressure": ("mm[Hg]", "8480-6", {"mmHg": 1.0}),
    "heart_rate": ("/min", "8867-4", {"{beats}/min": 1.0, "beats/minute": 1.0, "bpm": 1.0}),
    "oxygen_saturation": ("%", "2708-6 59408-5", _PERCENT),
    "body_mass_index": ("kg/m2", "39156-5", {"kg/m^2": 1.0}),
    "weight": ("kg", "29463-7 3141-9", {"g": 0.001, "[lb_av]": 0.45359237, "lb": 0.45359237}),
    "height": ("cm", "8302-2 3137-7", {"m": 100.0, "[in_i]": 2.54, "in": 2.54}),
    "inr": ("{INR}", "6301-6 34714-6", {"1": 1.0, "{ratio}": 1.0, "INR": 1.0}),
}


def measure_codes(names: tuple[str, ...]) -> dict[str, Patterns]:
    """Measures -> patterns of their LOINC codes."""
    return {name: codes_of(loinc=MEASURES[name][1]) for name in names}


def match_codes(codes: pl.Series, groups: dict[str, Patterns]) -> pl.DataFrame:
    """Distinct codes -> `code, group, length`, a row for each group that a code falls in.

    `length` is that of the pattern that matched: of two groups the longer is the nearer.

    >>> match_codes(pl.Series(["ICD10CM//I50.9"]), CHARLSON)["group"].to_list()
    ['heart_failure']
    """
    patterns = pl.DataFrame(
        [(pattern, name) for name, members in groups.items() for pattern in members],
        schema={"key": pl.String, "group": pl.String},
        orient="row",
    )
    vocabulary = pl.DataFrame({"code": codes}, schema={"code": pl.String}).with_columns(
        pl.col("code")
        .str.extract(r"^(.*?)//", 1)
        .str.replace(_ICD_VARIANT, "${1}")
        .alias("system"),
        pl.col("code").str.extract(r"//(.*)$", 1).alias("value"),
    )
    by_prefix = vocabulary.filter(pl.col("system").is_in(_PREFIX_SYSTEMS)).with_columns(
        pl.col("value").str.replace_all(".", "", literal=True)
    )
    whole = vocabulary.filter(~pl.col("system").is_in(_PREFIX_SYSTEMS)).with_columns(
        pl.col("code").alias("key")
    )
    prefixes = [
        by_prefix.filter(pl.col("value").str.len_chars() >= length).with_columns(
            (pl.col("system") + "//" + pl.col("value").str.head(length)).alias("key")
        )
        for length in range(1, _LONGEST_PREFIX + 1)
    ]
    return (
        pl.concat([whole, *prefixes])
        .join(patterns, on="key")
        .select("code", "group", pl.col("key").str.len_chars().alias("length"))
        .unique(["code", "group"], keep="last", maintain_order=True)
    )

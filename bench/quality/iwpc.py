"""Rows of the IWPC set (warfarin, PharmGKB) as FHIR, and IWPC's own dosing formula.

Never told: the dose, the INR on it, whether a stable dose was reached, and the project site.

Source: IWPC 2009, https://doi.org/10.1056/NEJMoa0809329, with its supplementary appendix.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from model_defs._pharmacogenes import SITES, impute_promoter

Resource = dict[str, Any]

PREDICTED = "2008-07-01T00:00:00Z"
_KNOWN = "2008-06-01"
_BIRTHDAY = "07-01"
_YEAR = 2008

ID, DOSE = "PharmGKB Subject ID", "Therapeutic Dose of Warfarin"
NEVER_TOLD = (
    DOSE,
    "INR on Reported Therapeutic Dose of Warfarin",
    "Subject Reached Stable Dose of Warfarin",
    "Project Site",
)
_RACE, _SEX, _AGE = "Race (OMB)", "Gender", "Age"
_HEIGHT, _WEIGHT = "Height (cm)", "Weight (kg)"
_CYP2C9 = "CYP2C9 consensus"
_SITE_COLUMNS = {
    "rs9923231": "VKORC1 -1639 consensus",
    "rs9934438": "VKORC1 1173 consensus",
    "rs8050894": "VKORC1 1542 consensus",
    "rs2359612": "VKORC1 2255 consensus",
    "rs7294": "VKORC1 3730 consensus",
    "rs2884737": "VKORC1 497 consensus",
    "rs17880887": "VKORC1 -4451 consensus",
}
_RACES = {"White": "2106-3", "Asian": "2028-9", "Black or African American": "2054-5"}
_ETHNICITIES = {"Hispanic or Latino": "2135-2", "not Hispanic or Latino": "2186-5"}
_CONDITIONS = {  # ICD-10-CM
    "Diabetes": "E11.9",
    "Congestive Heart Failure and/or Cardiomyopathy": "I50.9",
    "Valve Replacement": "Z95.2",
}
# DVT, pulmonary embolism, atrial fibrillation, heart valve, cardiomyopathy, stroke, orthopaedic.
_INDICATIONS = {
    **{"1": "I82.40", "2": "I26.99", "3": "I48.91", "4": "Z95.2"},
    **{"5": "I42.0", "6": "I63.9", "7": "Z96.60"},
}
_DRUGS = {  # ATC
    "Aspirin": "B01AC06",
    "Acetaminophen or Paracetamol (Tylenol)": "N02BE01",
    "Simvastatin (Zocor)": "C10AA01",
    "Atorvastatin (Lipitor)": "C10AA05",
    "Fluvastatin (Lescol)": "C10AA04",
    "Lovastatin (Mevacor)": "C10AA02",
    "Pravastatin (Pravachol)": "C10AA03",
    "Rosuvastatin (Crestor)": "C10AA07",
    "Cerivastatin (Baycol)": "C10AA06",
    "Amiodarone (Cordarone)": "C01BD01",
    "Carbamazepine (Tegretol)": "N03AF01",
    "Phenytoin (Dilantin)": "N03AB02",
    "Rifampin or Rifampicin": "J04AB02",
    "Sulfonamide Antibiotics": "J01E",
    "Macrolide Antibiotics": "J01FA",
    "Anti-fungal Azoles": "J02AC",
}
_INDUCERS = ("Carbamazepine (Tegretol)", "Phenytoin (Dilantin)", "Rifampin or Rifampicin")
_SMOKING = {"0.0": ("8392000", "Non-smoker"), "1.0": ("77176002", "Smoker")}

_ICD = "http://hl7.org/fhir/sid/icd-10-cm"
_ATC = "http://www.whocc.no/atc"
_LOINC = "http://loinc.org"
_SNOMED = "http://snomed.info/sct"
_OWN = "https://www.pharmgkb.org/iwpc/"  # free text of the set, as codes of its own
_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
_OMB = "urn:oid:2.16.840.1.113883.6.238"


def resources(rows: pl.DataFrame) -> Iterator[Resource]:
    """Rows of the set -> what is known of each patient before the dose was."""
    for row in rows.drop(NEVER_TOLD).iter_rows(named=True):
        patient = f"p{row[ID]}"
        yield _patient(patient, row)
        facts = [*_observations(row), *_conditions(row), *_medications(row)]
        for number, fact in enumerate(facts):
            yield {
                **fact,
                "id": f"{patient}-{number}",
                "subject": {"reference": f"Patient/{patient}"},
            }


def _patient(patient: str, row: Resource) -> Resource:
    found: Resource = {"resourceType": "Patient", "id": patient, "extension": []}
    if row[_SEX]:
        found["gender"] = row[_SEX]
    if row[_AGE]:
        found["birthDate"] = f"{_YEAR - int(row[_AGE][:2]) - 5}-{_BIRTHDAY}"
    omb = (
        ("race", _RACES.get(row[_RACE])),
        ("ethnicity", _ETHNICITIES.get(row["Ethnicity (OMB)"])),
    )
    for name, code in omb:
        if code:
            category = {"url": "ombCategory", "valueCoding": {"system": _OMB, "code": code}}
            found["extension"].append({"url": _US_CORE + name, "extension": [category]})
    return found


def _observations(row: Resource) -> Iterator[Resource]:
    for column, code, unit in ((_HEIGHT, "8302-2", "cm"), (_WEIGHT, "29463-7", "kg")):
        if row[column]:
            value = {"value": float(row[column]), "unit": unit, "code": unit}
            yield _observation(code, valueQuantity=value)
    if row["Current Smoker"] in _SMOKING:
        code, text = _SMOKING[row["Current Smoker"]]
        yield _observation("72166-2", valueCodeableConcept=_concept(_SNOMED, code, text))
    if row[_CYP2C9]:
        yield _observation("46724-1", valueCodeableConcept={"text": row[_CYP2C9]})
    for site, column in _SITE_COLUMNS.items():
        if row[column]:
            text = f"VKORC1 {site} {row[column]}"
            yield _observation("84413-4", valueCodeableConcept={"text": text})


def _observation(code: str, **value: Resource) -> Resource:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": _LOINC, "code": code}]},
        "effectiveDateTime": _KNOWN,
        **value,
    }


def _conditions(row: Resource) -> Iterator[Resource]:
    indications = re.findall(r"\d", row["Indication for Warfarin Treatment"] or "")
    codes = [code for column, code in _CONDITIONS.items() if _is_true(row[column])]
    codes += [_INDICATIONS[number] for number in indications if number in _INDICATIONS]
    concepts = [_concept(_ICD, code) for code in dict.fromkeys(codes)]
    concepts += [_concept(f"{_OWN}comorbidity", text) for text in _affirmed(row["Comorbidities"])]
    for concept in concepts:
        yield {"resourceType": "Condition", "code": concept, "recordedDate": _KNOWN}


def _medications(row: Resource) -> Iterator[Resource]:
    concepts = [_concept(_ATC, code) for name, code in _DRUGS.items() if _is_true(row[name])]
    concepts += [_concept(f"{_OWN}medication", text) for text in _affirmed(row["Medications"])]
    for concept in concepts:
        yield {
            "resourceType": "MedicationStatement",
            "status": "active",
            "medicationCodeableConcept": concept,
            "effectiveDateTime": _KNOWN,
        }


def _concept(system: str, code: str, text: str = "") -> Resource:
    return {"coding": [{"system": system, "code": code}], **({"text": text} if text else {})}


def _is_true(value: str | None) -> bool:
    return value in ("1", "1.0")


def _affirmed(text: str | None) -> list[str]:
    """A list in words -> what it says the patient has, each once; `not …` and `no …` left out.

    >>> _affirmed("Aspirin; not simvastatin; none")
    ['aspirin']
    """
    words = [part.strip() for part in re.split(r"[;,]", (text or "").lower())]
    return [
        re.sub(r"\s+", "-", word)
        for word in dict.fromkeys(words)
        if word and word not in ("none", "other") and not word.startswith(("not ", "no "))
    ]


def formula_doses(rows: pl.DataFrame) -> npt.NDArray[np.float64]:
    """IWPC's pharmacogenetic algorithm (2009): rows of the set -> mg a week.

    Missing heights and weights are the set's means, a missing age is 60 to 69; VKORC1 -1639 comes
    from other sites where it is missing, as IWPC did.
    """
    sites = rows.select(pl.col(_SITE_COLUMNS[site]).alias(site) for site in SITES)
    race = rows[_RACE].replace_strict(_RACES, default=None, return_dtype=pl.String)
    vkorc1 = impute_promoter(sites, race)
    cyp2c9 = rows[_CYP2C9].fill_null("")
    weights = {"*1/*1": 0.0, "*1/*2": -0.5211, "*1/*3": -0.9357}
    weights |= {"*2/*2": -1.0616, "*2/*3": -1.9206, "*3/*3": -2.3312}
    inducer = np.any(
        [rows[name].is_in(["1", "1.0"]).fill_null(value=False) for name in _INDUCERS], 0
    )
    amiodarone = rows["Amiodarone (Cordarone)"].is_in(["1", "1.0"]).fill_null(value=False)
    height, weight = (
        rows[c].cast(pl.Float64).fill_null(strategy="mean") for c in (_HEIGHT, _WEIGHT)
    )
    root = (
        5.6044
        - 0.2614 * rows[_AGE].str.head(1).cast(pl.Float64).fill_null(6.0)
        + 0.0087 * height
        + 0.0128 * weight
        + vkorc1.replace_strict({"G/G": 0.0, "A/G": -0.8677, "A/A": -1.6974}, default=-0.4854)
        + cyp2c9.replace_strict(weights, default=-0.2188)
        + rows[_RACE].replace_strict(
            {"White": 0.0, "Asian": -0.1092, "Black or African American": -0.2760}, default=-0.1032
        )
        + 1.1816 * pl.Series(inducer).cast(pl.Float64)
        - 0.5503 * amiodarone.cast(pl.Float64)
    )
    found: npt.NDArray[np.float64] = np.square(root.to_numpy())
    return found

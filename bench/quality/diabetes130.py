"""Rows of Diabetes 130 as FHIR: made-up dates, and the resources of a patient.

The set has no dates; `bench.quality.readmission` says why these give nothing away.
"""

import datetime
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

StayRow = dict[str, Any]
Resource = dict[str, Any]

START = datetime.datetime(1990, 1, 1, 10, tzinfo=datetime.UTC)
FIRST_ADMISSION_DAY = 400.0
RETURN_GAP_DAYS = 15.0
LATER_GAPS_DAYS = (60.0, 120.0, 180.0, 240.0, 300.0, 360.0, 400.0)
APART_DAYS = 32.0  # more than the 30 days of a readmission
YEAR_DAYS = 365.0

_HL7 = "http://terminology.hl7.org/CodeSystem/"
_RACES = {"Caucasian": "2106-3", "AfricanAmerican": "2054-5", "Asian": "2028-9", "Other": "2131-1"}
_US_CORE_RACE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"
# `admission_type_id` -> v3-ActPriority.
_PRIORITIES = {1: "EM", 2: "UR", 3: "EL", 7: "EM"}
# `admission_source_id` -> HL7 v2 table 0023.
_SOURCES = {**{number: str(number) for number in range(1, 9)}, 10: "4", 22: "4", 18: "6", 26: "6"}
# `discharge_disposition_id` -> NUBC patient discharge status, whose texts these are.
_DISPOSITIONS = {
    **{number: f"{number:02}" for number in range(1, 10)},
    **{10: "05", 11: "20", 12: "30", 13: "50", 14: "51", 15: "61", 16: "05", 17: "05"},
    **{19: "40", 20: "41", 21: "42", 22: "62", 23: "63", 24: "64", 27: "43", 28: "65"},
    **{29: "66", 30: "70"},
}
DRUGS = {  # ATC
    "metformin": "A10BA02",
    "repaglinide": "A10BX02",
    "nateglinide": "A10BX03",
    "chlorpropamide": "A10BB02",
    "glimepiride": "A10BB12",
    "acetohexamide": "A10BB31",
    "glipizide": "A10BB07",
    "glyburide": "A10BB01",
    "tolbutamide": "A10BB03",
    "pioglitazone": "A10BG03",
    "rosiglitazone": "A10BG02",
    "acarbose": "A10BF01",
    "miglitol": "A10BF02",
    "troglitazone": "A10BG01",
    "tolazamide": "A10BB05",
    "insulin": "A10A",
    "glyburide-metformin": "A10BD02",
    "glipizide-metformin": "A10BD02",
    "glimepiride-pioglitazone": "A10BD06",
    "metformin-rosiglitazone": "A10BD03",
    "metformin-pioglitazone": "A10BD05",
}
# LOINC, unit, and a value within each band that the set states.
_RESULTS: dict[str, tuple[str, str, dict[str, float]]] = {
    "A1Cresult": ("4548-4", "%", {"Norm": 6.0, ">7": 7.5, ">8": 9.0}),
    "max_glu_serum": ("2345-7", "mg/dL", {"Norm": 120.0, ">200": 250.0, ">300": 350.0}),
}


class Dates(NamedTuple):
    """When a stay is said to have been, days since START, and the visits before it."""

    admitted: float
    discharged: float
    stays: tuple[float, ...] = ()
    emergencies: tuple[float, ...] = ()
    visits: tuple[float, ...] = ()


def make_dates(rows: Sequence[StayRow]) -> list[Dates]:
    """Rows of one patient in order -> their dates.

    Those of a row follow from it and from earlier rows alone, but for the visits that it counts:
    they lie between the stay before and its admission.
    """
    found: list[Dates] = []
    ends: list[float] = []
    emergencies: list[float] = []
    visits: list[float] = []
    for row in rows:
        wanted = row["number_inpatient"]
        if not found:
            admitted, free = FIRST_ADMISSION_DAY, FIRST_ADMISSION_DAY - YEAR_DAYS + 1
        else:
            before = found[-1].discharged
            admitted = before + _gap(rows[len(found) - 1]["readmitted"], wanted, before, ends)
            free = max(before + APART_DAYS, admitted - YEAR_DAYS + 2)
        dates = Dates(
            admitted,
            admitted + row["time_in_hospital"],
            _fill(ends, wanted, free, admitted - APART_DAYS, admitted),
            _fill(emergencies, row["number_emergency"], free - APART_DAYS + 1, admitted, admitted),
            _fill(visits, row["number_outpatient"], free - APART_DAYS + 1, admitted, admitted),
        )
        found.append(dates)
        ends += [*(day + 1 for day in dates.stays), dates.discharged]
        emergencies += dates.emergencies
        visits += dates.visits
    return found


def _gap(outcome: str, wanted: int, before: float, ends: Sequence[float]) -> float:
    """Days from a discharge to the next admission, of which `wanted` stays lie in the year."""
    if outcome == "<30":
        return RETURN_GAP_DAYS
    for gap in LATER_GAPS_DAYS:
        missing = wanted - _within_year(ends, before + gap)
        if missing >= 0 and (missing + 2) * APART_DAYS <= gap:
            return gap
    return LATER_GAPS_DAYS[-1] if wanted == 0 else LATER_GAPS_DAYS[-2]


def _within_year(days: Sequence[float], admitted: float) -> int:
    return sum(day >= admitted - YEAR_DAYS for day in days)


def _fill(
    earlier: Sequence[float], wanted: int, low: float, high: float, admitted: float
) -> tuple[float, ...]:
    """Days strictly between `low` and `high` for what the year before lacks of `wanted`."""
    missing = wanted - _within_year(earlier, admitted)
    if missing <= 0 or high - low < missing + 1:
        return ()
    return tuple(np.linspace(low, high, missing + 2)[1:-1].round(2).tolist())


def icd9(code: str) -> str:
    """A code of the set with the zeros that it lost.

    >>> icd9("8"), icd9("38.1"), icd9("V57"), icd9("250.01")
    ('008', '038.1', 'V57', '250.01')
    """
    head, dot, tail = code.partition(".")
    return f"{head:0>3}{dot}{tail}" if head.isdigit() else code


def resources(rows: Sequence[StayRow]) -> Iterator[Resource]:
    """Rows of one patient in order -> Patient, and for each stay what `make_dates` dates."""
    dates = make_dates(rows)
    yield _patient(rows[0], dates[0].admitted)
    for row, when in zip(rows, dates, strict=True):
        yield from _stay(row, when)
        groups = (("IMP", when.stays, 1.0), ("EMER", when.emergencies, 0.2))
        for of_class, days, length in (*groups, ("AMB", when.visits, 0.02)):
            for number, day in enumerate(days):
                name = f"{of_class.lower()}{row['encounter_id']}-{number}"
                yield _encounter(name, row, of_class, day, day + length)


def _patient(row: StayRow, admitted: float) -> Resource:
    """The middle of the age band at the first stay becomes the birth date."""
    middle_of_band = int(row["age"][1:].partition("-")[0]) + 5
    born = START + datetime.timedelta(days=admitted - 365.25 * middle_of_band)
    found: Resource = {
        "resourceType": "Patient",
        "id": f"p{row['patient_nbr']}",
        "birthDate": born.date().isoformat(),
        "gender": {"Female": "female", "Male": "male"}.get(row["gender"], "unknown"),
    }
    if row["race"] in _RACES:
        coding = {"system": "urn:oid:2.16.840.1.113883.6.238", "code": _RACES[row["race"]]}
        parts = [{"url": "ombCategory", "valueCoding": coding}, _text(row["race"])]
        found["extension"] = [{"url": _US_CORE_RACE, "extension": parts}]
    return found


def _text(value: str) -> Resource:
    return {"url": "text", "valueString": value}


def _at(day: float) -> str:
    return (START + datetime.timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _encounter(name: str, row: StayRow, of_class: str, start: float, end: float) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": name,
        "status": "finished",
        "class": {"system": _HL7 + "v3-ActCode", "code": of_class},
        "subject": {"reference": f"Patient/p{row['patient_nbr']}"},
        "period": {"start": _at(start), "end": _at(end)},
    }


def _stay(row: StayRow, when: Dates) -> Iterator[Resource]:
    """The Encounter of a row and what was found and given in it, dated to the admission."""
    name = f"e{row['encounter_id']}"
    found = _encounter(name, row, "IMP", when.admitted, when.discharged)
    if row["admission_type_id"] in _PRIORITIES:
        priority = _PRIORITIES[row["admission_type_id"]]
        found["priority"] = _concept(_HL7 + "v3-ActPriority", priority)
    if row["medical_specialty"]:
        found["serviceType"] = _concept("http://hospital.example/service", row["medical_specialty"])
    diagnoses = [icd9(row[name]) for name in ("diag_1", "diag_2", "diag_3") if row[name]]
    if row["diag_1"]:
        found["reasonCode"] = [_concept("http://hl7.org/fhir/sid/icd-9-cm", diagnoses[0])]
    stay: Resource = {}
    if row["admission_source_id"] in _SOURCES:
        stay["admitSource"] = _concept(_HL7 + "v2-0023", _SOURCES[row["admission_source_id"]])
    if row["discharge_disposition_id"] in _DISPOSITIONS:
        stay["dischargeDisposition"] = _concept(
            "https://www.nubc.org/CodeSystem/PatDischargeStatus",
            _DISPOSITIONS[row["discharge_disposition_id"]],
        )
    if stay:
        found["hospitalization"] = stay
    yield found
    shared = {"subject": found["subject"], "encounter": {"reference": f"Encounter/{name}"}}
    began = _at(when.admitted)
    for number, code in enumerate(diagnoses):
        yield {
            "resourceType": "Condition",
            "id": f"{name}-c{number}",
            "code": _concept("http://hl7.org/fhir/sid/icd-9-cm", code),
            "onsetDateTime": began,
            **shared,
        }
    for drug, code in DRUGS.items():
        if row[drug] != "No":
            yield {
                "resourceType": "MedicationRequest",
                "id": f"{name}-{drug}",
                "status": "active",
                "intent": "order",
                "medicationCodeableConcept": _concept("http://www.whocc.no/atc", code),
                "authoredOn": began,
                **shared,
            }
    for column, (code, unit, values) in _RESULTS.items():
        if row[column] in values:
            yield {
                "resourceType": "Observation",
                "id": f"{name}-{code}",
                "status": "final",
                "code": _concept("http://loinc.org", code),
                "effectiveDateTime": began,
                "valueQuantity": {"value": values[row[column]], "unit": unit},
                **shared,
            }
    for number in range(row["num_procedures"]):
        yield {
            "resourceType": "Procedure",
            "id": f"{name}-p{number}",
            "status": "completed",
            "code": {"text": "procedure"},
            "performedDateTime": began,
            **shared,
        }

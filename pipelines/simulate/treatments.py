"""Courses of P2Y12 inhibitors, in which the treatment that works can be learned.

Poor and intermediate metabolisers of CYP2C19 need another drug than clopidogrel: ticagrelor
from 75 years, below 60 kg or after a stroke, else prasugrel. A quarter begins with the wrong
drug and changes, after a second infarction or without; a tenth is noise.
"""

import datetime
from typing import Any

import numpy as np

from pipelines.simulate import resources
from pipelines.simulate.people import Person
from pipelines.simulate.resources import LOINC, RXNORM, SNOMED, Code, Resource

DRUGS: dict[str, Code] = {
    "clopidogrel": (RXNORM, "309362", "Clopidogrel 75 MG Oral Tablet"),
    "prasugrel": (RXNORM, "855812", "Prasugrel 10 MG Oral Tablet"),
    "ticagrelor": (RXNORM, "1116635", "Ticagrelor 90 MG Oral Tablet"),
}
INFARCTION: Code = (SNOMED, "22298006", "Myocardial infarction")
_STROKE: Code = (SNOMED, "230690007", "Cerebrovascular accident")
_ACTIVITY: Code = (LOINC, "79714-2", "CYP2C19 gene product metabolic activity interpretation")
_GENOTYPE: Code = (LOINC, "84413-4", "Genotype display name")
_GENE: Code = (LOINC, "48018-6", "Gene studied [ID]")
_SMOKING: Code = (LOINC, "72166-2", "Tobacco smoking status")
_WEIGHT: Code = (LOINC, "29463-7", "Body weight")
_HEIGHT: Code = (LOINC, "8302-2", "Body height")
_ALCOHOL: Code = (LOINC, "74013-4", "Alcoholic drinks per day")
_METABOLISERS: tuple[tuple[Code, tuple[str, ...], float], ...] = (
    ((LOINC, "LA9657-3", "Poor metabolizer"), ("*2/*2", "*2/*3"), 0.2),
    ((LOINC, "LA10317-8", "Intermediate metabolizer"), ("*1/*2", "*1/*3"), 0.3),
    ((LOINC, "LA25391-6", "Normal metabolizer"), ("*1/*1",), 0.3),
    ((LOINC, "LA25390-8", "Rapid metabolizer"), ("*1/*17",), 0.14),
    ((LOINC, "LA10315-2", "Ultrarapid metabolizer"), ("*17/*17",), 0.06),
)
_SMOKER: tuple[tuple[Code, float], ...] = (
    ((SNOMED, "266919005", "Never smoked tobacco"), 0.45),
    ((SNOMED, "8517006", "Ex-smoker"), 0.3),
    ((SNOMED, "449868002", "Smokes tobacco daily"), 0.25),
)
_HISTORY, _VITAL = "social-history", "vital-signs"
AGES = (40.0, 90.0)
_COURSE_DAYS = 155
_LONGEST_DAYS = 60 + _COURSE_DAYS + 20  # a failed first course, then one that works
_NOISE, _WRONG_START, _UNTREATED = 0.1, 0.25, 0.14


def simulate_treatment(
    rng: np.random.Generator,
    person: Person,
    begin: datetime.datetime,
    as_of: datetime.datetime,
) -> list[Resource]:
    """Infarction, life style, genotype and course of one adult who lived to `as_of` (UTC).

    About one in seven has everything but a treatment yet: it is what the model is asked for.
    """
    patient = person.patient
    last_start = (as_of - begin).days - _LONGEST_DAYS
    start = begin + datetime.timedelta(days=float(rng.uniform(60, last_start)) // 1, hours=9)
    stroke = bool(rng.random() < 0.15)
    weight_kg = round(float(np.clip(rng.normal(78 if person.sex == "M" else 66, 13), 42, 140)), 1)
    metaboliser = int(rng.choice(len(_METABOLISERS), p=[share for *_, share in _METABOLISERS]))
    written = _background(rng, person, start, stroke=stroke, weight_kg=weight_kg)
    written += _genotype(rng, patient, start, metaboliser)
    if rng.random() < _UNTREATED:
        return written
    age = person.age + (start - begin).days / 365.25
    right = _right_drug(metaboliser, age, weight_kg, stroke=stroke)
    if rng.random() < _NOISE:
        right = str(rng.choice([name for name in DRUGS if name != right]))
    if rng.random() < _WRONG_START:
        wrong = str(rng.choice([name for name in DRUGS if name != right]))
        failed = start + datetime.timedelta(days=int(rng.integers(10, 60)))
        written += _course(rng, patient, wrong, start, failed)
        if rng.random() < 0.6:
            written.append(resources.condition(rng, patient, (INFARCTION,), failed))
        start = failed + datetime.timedelta(days=int(rng.integers(1, 4)))
    return written + _course(
        rng, patient, right, start, start + datetime.timedelta(days=_COURSE_DAYS)
    )


def _right_drug(metaboliser: int, age: float, weight_kg: float, *, stroke: bool) -> str:
    if metaboliser > 1:
        return "clopidogrel"
    return "ticagrelor" if age >= 75 or weight_kg < 60 or stroke else "prasugrel"


def _course(
    rng: np.random.Generator,
    patient: Resource,
    drug: str,
    start: datetime.datetime,
    end: datetime.datetime,
) -> list[Resource]:
    """Orders about every 30 days from `start`, all before `end`."""
    orders = []
    while start < end:
        orders.append(resources.medication_request(rng, patient, DRUGS[drug], start))
        start += datetime.timedelta(days=int(rng.integers(27, 33)))
    return orders


def _background(
    rng: np.random.Generator,
    person: Person,
    start: datetime.datetime,
    *,
    stroke: bool,
    weight_kg: float,
) -> list[Resource]:
    """The infarction, an earlier stroke, and the life style, days before the treatment."""
    patient, day = person.patient, datetime.timedelta(days=1)
    asked = start - day * int(rng.integers(3, 30))
    smoker, _ = _SMOKER[rng.choice(len(_SMOKER), p=[share for _, share in _SMOKER])]
    return [
        *([resources.condition(rng, patient, (_STROKE,), start - day * 45)] if stroke else []),
        resources.condition(rng, patient, (INFARCTION,), start - day * 2),
        resources.observation(rng, patient, _SMOKING, asked, answer=smoker, category=_HISTORY),
        resources.observation(
            rng,
            patient,
            _ALCOHOL,
            asked,
            value=float(rng.integers(0, 5)),
            unit="{drinks}/d",
            category=_HISTORY,
        ),
        resources.observation(
            rng, patient, _WEIGHT, asked, value=weight_kg, unit="kg", category=_VITAL
        ),
        resources.observation(
            rng,
            patient,
            _HEIGHT,
            asked,
            value=round(float(rng.normal(170, 9)), 1),
            unit="cm",
            category=_VITAL,
        ),
    ]


def _genotype(
    rng: np.random.Generator, patient: Resource, start: datetime.datetime, metaboliser: int
) -> list[Resource]:
    """The metaboliser status, the diplotype, or both."""
    answer, diplotypes, _ = _METABOLISERS[metaboliser]
    time = start - datetime.timedelta(days=int(rng.integers(2, 40)))
    gene: list[dict[str, Any]] = [
        {"code": resources.concept(_GENE), "valueCodeableConcept": {"text": "CYP2C19"}}
    ]
    kind = rng.random()
    written = []
    if kind < 0.7:
        written.append(resources.observation(rng, patient, _ACTIVITY, time, answer=answer))
    if kind > 0.4:
        diplotype = f"CYP2C19{diplotypes[rng.integers(len(diplotypes))]}"
        written.append(
            resources.observation(rng, patient, _GENOTYPE, time, text=diplotype, component=gene)
        )
    return written

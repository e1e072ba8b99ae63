"""Hospital stays, emergency and ambulatory visits, in which readmission can be learned.

The chance of an unplanned return within 30 days follows a logistic rule on what the record
shows: earlier stays and emergency visits, chronic conditions, last laboratory values, length
of stay, discharge disposition, age. Planned returns, transfers and deaths occur as well.
"""

import dataclasses
import datetime
import math

import numpy as np

from pipelines.simulate import resources
from pipelines.simulate.people import (
    CANCER,
    CHRONIC,
    COPD,
    HEART_FAILURE,
    KIDNEY_DISEASE,
    Person,
)
from pipelines.simulate.resources import ICD10CM, LOINC, RXNORM, SNOMED, Code, Resource

MAX_STAYS = 9
_BASE_LOGIT = -5.1
_SIGNAL = 1.5  # above 1, so that a small demo shows more than its own noise
_TRANSFER, _PLANNED, _DEATH = 0.03, 0.06, 0.02

_ADMISSION: Code = (SNOMED, "32485007", "Hospital admission")
_ELECTIVE: Code = (SNOMED, "8715000", "Hospital admission, elective")
_CHEMOTHERAPY: Code = (SNOMED, "367336001", "Chemotherapy")
_EMERGENCY: Code = (SNOMED, "50849002", "Emergency room admission")
_CHECK_UP: Code = (SNOMED, "185349003", "Encounter for check up")
# Neither infarction, stroke and bleeding, which would end a course of treatment, nor pneumonia
# and tumours, which are the findings of the imaging studies.
_REASONS: tuple[Code, ...] = (
    (ICD10CM, "N39.0", "Urinary tract infection, site not specified"),
    (ICD10CM, "K57.32", "Diverticulitis of large intestine"),
    (ICD10CM, "S72.001A", "Fracture of neck of femur"),
    (ICD10CM, "L03.90", "Cellulitis, unspecified"),
    (ICD10CM, "K80.20", "Calculus of gallbladder"),
    (ICD10CM, "E86.0", "Dehydration"),
)
_DRUGS: tuple[Code, ...] = (
    (RXNORM, "310429", "Furosemide 20 MG Oral Tablet"),
    (RXNORM, "866412", "Metoprolol succinate 100 MG Extended Release Oral Tablet"),
    (RXNORM, "314076", "Lisinopril 10 MG Oral Tablet"),
    (RXNORM, "312961", "Simvastatin 20 MG Oral Tablet"),
    (RXNORM, "860975", "Metformin hydrochloride 500 MG Extended Release Oral Tablet"),
    (RXNORM, "313782", "Acetaminophen 325 MG Oral Tablet"),
    (RXNORM, "855332", "Warfarin sodium 5 MG Oral Tablet"),
)
CREATININE: Code = (LOINC, "2160-0", "Creatinine [Mass/volume] in Serum or Plasma")
HEMOGLOBIN: Code = (LOINC, "718-7", "Hemoglobin [Mass/volume] in Blood")
SODIUM: Code = (LOINC, "2951-2", "Sodium [Moles/volume] in Serum or Plasma")
ALBUMIN: Code = (LOINC, "1751-7", "Albumin [Mass/volume] in Serum or Plasma")
_BLOOD_PRESSURE: Code = (LOINC, "85354-9", "Blood pressure panel")
_DISPOSITIONS = ("home", "snf", "rehab", "aadvice")
_DISPOSITION_SHARES = (0.66, 0.2, 0.09, 0.05)


@dataclasses.dataclass(frozen=True)
class _Plan:
    """What the next stay is: planned or not, and whether it may lead to a return."""

    start: datetime.datetime
    planned: bool = False
    returns: bool = True


@dataclasses.dataclass(frozen=True)
class _Labs:
    creatinine_mg_dl: float
    hemoglobin_g_dl: float
    sodium_mmol_l: float
    albumin_g_dl: float


@dataclasses.dataclass
class _Journey:
    """State of one patient while the history is written."""

    rng: np.random.Generator
    person: Person
    as_of: datetime.datetime
    written: list[Resource]
    stays: list[datetime.datetime]
    emergencies: list[datetime.datetime]
    recorded: set[str]


def simulate_stays(
    rng: np.random.Generator,
    person: Person,
    begin: datetime.datetime,
    as_of: datetime.datetime,
) -> list[Resource]:
    """The visits of one patient from `begin` to `as_of` (UTC), with all that they contain.

    A stay that has not ended by `as_of` is open. Sets `person.died` where one ends in death.
    """
    journey = _Journey(rng, person, as_of, [], [], [], set())
    days = (as_of - begin).days
    first = _Plan(_later(rng, begin, 1, days * 0.9))
    _visits(journey, begin, min(first.start, as_of))
    plan: _Plan | None = first
    while plan is not None and plan.start < as_of and len(journey.stays) < MAX_STAYS:
        plan = _stay(journey, plan)
    return journey.written


def _later(
    rng: np.random.Generator, time: datetime.datetime, low: float, high: float
) -> datetime.datetime:
    """A time between `low` and `high` days after, to the minute."""
    minutes = int(rng.uniform(low, high) * 24 * 60)
    return time + datetime.timedelta(minutes=minutes)


def _visits(journey: _Journey, after: datetime.datetime, before: datetime.datetime) -> None:
    """Emergency and ambulatory visits between two stays."""
    rng, patient = journey.rng, journey.person.patient
    years = max((before - after).total_seconds(), 0) / (365.25 * 86400)
    for _ in range(rng.poisson(0.9 * years)):
        start = _later(rng, after, 0, years * 365)
        end = _later(rng, start, 0.1, 0.4)
        if end >= before:
            continue
        journey.emergencies.append(start)
        journey.written.append(
            resources.encounter(
                rng, patient, encounter_class="EMER", kind=_EMERGENCY, start=start, end=end
            )
        )
    for _ in range(min(rng.poisson(1.2 * years), 4)):
        start = _later(rng, after, 0, years * 365)
        end = _later(rng, start, 0.01, 0.04)
        if end >= before:
            continue
        visit = resources.encounter(
            rng, patient, encounter_class="AMB", kind=_CHECK_UP, start=start, end=end
        )
        journey.written += [visit, _blood_pressure(rng, patient, start, visit)]


def _blood_pressure(
    rng: np.random.Generator, patient: Resource, time: datetime.datetime, visit: Resource
) -> Resource:
    parts = [("8480-6", "Systolic blood pressure", 135), ("8462-4", "Diastolic", 82)]
    components = [
        {
            "code": resources.concept((LOINC, code, display)),
            "valueQuantity": {
                "value": round(float(rng.normal(mean, 12))),
                "unit": "mm[Hg]",
                "system": resources.UCUM,
                "code": "mm[Hg]",
            },
        }
        for code, display, mean in parts
    ]
    return resources.observation(
        rng,
        patient,
        _BLOOD_PRESSURE,
        time,
        component=components,
        category="vital-signs",
        within=visit,
    )


def _stay(journey: _Journey, plan: _Plan) -> _Plan | None:
    """Write one stay with its contents; what comes next, or None after a death or an open stay."""
    rng, person, start = journey.rng, journey.person, plan.start
    length_days = float(np.clip(rng.gamma(2.2, 2.4), 1, 15))
    if plan.planned:
        length_days = min(length_days, 3.0)
    end: datetime.datetime | None = start + datetime.timedelta(minutes=int(length_days * 1440))
    event = rng.random()
    dies = event < _DEATH
    transferred = _DEATH <= event < _DEATH + _TRANSFER
    disposition = str(rng.choice(_DISPOSITIONS, p=_DISPOSITION_SHARES))
    if dies or transferred:
        disposition = "exp" if dies else "hosp"
    if end is not None and end >= journey.as_of:
        end = None
    reason = _REASONS[rng.integers(len(_REASONS))]
    encounter = resources.encounter(
        rng,
        person.patient,
        encounter_class="IMP",
        kind=_ELECTIVE if plan.planned else _ADMISSION,
        start=start,
        end=end,
        reason=_CHEMOTHERAPY if plan.planned else reason,
        priority="EL" if plan.planned else "EM",
        disposition=disposition if end else None,
    )
    until = end or journey.as_of
    labs, drugs = _contents(journey, encounter, start, until, reason, planned=plan.planned)
    if end is None:
        return None
    chance = _chance(journey, start, end, labs, drugs, disposition)
    journey.stays.append(start)
    if dies:
        person.die(end)
        return None
    following = _next(journey, end, chance, transferred=transferred, returns=plan.returns)
    _visits(journey, end, min(following.start, journey.as_of))
    return following


def _next(
    journey: _Journey,
    end: datetime.datetime,
    chance: float,
    *,
    transferred: bool,
    returns: bool,
) -> _Plan:
    rng = journey.rng
    if transferred:
        return _Plan(_later(rng, end, 0.05, 0.4))
    if returns and rng.random() < _PLANNED:
        return _Plan(_later(rng, end, 7, 26), planned=True, returns=False)
    if returns and rng.random() < chance:
        return _Plan(_later(rng, end, 1.5, 28))
    return _Plan(_later(rng, end, 32, 32 + float(rng.exponential(260))))


def _chance(
    journey: _Journey,
    start: datetime.datetime,
    end: datetime.datetime,
    labs: _Labs,
    drugs: int,
    disposition: str,
) -> float:
    """Probability of an unplanned return within 30 days of `end`."""
    chronic = journey.person.chronic
    year, half = datetime.timedelta(days=365), datetime.timedelta(days=180)
    stays = sum(start - stay <= year for stay in journey.stays)
    emergencies = sum(datetime.timedelta(0) < start - time <= half for time in journey.emergencies)
    signal = (
        0.4 * min(stays, 4)
        + 0.3 * emergencies
        + 0.8 * (HEART_FAILURE in chronic)
        + 0.5 * (COPD in chronic)
        + 0.5 * (KIDNEY_DISEASE in chronic)
        + 0.6 * (CANCER in chronic)
        + 0.4 * max(labs.creatinine_mg_dl - 1, 0)
        + 0.15 * (12 - labs.hemoglobin_g_dl)
        + 0.05 * (138 - labs.sodium_mmol_l)
        + 0.05 * (end - start).days
        + 0.05 * drugs
        + {"snf": 0.4, "aadvice": 0.8}.get(disposition, 0)
        + 0.01 * max(journey.person.age - 60, 0)
    )
    return 1 / (1 + math.exp(-(_BASE_LOGIT + _SIGNAL * signal)))


def _contents(
    journey: _Journey,
    encounter: Resource,
    start: datetime.datetime,
    until: datetime.datetime,
    reason: Code,
    *,
    planned: bool,
) -> tuple[_Labs, int]:
    """Write diagnoses, tests, drugs and procedures; the last values and the number of drugs."""
    rng, person, written = journey.rng, journey.person, journey.written
    patient, hours = person.patient, (until - start).total_seconds() / 3600
    written.append(encounter)
    minute = datetime.timedelta(minutes=5)
    written.append(resources.condition(rng, patient, (reason,), start + minute, within=encounter))
    for name in sorted(person.chronic - journey.recorded):
        journey.recorded.add(name)
        written.append(
            resources.condition(rng, patient, CHRONIC[name], start + minute, within=encounter)
        )
    labs = _laboratory(rng, person)
    for share, drift in ((0.1, 1.08), (0.8, 1.0)):
        time = start + datetime.timedelta(minutes=int(hours * 60 * share))
        for code, value, unit in (
            (CREATININE, labs.creatinine_mg_dl * drift, "mg/dL"),
            (HEMOGLOBIN, labs.hemoglobin_g_dl * drift, "g/dL"),
            (SODIUM, labs.sodium_mmol_l, "mmol/L"),
            (ALBUMIN, labs.albumin_g_dl, "g/dL"),
        ):
            written.append(
                resources.observation(
                    rng, patient, code, time, value=round(value, 2), unit=unit, within=encounter
                )
            )
    chosen = rng.permutation(len(_DRUGS))[: rng.integers(1, len(_DRUGS))]
    for drug in chosen:
        time = start + datetime.timedelta(minutes=int(hours * 60 * rng.uniform(0.2, 0.95)))
        written.append(
            resources.medication_request(rng, patient, _DRUGS[drug], time, within=encounter)
        )
    if planned:
        written.append(
            resources.procedure(
                rng,
                patient,
                _CHEMOTHERAPY,
                start + datetime.timedelta(minutes=int(hours * 20)),
                within=encounter,
            )
        )
    written.append(resources.claim(rng, patient, until))
    return labs, len(chosen)


def _laboratory(rng: np.random.Generator, person: Person) -> _Labs:
    kidney = KIDNEY_DISEASE in person.chronic
    return _Labs(
        creatinine_mg_dl=float(np.clip(rng.normal(2.3 if kidney else 1.0, 0.35), 0.5, 6)),
        hemoglobin_g_dl=float(np.clip(rng.normal(12.3, 1.6), 7, 17)),
        sodium_mmol_l=float(np.clip(rng.normal(138, 3), 122, 150)),
        albumin_g_dl=float(np.clip(rng.normal(3.7, 0.5), 1.8, 5)),
    )

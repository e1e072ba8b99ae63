"""Patients with genotypes and courses of treatment for the tests of `treatment`."""

import datetime
from typing import Any

import numpy as np

from tests.builders import event_frame, table_frame
from transforms.bucket_tables import Tables

AS_OF = datetime.datetime.fromisoformat("2024-01-01")
DRUGS = {"clopidogrel": "309362", "prasugrel": "855812", "ticagrelor": "1116635"}
WEEKLY = ("21", "49")
Row = dict[str, Any]


def day(number: float) -> datetime.datetime:
    """Days since the start of 2023."""
    return datetime.datetime.fromisoformat("2023-01-01") + datetime.timedelta(days=number)


def fact(code: str, time: float | None, kind: str = "Observation", **columns: object) -> Row:
    """One event of subject 1, days since the start of 2023."""
    return {
        "code": code,
        "time": None if time is None else day(time),
        "resource_type": kind,
        **columns,
    }


def dose(drug: str, time: float, **columns: object) -> Row:
    """An order of one of the compared treatments."""
    return fact(f"RXNORM//{DRUGS[drug]}", time, "MedicationRequest", **columns)


def label(value: str, time: float, subject: int = 1) -> Row:
    """A row of `labels`."""
    return {
        "bucket": 0,
        "model": "treatment",
        "subject_id": subject,
        "prediction_time": day(time),
        "categorical_value": value,
    }


def dose_label(dose: float, time: float, subject: int = 1) -> Row:
    """A row of `labels` with a weekly dose."""
    return {**label("", time, subject), "categorical_value": None, "float_value": dose}


def tables_of(rows: list[Row], labels: list[Row] | None = None) -> Tables:
    """Rows of events and of labels -> Tables."""
    return Tables(events=event_frame(rows), labels=table_frame("labels", labels or []))


def tables(seed: int = 0, subjects: int = 60) -> Tables:
    """Drawn patients: who metabolises CYP2C19 poorly keeps prasugrel, others clopidogrel."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for subject in range(1, subjects + 1):
        mine = {"subject_id": subject, "resource_id": subject}
        poor = bool(rng.random() < 0.5)
        answer = "Poor metabolizer" if poor else "Normal metabolizer"
        rows += [
            fact("MEDS_BIRTH", -365.25 * float(rng.uniform(40, 90)), "Patient", **mine),
            fact("LOINC//79714-2", 1, text_value=answer, **mine),
            fact("LOINC//29463-7", 1, numeric_value=float(rng.normal(75, 9)), unit="kg", **mine),
            *[dose("prasugrel" if poor else "clopidogrel", 10 + 30 * n, **mine) for n in range(4)],
        ]
    return tables_of(rows)

"""Patients with stays, written by hand or drawn, for the tests of `readmission`."""

import datetime
from typing import Any

import numpy as np

from tests.builders import event_frame, table_frame
from transforms.bucket_tables import Tables

AS_OF = datetime.datetime.fromisoformat("2024-01-01")
Row = dict[str, Any]


def day(number: float) -> datetime.datetime:
    """Days since the start of 2023."""
    return datetime.datetime.fromisoformat("2023-01-01") + datetime.timedelta(days=number)


def fact(
    code: str, time: datetime.datetime | None, kind: str = "Observation", **columns: object
) -> Row:
    """One event of subject 1."""
    return {"code": code, "time": time, "resource_type": kind, **columns}


def encounter(
    number: int,
    start: float,
    end: float | None,
    *,
    of_class: str = "IMP",
    subject: int = 1,
    start_codes: tuple[str, ...] = (),
    end_codes: tuple[str, ...] = (),
) -> list[Row]:
    """Events of one Encounter, days since the start of 2023."""
    shared = {"subject_id": subject, "encounter_id": number, "resource_id": number}
    codes = [(start, code) for code in (f"ENCOUNTER_START//{of_class}", *start_codes)]
    if end is not None:
        codes += [(end, code) for code in (f"ENCOUNTER_END//{of_class}", *end_codes)]
    return [fact(code, day(time), "Encounter", **shared) for time, code in codes]


def tables_of(rows: list[Row], labels: list[Row] | None = None) -> Tables:
    """Rows of events and of labels -> Tables."""
    return Tables(
        events=event_frame(rows),
        labels=table_frame(
            "labels", [{"bucket": 0, "model": "readmission", **row} for row in labels or []]
        ),
    )


def tables(seed: int = 0, subjects: int = 60) -> Tables:
    """Drawn patients: a sick one in two returns soon after a stay."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for subject in range(1, subjects + 1):
        sick = bool(rng.random() < 0.5)
        mine = {"subject_id": subject}
        rows.append(fact("MEDS_BIRTH", day(-26_000), "Patient", **mine))
        rows.append(
            fact("SEX//female" if rng.random() < 0.5 else "SEX//male", None, "Patient", **mine)
        )
        if sick:
            rows.append(fact("ICD10CM//I50.9", day(0), "Condition", **mine))
        start = float(rng.uniform(1, 20))
        for stay in range(4):
            number = subject * 10 + stay
            end = start + float(rng.uniform(1, 9))
            rows += encounter(
                number,
                start,
                end,
                subject=subject,
                end_codes=(
                    "DISCHARGE_DISPOSITION//snf" if sick else "DISCHARGE_DISPOSITION//home",
                ),
            )
            rows.append(
                fact(
                    "LOINC//2160-0",
                    day(start + 0.5),
                    numeric_value=float(rng.normal(1 + sick, 0.2)),
                    unit="mg/dL",
                    encounter_id=number,
                    **mine,
                )
            )
            start = end + float(rng.uniform(3, 25) if sick else rng.uniform(35, 70))
    return tables_of(rows)

"""Weekly counts and patients, written by hand or drawn, for the tests of `outbreak`."""

import datetime
from typing import Any

import numpy as np

from model_defs import outbreak
from tests.builders import event_frame, table_frame
from transforms.bucket_tables import Tables

AS_OF = datetime.datetime.fromisoformat("2024-01-01")
MONDAY = datetime.date.fromisoformat("2022-01-03")
CONFIG = outbreak.Config(smallest=0.0)  # a few patients make a region of their own
Row = dict[str, Any]


def monday(week: int) -> datetime.date:
    """The Monday of a week, counted from MONDAY."""
    return MONDAY + datetime.timedelta(weeks=week)


def end_of(week: int) -> datetime.datetime:
    """The last microsecond of a week, counted from MONDAY."""
    start = datetime.datetime.combine(monday(week + 1), datetime.time())
    return start - datetime.timedelta(microseconds=1)


def count(week: int, cases: float, region: int = 1, **columns: object) -> Row:
    """A row of `counts`, known at the end of its week."""
    return {
        "bucket": region % 2,
        "region_id": region,
        "series": "ILI",
        "region": f"R{region}",
        "week": monday(week),
        "cases": cases,
        "known": end_of(week),
        **columns,
    }


def visit(subject: int, day: datetime.datetime, *codes: str) -> list[Row]:
    """A visit of a patient, and conditions of that day."""
    encounter = {"code": "ENCOUNTER_START//AMB", "resource_type": "Encounter"}
    rows = [encounter, *({"code": code, "resource_type": "Condition"} for code in codes)]
    return [{"subject_id": subject, "time": day, **row} for row in rows]


def home(subject: int, *codes: str) -> list[Row]:
    """Where a patient lives, as `STATE//MA`."""
    return [
        {"subject_id": subject, "time": None, "code": code, "resource_type": "Patient"}
        for code in codes
    ]


def tables_of(counts: list[Row], events: list[Row] | None = None) -> Tables:
    """Rows of counts and of events -> Tables."""
    events = [{"bucket": row["subject_id"] % 2, **row} for row in events or []]
    return Tables(counts=table_frame("counts", counts), events=event_frame(events))


def tables(seed: int = 0, subjects: int = 60) -> Tables:
    """Three regions with a winter wave, some weeks missing or revised, and as many patients.

    The patients visit every fortnight, each with influenza in one week of the winter.
    """
    rng = np.random.default_rng(seed)
    counts: list[Row] = []
    for region in (1, 2, 3):
        for week in range(103):
            wave = 40 * region * (1.2 + np.cos(2 * np.pi * (week - 3) / 52))
            cases = float(rng.poisson(wave))
            if rng.random() > 0.05:
                counts.append(count(week, cases, region))
            if rng.random() < 0.2:
                counts.append(count(week, cases + 5, region, known=end_of(week + 2)))
    events: list[Row] = []
    for subject in range(1, subjects + 1):
        events += home(subject, "STATE//MA", "ZIP3//021")
        sick = int(rng.integers(50, 60))
        for week in range(40, 103, 2):
            day = datetime.datetime.combine(monday(week), datetime.time(12))
            events += visit(subject, day, *(["ICD10CM//J10.1"] if week in (sick, sick + 1) else []))
    return tables_of(counts, events)

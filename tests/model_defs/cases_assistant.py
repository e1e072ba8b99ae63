"""Patients who write, by hand or drawn, for the tests of `assistant`."""

import datetime
from typing import Any

import numpy as np

from tests.builders import event_frame, table_frame
from transforms.bucket_tables import Tables

AS_OF = datetime.datetime.fromisoformat("2024-01-01")
WORDS = {
    "Acne": ("pimples on my face", "blackheads and oily skin", "spots with pus on my back"),
    "Migraine": ("throbbing headache on one side", "light hurts my eyes", "aura, then headache"),
    "Malaria": ("fever with shivering and sweats", "high fever every other day", "chills at night"),
}
ICD10 = {"Acne": "L70.0", "Migraine": "G43.9", "Malaria": "B54"}
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


def message(text: str, time: float, number: int = 1, **columns: object) -> Row:
    """A Communication of one part."""
    return fact(
        "Communication//TEXT",
        time,
        "Communication",
        text_value=text,
        resource_id=number,
        **columns,
    )


def label(value: str, number: int = 1, subject: int = 1, time: float = 0) -> Row:
    """A row of `labels` for the message of that number."""
    return {
        "bucket": 0,
        "model": "assistant",
        "subject_id": subject,
        "entity_id": number,
        "prediction_time": day(time),
        "categorical_value": value,
    }


def tables_of(rows: list[Row], labels: list[Row] | None = None) -> Tables:
    """Rows of events and of labels -> Tables."""
    return Tables(events=event_frame(rows), labels=table_frame("labels", labels or []))


def tables(seed: int = 0, subjects: int = 60) -> Tables:
    """Drawn patients, one message each; every second one is diagnosed some days later."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    labels: list[Row] = []
    for subject in range(1, subjects + 1):
        mine = {"subject_id": subject}
        condition = list(WORDS)[subject % len(WORDS)]
        told = " and ".join(rng.choice(WORDS[condition], 2, replace=False))
        sent = float(rng.uniform(10, 300))
        sex = "female" if rng.random() < 0.5 else "male"
        rows += [
            fact("MEDS_BIRTH", -rng.uniform(1000, 30000), "Patient", resource_id=-subject, **mine),
            fact(f"SEX//{sex}", None, "Patient", resource_id=-subject, **mine),
            fact("ICD10CM//I10", 1, "Condition", resource_id=1000 + subject, **mine),
            fact(
                "LOINC//8867-4",
                sent - float(rng.uniform(0.1, 12)),
                numeric_value=float(rng.normal(80, 10)),
                unit="/min",
                resource_id=2000 + subject,
                **mine,
            ),
            message(f"I have {told}.", sent, subject, **mine),
        ]
        if subject % 2:
            rows.append(
                fact(
                    f"ICD10CM//{ICD10[condition]}",
                    sent + float(rng.uniform(0.1, 10)),
                    "Condition",
                    resource_id=3000 + subject,
                    **mine,
                )
            )
        else:
            labels.append(label(condition, subject, subject))
    return tables_of(rows, labels)

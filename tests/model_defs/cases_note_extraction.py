"""Patients with notes, drawn, for the tests of `note_extraction`."""

import datetime
from typing import Any

import numpy as np

from tests.builders import event_frame
from transforms.bucket_tables import Tables

AS_OF = datetime.datetime.fromisoformat("2024-01-01")
VISIT, OPERATION = "LOINC//34117-2", "LOINC//11504-8"
_VISIT_LINES = ["Cough for 3 weeks.", "Lungs clear.", "BP 118/66.", "Return on 06/04/2023."]
_OPERATION_LINES = ["Incision made.", "A 2 cm stone removed.", "Lidocaine 1% given.", "Closed."]
Row = dict[str, Any]


def note(number: int, text: str | None, time: datetime.datetime, **columns: object) -> Row:
    """One event of a DocumentReference."""
    return {
        "resource_type": "DocumentReference",
        "resource_id": number,
        "time": time,
        "code": VISIT,
        "text_value": text,
        **columns,
    }


def tables(seed: int = 0, subjects: int = 60) -> Tables:
    """Drawn patients, each with two notes of a visit or of an operation."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for subject in range(1, subjects + 1):
        mine = {"subject_id": subject}
        sex = "female" if rng.random() < 0.5 else "male"
        born = datetime.datetime.fromisoformat("1960-01-01")
        rows.append({**mine, "code": "MEDS_BIRTH", "time": born, "resource_type": "Patient"})
        rows.append({**mine, "code": f"SEX//{sex}", "time": None, "resource_type": "Patient"})
        for number in range(2):
            operated = bool(rng.random() < 0.5)
            lines = list(rng.permutation(_OPERATION_LINES if operated else _VISIT_LINES))
            heading = "PROCEDURE:" if operated else "HISTORY:"
            day = datetime.datetime.fromisoformat("2023-01-01") + datetime.timedelta(
                days=float(rng.uniform(0, 300))
            )
            text = "\n".join([heading, *lines])
            code = OPERATION if operated else VISIT
            rows.append(note(10 * subject + number, text, day, code=code, **mine))
    return Tables(events=event_frame(rows))

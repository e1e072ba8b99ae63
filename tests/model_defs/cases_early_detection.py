"""Studies whose disease is a bright spot, with the record that gives the label."""

import datetime
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from tests.builders import event_frame, image_frame, table_frame
from transforms.bucket_tables import Tables

Row = dict[str, Any]

AS_OF = datetime.datetime(2024, 6, 1)
START = datetime.datetime(2024, 1, 1)
SPOT = 1_000_000  # added to source_id of an instance with a spot


def spot_pixels(images: pl.DataFrame, *, size: int, max_frames: int) -> Iterator[np.ndarray | None]:
    """Noise, and a bright spot where source_id says so; a negative source_id is unreadable."""
    for source_id, frames in images.select("source_id", "frames").iter_rows():
        if source_id < 0:
            yield None
            continue
        random = np.random.default_rng(source_id)
        found = random.uniform(0, 0.4, (min(frames, max_frames), size, size, 1))
        if source_id >= SPOT:
            row, column = random.integers(size // 8, size * 5 // 8, 2)
            found[:, row : row + size // 4, column : column + size // 4] = 0.95
        yield found.astype(np.float32)


def instance(**columns: object) -> Row:
    """One row of `images`: a readable single frame, unless the columns say otherwise."""
    return {"has_pixels": True, "frames": 1, "series_id": 1, "source_id": 1, **columns}


def condition(**columns: object) -> Row:
    """One Condition event."""
    return {"resource_type": "Condition", "resource_id": 1, "code": "SNOMED//1", **columns}


def tables_of(
    images: list[Row], events: list[Row] | None = None, labels: list[Row] | None = None
) -> Tables:
    """Rows -> Tables with pixels of `spot_pixels`."""
    return Tables(
        events=event_frame(events or []),
        images=image_frame(images),
        labels=table_frame("labels", labels or []),
        pixels=spot_pixels,
    )


def tables(seed: int = 0, subjects: int = 60) -> Tables:
    """One study per subject; every other one has a spot and pneumonia three days later."""
    random = np.random.default_rng(seed)
    images, events = [], []
    for subject in range(1, subjects + 1):
        diseased = subject % 2 == 1
        time = START + datetime.timedelta(hours=int(random.integers(0, 1000)))
        for number in range(int(random.integers(1, 4))):
            images.append(
                instance(
                    subject_id=subject,
                    study_id=10_000 + subject,
                    instance_id=subject * 10 + number,
                    instance_number=number,
                    time=time + datetime.timedelta(minutes=number),
                    source_id=subject * 10 + number + (SPOT if diseased else 0),
                )
            )
        code = "ICD10CM//J18.9" if diseased else "SNOMED//17621005"
        events.append(
            condition(
                subject_id=subject,
                time=time + datetime.timedelta(days=3),
                code=code,
                resource_id=subject,
            )
        )
    return tables_of(images, events)

"""Tables and examples that the stand-in models share: one event per subject decides its label."""

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.builders import event_frame
from transforms.bucket_tables import Tables
from transforms.make_examples import Buckets

AS_OF = datetime.datetime(2024, 1, 1)
DAY = datetime.timedelta(days=1)
BUCKETS = 3


def tables(seed: int = 0, subjects: int = 200) -> Tables:
    """A measurement per subject, later an outcome that follows from it; the last has none."""
    random = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for subject in range(1, subjects + 1):
        value = float(random.normal())
        time = AS_OF - DAY * int(random.integers(20, 200))
        rows.append(
            {
                "subject_id": subject,
                "time": time,
                "code": "VALUE",
                "numeric_value": value,
                "text_value": "ward é" if subject % 2 else None,
                "resource_id": subject,
            }
        )
        if subject < subjects:
            outcome = ["low", "middle", "high"][int(value > -0.5) + int(value > 0.5)]
            rows.append(
                {
                    "subject_id": subject,
                    "time": time + DAY,
                    "code": "OUTCOME",
                    "numeric_value": value * 2,
                    "text_value": outcome,
                    "resource_id": subject,
                }
            )
    return Tables(events=event_frame(rows))


def as_buckets(found: Tables, folder: Path) -> Buckets:
    """Tables -> Parquet files of buckets, as the warehouse has them."""
    files: dict[int, dict[str, list[str]]] = {}
    for bucket in range(BUCKETS):
        files[bucket] = {}
        for name in ("events", "images", "labels"):
            part = getattr(found, name).filter(pl.col("subject_id") % BUCKETS == bucket)
            if part.height:
                path = folder / f"{name}-{bucket}.parquet"
                part.write_parquet(path)
                files[bucket][name] = [str(path)]
    return Buckets(files)


def examples(found: Tables, as_of: datetime.datetime) -> pl.DataFrame:
    """Keys, prediction time, `value`, `ward`, and the outcome's text and number."""
    events = found.events.filter(pl.col("time") < as_of)
    outcome = events.filter(pl.col("code") == "OUTCOME").select(
        "subject_id",
        pl.col("text_value").alias("outcome"),
        pl.col("numeric_value").alias("quantity"),
    )
    return (
        events.filter(pl.col("code") == "VALUE")
        .select(
            "subject_id",
            (pl.col("subject_id") + 5000).alias("entity_id"),
            (pl.col("time") + datetime.timedelta(microseconds=1)).alias("prediction_time"),
            pl.col("numeric_value").alias("value"),
            pl.col("text_value").alias("ward"),
        )
        .join(outcome, on="subject_id", how="left")
    )

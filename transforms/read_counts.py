"""Files of weekly counts -> rows of `counts`.

A Parquet or CSV file with the columns

- `region`: where was counted, required;
- `week`: required; any day of the ISO week, or text such as `2024-W05`. Stored as its Monday;
- `cases`: required; a number from 0 on. A row whose cell is empty is left out: a missing week;
- `series`: what was counted, such as `ILI`; a file without it is named after it (`ili.csv`);
- `known`: when the figure was known, a date or a time, UTC; where it is empty, at the end of the
  week.

A row that cannot be used is quarantined, not the file. The same region, week and `known` again
replaces the row; with another `known` it is a revision, and both stay.

Source: ISO 8601 (weeks)
"""

import datetime
from collections.abc import Iterator

import apache_beam as beam
import polars as pl

from transforms.batches import Keyed
from transforms.keyed_rows import REFUSED, SKIPPED, first_reason, keyed_rows
from transforms.keys import Keys
from transforms.table_files import TableFile, file_stem

_WEEK = datetime.timedelta(days=7) - datetime.timedelta(microseconds=1)


def check_count_file(uri: str) -> None:
    """Raises: UsageError, naming the column, when one is missing or of a type that cannot be."""
    _columns(_open(uri))


def read_count_rows(file: TableFile, keys: Keys) -> pl.DataFrame:
    """One file -> its rows, as `keyed_rows` takes them.

    Raises: UsageError, as `check_count_file`.
    """
    frame = _columns(file)
    no_cases, no_known = ~pl.lit(file.given("cases")), ~pl.lit(file.given("known"))
    refused = first_reason(
        (pl.col("series").is_null(), "series is empty"),
        (pl.col("region").is_null(), "region is empty"),
        (pl.col("week").is_null(), "week is neither a day nor a week such as 2024-W05"),
        (pl.col("cases").is_null() & ~no_cases, "cases is no finite number"),
        (pl.col("cases") < 0, "cases is negative"),
        (pl.col("known").is_null() & ~no_known, "known is no date and no time"),
    )
    region_ids = [
        keys.region_id(series or "", region or "")
        for series, region in frame.select("series", "region").iter_rows()
    ]
    end_of_week = pl.col("week").cast(pl.Datetime("us")) + pl.lit(_WEEK)
    return frame.select(
        pl.Series("region_id", region_ids, pl.Int64),
        "series",
        "region",
        "week",
        "cases",
        pl.when(no_known).then(end_of_week).otherwise("known").alias("known"),
        refused.alias(REFUSED),
        pl.when(no_cases).then(pl.lit("no cases given")).alias(SKIPPED),
    )


def keyed_counts(uri: str, keys: Keys, buckets: int) -> Iterator[Keyed | beam.pvalue.TaggedOutput]:
    """One file -> shuffled elements of `counts`, `quarantine` and `sources`, and counts."""
    file = _open(uri)
    yield from keyed_rows("counts", file, read_count_rows(file, keys), keys, buckets)


def _open(uri: str) -> TableFile:
    return TableFile("--counts", uri, ["region", "week", "cases"])


def _columns(file: TableFile) -> pl.DataFrame:
    series = file.text("series")
    if "series" not in file.frame.columns:
        series = pl.Series("series", [file_stem(file.uri)] * file.frame.height, pl.String)
    return pl.DataFrame(
        {
            "series": series,
            "region": file.text("region"),
            "week": file.week("week"),
            "cases": file.number("cases"),
            "known": file.time("known"),
        }
    )

"""Rows of a table brought along -> shuffled elements, refusals, and the counts of both."""

from collections.abc import Iterator

import apache_beam as beam
import polars as pl

from transforms.batches import Keyed, bucket_of, keyed_batches, shuffle_schema, split_by, to_ipc
from transforms.counts import Count
from transforms.keys import Keys
from transforms.schemas import TABLES
from transforms.table_files import TableFile

REFUSED, SKIPPED = "refused", "skipped"
"""Columns beside those of the table: why a row is refused, or left out; null where it is not."""


def first_reason(*reasons: tuple[pl.Expr, str]) -> pl.Expr:
    """(condition, reason), in order -> the reason of the first condition that holds, else null."""
    return pl.coalesce(pl.when(condition).then(pl.lit(reason)) for condition, reason in reasons)


def keyed_rows(
    table: str, file: TableFile, frame: pl.DataFrame, keys: Keys, buckets: int
) -> Iterator[Keyed | beam.pvalue.TaggedOutput]:
    """Rows of `table`, one for each row of the file -> shuffled elements; `counts` beside them.

    `frame` has the table's columns as shuffled but for where they come from, `refused` and
    `skipped`. A refused row goes to the quarantine with its number, and the file to `sources`.
    The stage is `read_<table>`.
    """
    stage = f"read_{table}"
    source_id = keys.source_id(file.uri)
    schema = shuffle_schema(table)
    frame = frame.with_columns(
        source_id=pl.lit(source_id, pl.Int64), position=pl.int_range(pl.len(), dtype=pl.Int64)
    )
    refused = frame.filter(pl.col(REFUSED).is_not_null())
    left_out = frame.filter(pl.col(REFUSED).is_null() & pl.col(SKIPPED).is_not_null())
    good = frame.filter(pl.col(REFUSED).is_null() & pl.col(SKIPPED).is_null())
    arrow = good.select(schema.names).to_arrow().cast(schema)
    for batch in arrow.combine_chunks().to_batches():
        owners = bucket_of(batch.column(TABLES[table].bucket_of), buckets)
        for bucket, part in split_by(batch, owners):
            yield (table, bucket), to_ipc(part)
    rows: list[tuple[object, ...]] = [
        (source_id, n, stage, None, None, "InputError", reason, file.row_json(n))
        for n, reason in refused.select("position", REFUSED).iter_rows()
    ]
    yield from keyed_batches("quarantine", rows, buckets)
    source = (source_id, file.uri, table, file.size_bytes, file.content_hash)
    yield from keyed_batches("sources", [source], buckets)
    counts = {
        Count(stage, "read"): frame.height,
        Count(stage, "quarantined"): refused.height,
        **{
            Count(stage, "skipped", reason): n
            for reason, n in left_out.group_by(SKIPPED).len().iter_rows()
        },
    }
    for count, number in counts.items():
        yield beam.pvalue.TaggedOutput("counts", (count, number))

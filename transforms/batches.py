"""Arrow batches that travel between workers: built from rows, split by bucket, sent as IPC bytes.

A shuffled element is `((table, bucket), bytes)`: one Arrow IPC stream, zstd-compressed, of rows
of that table whose owners fall into that bucket.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from transforms.schemas import TABLES

Keyed = tuple[tuple[str, int], bytes]

# What the readers fill in; bucket and run are added here, for whole batches.
ADDED = ("bucket", "ingest_run", "run_id", "run_date")
_COMPRESSION = "zstd"
# Rows turned into columns at once: as many as stay in the processor's cache.
_AT_ONCE = 2048


def bare_schema(schema: pa.Schema, *without: str) -> pa.Schema:
    """The schema without those fields and without field metadata, nullable throughout.

    >>> bare_schema(pa.schema([pa.field("a", pa.int8(), False), ("b", pa.int8())]), "b").names
    ['a']
    """
    return pa.schema([(field.name, field.type) for field in schema if field.name not in without])


def to_ipc(batch: pa.RecordBatch) -> bytes:
    """A record batch -> one Arrow IPC stream, compressed as a whole.

    IPC's own compression works buffer by buffer: five times slower on batches of this size, and
    larger.
    """
    sink = pa.BufferOutputStream()
    with (
        pa.CompressedOutputStream(sink, _COMPRESSION) as compressed,
        pa.ipc.new_stream(compressed, batch.schema) as writer,
    ):
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def from_ipc(streams: Iterable[bytes], schema: pa.Schema) -> pa.Table:
    """What `to_ipc` made -> one table of that schema; empty streams count as no rows."""
    batches = []
    for data in streams:
        if data:
            stream = pa.CompressedInputStream(pa.BufferReader(data), _COMPRESSION)
            batches.extend(pa.ipc.open_stream(stream))
    return pa.Table.from_batches(batches, schema=schema)


def rows_to_batch(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """Tuples in the order of the schema's fields -> one record batch.

    >>> schema = pa.schema([("n", pa.int64()), ("s", pa.string())])
    >>> rows_to_batch([(1, "a"), (2, None)], schema).to_pylist()
    [{'n': 1, 's': 'a'}, {'n': 2, 's': None}]
    """
    if not rows:
        return pa.RecordBatch.from_pylist([], schema=schema)
    batches = []
    for start in range(0, len(rows), _AT_ONCE):
        columns = zip(*rows[start : start + _AT_ONCE], strict=True)
        arrays = [
            pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)
        ]
        batches.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
    return pa.concat_batches(batches)


def bucket_of(ids: pa.Array, buckets: int) -> pa.Array:
    """Non-negative int64 ids -> int32 buckets."""
    return pa.array(ids.to_numpy(zero_copy_only=False) % buckets, pa.int32())


def shuffle_schema(table: str) -> pa.Schema:
    """The columns of a table that travel through the shuffle."""
    return bare_schema(TABLES[table].schema, *ADDED)


def split_by(batch: pa.RecordBatch, buckets: pa.Array) -> Iterator[tuple[int, pa.RecordBatch]]:
    """A batch and each row's bucket -> (bucket, its rows), in the order of the buckets."""
    numbers = buckets.to_numpy()
    if not len(numbers):
        return
    order = np.argsort(numbers, kind="stable")
    sorted_numbers = numbers[order]
    if sorted_numbers[0] == sorted_numbers[-1]:
        yield int(sorted_numbers[0]), batch
        return
    batch = batch.take(pa.array(order))
    cuts = np.flatnonzero(np.diff(sorted_numbers)) + 1
    starts = [0, *cuts.tolist(), len(numbers)]
    for start, stop in itertools.pairwise(starts):
        yield int(sorted_numbers[start]), batch.slice(start, stop - start)


def keyed_batches(table: str, rows: Sequence[tuple[object, ...]], buckets: int) -> Iterator[Keyed]:
    """Rows of a bucketed table, in its order without bucket and run -> shuffled elements."""
    if not rows:
        return
    batch = rows_to_batch(rows, shuffle_schema(table))
    owners = bucket_of(batch.column(TABLES[table].bucket_of), buckets)
    for bucket, part in split_by(batch, owners):
        yield (table, bucket), to_ipc(part)


def in_global_window(outputs: Iterator[object]) -> Iterator[object]:
    """What `finish_bundle` must give: outputs with a window, as there is no element to take it."""
    window = GlobalWindow()
    for item in outputs:
        if isinstance(item, beam.pvalue.TaggedOutput):
            value = WindowedValue(item.value, window.max_timestamp(), (window,))
            yield beam.pvalue.TaggedOutput(item.tag, value)
        else:
            yield WindowedValue(item, window.max_timestamp(), (window,))

"""Examples of a model as Arrow tables: keys, features and label, without nulls in features."""

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.bucket_tables import Tables
from transforms.definition import Definition, label_of, model_name
from transforms.errors import RunFailed, UsageError
from transforms.schemas import TIMESTAMP
from transforms.sources import open_binary
from transforms.splits import SPLITS, split_index

KEYS = pa.schema(
    [
        pa.field("subject_id", pa.int64()),
        pa.field("entity_id", pa.int64(), nullable=False),
        pa.field("prediction_time", TIMESTAMP, nullable=False),
        pa.field("target_time", TIMESTAMP),
    ]
)
SPLIT = "split"
_NULLABLE_KEYS = ("subject_id", "target_time")
_OPTIONAL = ("target_time", SPLIT)

BATCH_ROWS = 1 << 14
BATCH_BYTES = 8 << 20


def example_schema(features: pa.Schema, label: pa.Field | None = None) -> pa.Schema:
    """Keys, features and, where given, the label and the split, without field metadata."""
    fields = [*KEYS, *(pa.field(f.name, f.type) for f in features)]
    if label is not None:
        fields += [pa.field(label.name, label.type), pa.field(SPLIT, pa.string())]
    return pa.schema(fields)


def make_examples(
    definition: Definition, tables: Tables, as_of: datetime.datetime, config: Any
) -> pa.Table:
    """The model's examples of one bucket, by subject, prediction time and entity.

    Raises: RunFailed, when the definition breaks its own schema.
    """
    frame = definition.examples(tables, as_of, config)
    table = to_table(frame, definition, label_of(definition, config))
    return table.sort_by([(name, "ascending") for name in _ORDER])


_ORDER = ("subject_id", "prediction_time", "entity_id", "target_time")


def to_table(frame: pl.DataFrame, definition: Definition, label: pa.Field) -> pa.Table:
    """What `examples` returned -> a table of `example_schema`.

    A target time that it does not give is null; a split that it does not give follows from the
    subject.

    Raises: RunFailed, when a column is missing, of another type, or null where it must not be.
    """
    schema = example_schema(definition.FEATURES, label)
    name = model_name(definition)
    given = frame.to_arrow()
    missing = [c for c in schema.names if c not in (*frame.columns, *_OPTIONAL)]
    if missing:
        raise RunFailed(f"{name}: examples lack the columns {', '.join(missing)}")
    source = with_optional(given, schema)
    columns = []
    for field in schema:
        try:
            column = source.column(field.name).cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise RunFailed(
                f"{name}: examples give {field.name} as {source.column(field.name).type}, "
                f"not {field.type}"
            ) from error
        columns.append(column)
    filled = fill_missing(pa.table(columns, schema=schema), definition.FEATURES)
    nullable = (*_NULLABLE_KEYS, label.name, SPLIT)
    for field in filled.schema:
        if field.name not in nullable and filled.column(field.name).null_count:
            raise RunFailed(f"{name}: examples have nulls in {field.name} ({field.type})")
    return filled


def fill_missing(table: pa.Table, features: pa.Schema) -> pa.Table:
    """Null features -> what the graph sees for missing: NaN, "" or b""."""
    for field in features:
        column = table.column(field.name)
        if column.null_count and (value := _missing_value(field.type)) is not None:
            index = table.schema.get_field_index(field.name)
            table = table.set_column(index, field.name, pc.fill_null(column, value))
    return table


def _missing_value(kind: pa.DataType) -> pa.Scalar | None:
    if pa.types.is_floating(kind):
        return pa.scalar(float("nan"), kind)
    if pa.types.is_string(kind):
        return pa.scalar("", kind)
    if pa.types.is_binary(kind):
        return pa.scalar(b"", kind)
    return None


def batches_of(table: pa.Table) -> Iterator[pa.RecordBatch]:
    """A table -> record batches of at most BATCH_ROWS rows and about BATCH_BYTES bytes."""
    yield from table.combine_chunks().to_batches(max_chunksize=batch_rows(table))


def batch_rows(table: pa.Table) -> int:
    """Rows of a batch, so that wide rows (pixels) come in small batches."""
    row_bytes = max(table.nbytes // max(table.num_rows, 1), 1)
    return max(1, min(BATCH_ROWS, BATCH_BYTES // row_bytes))


def read_examples(paths: Sequence[str], schema: pa.Schema) -> pa.Table:
    """Parquet files of ready examples -> one table in that schema; no files -> no rows.

    A file may lack target times and splits, as `with_optional` says.
    """
    tables = []
    for path in paths:
        with open_binary(path) as file:
            has = pq.read_schema(file).names
            wanted = [name for name in schema.names if name not in _OPTIONAL or name in has]
            found = pq.read_table(file, columns=wanted)
        tables.append(with_optional(found, schema).select(schema.names).cast(schema))
    return pa.concat_tables(tables) if tables else schema.empty_table()


def check_example_files(paths: Sequence[str], schema: pa.Schema) -> None:
    """Raises: UsageError, naming the file and the column, when one is no Parquet or lacks one."""
    for path in paths:
        try:
            with open_binary(path) as file:
                has = pq.read_schema(file).names
        except pa.ArrowInvalid:
            raise UsageError(f"--examples {path}: is no Parquet file") from None
        missing = [name for name in schema.names if name not in (*has, *_OPTIONAL)]
        if missing:
            raise UsageError(f"--examples {path}: no column {', '.join(missing)}")


def with_optional(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with `target_time` and `split`, where the schema has them and it has not.

    Then no row has a target time, and the split is that of the subject, or of the entity where
    there is none.
    """
    if "target_time" not in table.column_names:
        table = table.append_column("target_time", pa.nulls(table.num_rows, TIMESTAMP))
    if SPLIT in schema.names and SPLIT not in table.column_names:
        index = pa.array(split_index(owners(table)))
        table = table.append_column(SPLIT, pa.array(SPLITS).take(index))
    return table


def owners(table: pa.Table) -> npt.NDArray[np.int64]:
    """What the rows are split and resampled by: the subject, else the entity."""
    found = pc.coalesce(table["subject_id"], table["entity_id"])
    ids: npt.NDArray[np.int64] = pc.fill_null(found, 0).to_numpy()  # a null key is refused later
    return ids


def label_known(table: pa.Table, label: pa.Field) -> pa.Table:
    """The rows whose label is known; a quantity that is no finite number is not."""
    column = table.column(label.name)
    known = pc.is_valid(column)
    if pa.types.is_floating(label.type):
        known = pc.and_(known, pc.fill_null(pc.is_finite(column), False))
    return table.filter(known)

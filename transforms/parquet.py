"""Parquet files through Beam filesystems: read as one table, written under unique names."""

import contextlib
import uuid
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import BeamIOError

from transforms.file_systems import FileSystems
from transforms.local_files import make_folder
from transforms.sources import open_binary


def read_files(
    paths: Sequence[str], schema: pa.Schema, columns: Sequence[str] | None = None
) -> pa.Table:
    """Files -> one table in the schema's columns and types; no files -> no rows.

    A column that an older file lacks is null.
    """
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    tables = []
    for path in paths:
        with open_binary(path) as file:
            has = pq.read_schema(file).names
            table = pq.read_table(file, columns=[name for name in schema.names if name in has])
        for field in schema:
            if field.name not in table.column_names:
                table = table.append_column(field.name, pa.nulls(table.num_rows, field.type))
        tables.append(table.select(schema.names).cast(schema))
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _repeating(schema: pa.Schema) -> list[str]:
    """Columns that dictionaries make smaller; keyed hashes they only make slower to write."""
    return [f.name for f in schema if pa.types.is_string(f.type) or f.name == "bucket"]


def write_file(table: pa.Table, folder: str, prefix: str) -> str:
    """Writes one Parquet file (zstd) `folder/prefix-<random>.parquet` and returns its path.

    A write that fails, as on a full disk, leaves nothing behind.
    """
    make_folder(folder)
    path = FileSystems.join(folder, f"{prefix}-{uuid.uuid4().hex}.parquet")
    try:
        with FileSystems.create(path) as file:
            pq.write_table(table, file, compression="zstd", use_dictionary=_repeating(table.schema))
    except OSError:
        with contextlib.suppress(OSError, BeamIOError):
            FileSystems.delete([path])
        raise
    return path

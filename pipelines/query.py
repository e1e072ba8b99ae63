"""`query`: SQL over the warehouse's tables with DuckDB, as a table, CSV or JSON.

DuckDB sees the live Parquet files and nothing else: it can write no file, open no other file
and reach no network.

Source: https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview
"""

import csv
import datetime
import decimal
import enum
import itertools
import json
import math
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import duckdb
import numpy as np
from duckdb.sqltypes import DuckDBPyType
from pyarrow.dataset import Dataset

from transforms.errors import UsageError
from transforms.schemas import TABLES

MAX_TABLE_ROWS = 10_000  # a table is laid out in memory: its columns are as wide as their values
FETCH_ROWS = 10_000
MIN_COLUMN_CHARACTERS = 8
_NUMBERS = {
    *("tinyint", "smallint", "integer", "bigint", "hugeint", "uhugeint"),
    *("utinyint", "usmallint", "uinteger", "ubigint", "float", "double", "decimal"),
}
_BOX_ESCAPES = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x00": "\\0"})
# One row for each fact that a prediction of the entity could have read, back to the file it came
# from. `known` tells the facts that the run saw from those that arrived, or changed, later.
_LINEAGE_TABLES = {"predictions", "runs", "events", "images", "pairs", "counts", "sources"}
_LINEAGE = """
CREATE MACRO lineage(entity) AS TABLE
WITH ran AS (
    SELECT run_id, min(started) AS started, any_value(verb) AS verb,
           any_value(ran_by) AS ran_by, any_value(parameters) AS parameters,
           any_value(versions) AS versions, any_value(snapshots) AS snapshots
    FROM runs GROUP BY run_id
), facts AS (
    SELECT 'events' AS fact_table, subject_id AS owner, false AS of_entity, time, code AS fact,
           resource_type, resource_id, source_id, position, ingest_run FROM events
    UNION ALL
    SELECT 'images', subject_id, false, time, modality, 'instance', instance_id, source_id,
           position, ingest_run FROM images
    UNION ALL
    SELECT 'pairs', pair_id, true, time, compound || ' / ' || target, 'pair', pair_id, source_id,
           position, ingest_run FROM pairs
    UNION ALL
    SELECT 'counts', region_id, true, known, series || ' ' || region || ' ' || week, 'count',
           region_id, source_id, position, ingest_run FROM counts
)
SELECT p.model, p.entity_type, p.entity_id, p.prediction_time, p.target_time, p.score, p.label,
       p.input_hash, p.run_date, p.run_id, ran.verb, ran.started, ran.ran_by, ran.parameters,
       ran.versions, p.model_version,
       'models/' || p.model || '/' || p.model_version || '/model.json' AS model_file,
       f.fact_table, f.time AS fact_time, f.fact, f.resource_type, f.resource_id,
       f.ingest_run,
       f.ingest_run = p.run_id OR coalesce(reading.started < ran.started, false) AS known,
       s.uri, f.position, s.content_hash
FROM predictions p
LEFT JOIN ran USING (run_id)
LEFT JOIN facts f
  ON f.owner = CASE WHEN f.of_entity THEN p.entity_id ELSE p.subject_id END
 AND (f.time IS NULL OR f.time < p.prediction_time)
LEFT JOIN ran AS reading ON reading.run_id = f.ingest_run
LEFT JOIN sources s ON s.source_id = f.source_id
WHERE p.entity_id = entity
ORDER BY p.run_id, p.model, p.target_time, f.fact_table, f.time, f.resource_id
"""


Files = Mapping[str, Sequence[str] | Dataset]
"""Table name -> its live Parquet files: paths of local ones, else a dataset."""


class OutputFormat(enum.StrEnum):
    """How `query` prints its result."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def _quote(text: str) -> str:
    """Text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _paths(paths: Iterable[str]) -> str:
    return "[" + ", ".join(_quote(path) for path in paths) + "]"


@contextmanager
def open_tables(files: Files) -> Iterator[duckdb.DuckDBPyConnection]:
    """Table name -> its live Parquet files, as a locked DuckDB connection with views.

    A table without files is an empty
    view with the columns of `schemas.TABLES`. Beside them stands `lineage(entity_id)`, where the
    tables that it reads are given. Once it is yielded, the connection can read these files, spill
    to a temporary folder that goes with it, and do nothing else outside the process.

    Raises: UsageError, when a name is no table of the warehouse.
    """
    for name in files:
        if name not in TABLES:
            raise UsageError(f"{name} is no table; the tables are {', '.join(TABLES)}")
    with (
        tempfile.TemporaryDirectory(prefix="nightrounds-query-") as folder,
        duckdb.connect(":memory:") as connection,
    ):
        readable: list[str] = []
        for name, paths in files.items():
            if isinstance(paths, Dataset):
                connection.register(name, paths)
            elif paths:
                readable += paths
                # Files of an earlier release may all lack a column that the table has now.
                connection.register(f"{name}_columns", TABLES[name].schema.empty_table())
                connection.execute(
                    f"CREATE VIEW {name} AS FROM {name}_columns UNION ALL BY NAME "
                    f"FROM read_parquet({_paths(paths)}, hive_partitioning = false, "
                    "union_by_name = true)"
                )
            else:
                connection.register(name, TABLES[name].schema.empty_table())
        if set(files) >= _LINEAGE_TABLES:
            connection.execute(_LINEAGE)
        connection.execute(f"SET temp_directory = {_quote(folder)}")
        connection.execute(f"SET allowed_paths = {_paths(readable)}")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


def execute_select(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyConnection:
    """Run one statement that only reads; the connection, ready to fetch.

    Readable paths are writable to DuckDB's COPY, which since 2.0 may also stand in the WITH
    clause of a SELECT, though only at the top level: a statement that can be bound as a
    subquery changes nothing.

    Raises: UsageError, with DuckDB's message, for anything else and for SQL that fails.
    """
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1:
            raise UsageError(f"query takes one SQL statement, not {len(statements)}")
        kind = statements[0].type
        if kind != duckdb.StatementType.SELECT:
            raise UsageError(
                f"query only reads: a {kind.name} statement is refused"
                + (" (name the values: PIVOT … ON x IN (…))" if kind.name == "MULTI" else "")
            )
        connection.execute(f"EXPLAIN FROM (\n{_without_semicolon(sql)}\n)")
        return connection.execute(sql)
    except duckdb.Error as error:
        raise UsageError(f"query: {error}") from error


def _without_semicolon(sql: str) -> str:
    """The one statement in `sql` up to the semicolon that ends it."""
    raw = sql.encode()  # DuckDB counts bytes
    ends = [start for start, _ in duckdb.tokenize(sql) if raw[start : start + 1] == b";"]
    return raw[: ends[0]].decode() if ends else sql


def run_query(
    sql: str,
    files: Files,
    stream: TextIO,
    *,
    output: OutputFormat = OutputFormat.TABLE,
    width: int | None = None,
) -> int:
    """Write the result of `sql` over the tables to `stream`; the number of rows of the result.

    `files` as in `open_tables`. `width` is that of the terminal in characters: a table's wide
    values are cut to fit it; None cuts nothing. CSV and JSON are written as they are read; a
    table shows its first 10,000 rows.

    Raises: UsageError, when the SQL is wrong or would do more than read.
    """
    with open_tables(files) as connection:
        execute_select(connection, sql)
        names = [column[0] for column in connection.description]
        types = [column[1] for column in connection.description]
        convert = [_converter(dtype) for dtype in types]
        rows = (
            [to(value) for to, value in zip(convert, row, strict=True)]
            for row in _fetch(connection)
        )
        if output is OutputFormat.CSV:
            return _write_csv(stream, names, rows)
        if output is OutputFormat.JSON:
            return _write_json(stream, names, rows)
        return _write_table(stream, names, [t.id in _NUMBERS for t in types], rows, width)


def _fetch(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    """Every row of the running query; a value that fails on the way is the SQL's fault too."""
    while True:
        try:
            rows = connection.fetchmany(FETCH_ROWS)
        except duckdb.Error as error:
            raise UsageError(f"query: {error}") from error
        if not rows:
            return
        yield from rows


def _converter(dtype: DuckDBPyType) -> Callable[[Any], Any]:
    """Python value as DuckDB gives it -> one that JSON can hold, by the column's type."""
    kind = dtype.id
    if kind in ("list", "array"):
        inner = _converter(dtype.children[0][1])
        return lambda value: None if value is None else [inner(item) for item in value]
    if kind == "struct":
        fields = {name: _converter(child) for name, child in dtype.children}
        return lambda value: (
            None if value is None else {name: to(value[name]) for name, to in fields.items()}
        )
    if kind == "map":
        value_of = _converter(dict(dtype.children)["value"])
        return lambda value: (
            None if value is None else {str(key): value_of(item) for key, item in value.items()}
        )
    return _float32 if kind == "float" else _plain


def _float32(value: float | None) -> float | None:
    """The shortest decimal that is the same float32: 0.1 rather than 0.10000000149011612."""
    return None if value is None or not math.isfinite(value) else float(str(np.float32(value)))


def _plain(value: Any) -> Any:
    """Scalars: dates in ISO 8601, bytes as text, what is no finite number as null."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case decimal.Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime.date() | datetime.time():
            return value.isoformat()
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case datetime.timedelta() | uuid.UUID():
            return str(value)
    return str(value)  # what is left of DuckDB's types (BIT, VARIANT, …) reads best as text


def _write_json(stream: TextIO, names: Sequence[str], rows: Iterable[list[Any]]) -> int:
    """A list of row objects, one a line."""
    count = 0
    stream.write("[")
    for row in rows:
        stream.write(",\n " if count else "\n ")
        count += 1
        json.dump(dict(zip(names, row, strict=True)), stream, ensure_ascii=False)
    stream.write("\n]\n" if count else "]\n")
    return count


def _text(value: Any) -> str:
    """One cell of a CSV file or a table; null is empty."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
    return str(value)


def _write_csv(stream: TextIO, names: Sequence[str], rows: Iterable[list[Any]]) -> int:
    """RFC 4180 with a header; lists and maps as JSON."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    count = 0
    for row in rows:
        writer.writerow([_text(value) for value in row])
        count += 1
    return count


def _write_table(
    stream: TextIO,
    names: Sequence[str],
    right: Sequence[bool],
    rows: Iterator[list[Any]],
    width: int | None,
) -> int:
    """Aligned columns under a header, numbers to the right, and the number of rows."""
    shown = [
        [_text(value).translate(_BOX_ESCAPES) for value in row]
        for row in itertools.islice(rows, MAX_TABLE_ROWS)
    ]
    more = sum(1 for _ in rows)
    for line in layout(names, shown, right, width):
        stream.write(line + "\n")
    count = len(shown) + more
    stream.write(f"({count:,} row{'' if count == 1 else 's'}")
    stream.write(f", the first {len(shown):,} shown)\n" if more else ")\n")
    return count


def layout(
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[bool],
    width: int | None = None,
) -> list[str]:
    """Header, rule and rows of text, aligned; columns flagged in `right` to the right.

    >>> for line in layout(["model", "rows"], [["treatment", "7"]], [False, True]):
    ...     print(line)
     model     │ rows
    ───────────┼──────
     treatment │    7
    """
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    if width is not None:
        widths = _narrow(widths, width - 3 * len(widths) + 1)

    def line(cells: Sequence[str]) -> str:
        parts = [
            _cut(cell, size).rjust(size) if to_right else _cut(cell, size).ljust(size)
            for cell, size, to_right in zip(cells, widths, right, strict=True)
        ]
        return (" " + " │ ".join(parts)).rstrip()

    rule = "┼".join("─" * (size + 2) for size in widths)
    return [line(names), rule, *(line(row) for row in rows)]


def _narrow(widths: list[int], budget: int) -> list[int]:
    """Take characters from the widest columns until they fit; none goes below 8."""
    widths = list(widths)
    while sum(widths) > budget:
        widest = max(range(len(widths)), key=lambda i: widths[i])
        if widths[widest] <= MIN_COLUMN_CHARACTERS:
            break
        widths[widest] -= 1
    return widths


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 1] + "…"

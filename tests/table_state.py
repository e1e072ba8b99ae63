"""What the tables of a warehouse say, in a form that two runs which wrote the same share."""

import numpy as np
import polars as pl

from transforms.parquet import read_files
from transforms.schemas import TABLES
from transforms.warehouse import Warehouse

# Who wrote a row: this differs between two runs that wrote the same.
_OF_THE_RUN = {"ingest_run", "run_id"}
_MODULUS = 1 << 64

State = dict[str, tuple[int, int]]
"""Table -> its number of rows, and a sum of hashes of the rows that no order changes."""


def file_state(path: str, table: str) -> tuple[int, int]:
    """One Parquet file of a table."""
    frame = pl.DataFrame(read_files([path], TABLES[table].schema))
    frame = frame.drop(_OF_THE_RUN, strict=False)
    return frame.height, int(frame.hash_rows().to_numpy().sum(dtype=np.uint64))


def table_state(warehouse: Warehouse, known: dict[str, tuple[int, int]]) -> State:
    """All tables but `runs`; `known` keeps what was seen of files, which never change."""
    found = {}
    for table in TABLES.keys() - {"runs"}:
        paths = warehouse.paths(table)
        for path in set(paths) - known.keys():
            known[path] = file_state(path, table)
        parts = [known[path] for path in paths]
        total = sum(digest for _, digest in parts) % _MODULUS
        found[table] = (sum(rows for rows, _ in parts), total)
    return found

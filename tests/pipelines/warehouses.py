"""Warehouses of tests: read by SQL."""

from pathlib import Path

import duckdb

from transforms.schemas import TABLES
from transforms.warehouse import Warehouse, open_warehouse


def select(tmp_path: Path, sql: str) -> list[tuple[object, ...]]:
    warehouse: Warehouse = open_warehouse(str(tmp_path / "w"))
    with duckdb.connect() as connection:
        for table in TABLES:
            paths = warehouse.paths(table)
            if paths:
                connection.read_parquet(paths).create_view(table)
        return connection.execute(sql).fetchall()

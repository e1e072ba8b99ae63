"""A golden warehouse, unpacked at a place where it was not built.

Iceberg's metadata holds absolute paths, in four places: the catalog's rows, the metadata files
(JSON), the manifest lists and the manifests (Avro). Each is rewritten from the old folder to the
new one; Parquet files hold none but the URIs of what was read, which stay as they were.
"""

import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import fastavro


def unpack(archive: Path, folder: Path) -> Path:
    """The warehouse of an archive below `folder`, ready to be opened."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    warehouse = folder / "warehouse"
    built_in = warehouse / "BUILT_IN"
    old, new = built_in.read_text(), str(warehouse)
    built_in.unlink()
    for path in warehouse.rglob("metadata/*.json"):
        path.write_text(path.read_text().replace(old, new))
    for path in warehouse.rglob("metadata/*.avro"):
        _move_avro(path, old, new)
    with sqlite3.connect(warehouse / "catalog.db") as catalog:
        for column in ("metadata_location", "previous_metadata_location"):
            # The names of columns are ours.
            catalog.execute(
                f"UPDATE iceberg_tables SET {column} = replace({column}, ?, ?)",  # noqa: S608
                (old, new),
            )
    catalog.close()
    return warehouse


def _move_avro(path: Path, old: str, new: str) -> None:
    with path.open("rb") as file:
        reader = fastavro.reader(file)
        schema, records = reader.writer_schema, [_moved(r, old, new) for r in reader]
        kept = {k: v for k, v in reader.metadata.items() if not k.startswith("avro.")}
    with path.open("wb") as file:
        fastavro.writer(file, schema, records, codec="deflate", metadata=kept)


def _moved(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, dict):
        return {key: _moved(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, old, new) for item in value]
    return value

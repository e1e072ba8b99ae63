"""`export-meds`: the events as a MEDS dataset that other tools read.

Source: https://github.com/Medical-Event-Data-Standard/meds
"""

import datetime
import importlib.metadata
import json
from pathlib import Path

import meds
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.progress import Progress, StageState
from transforms.errors import UsageError
from transforms.parquet import read_files
from transforms.schemas import EVENTS
from transforms.splits import SPLITS, split_index
from transforms.warehouse import Warehouse

_EXTENSIONS = ["unit", "codes", "encounter_id", "resource_type", "resource_id", "source_id"]


def export_meds(warehouse: Warehouse, folder: Path, progress: Progress | None = None) -> int:
    """Writes `data/`, `metadata/` of a MEDS dataset, a shard for each bucket; the events written.

    Raises: UsageError, when the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder}: the folder is not empty")
    (folder / meds.data_subdirectory).mkdir(parents=True)
    (folder / "metadata").mkdir()
    columns = [*meds.DataSchema.schema().names, *_EXTENSIONS]
    schema = pa.schema([EVENTS.field(name).with_nullable(True) for name in columns])
    schema = schema.set(
        schema.get_field_index("text_value"), pa.field("text_value", "large_string")
    )
    subjects: list[pl.Series] = []
    codes: set[str] = set()
    total = 0
    progress = progress or Progress(enabled=False)
    buckets = sorted(warehouse.by_bucket("events").items())
    for number, (bucket, paths) in enumerate(buckets, 1):
        shard = read_files(paths, EVENTS, columns).cast(schema).replace_schema_metadata()
        meds.DataSchema.validate(shard)
        pq.write_table(shard, folder / meds.data_subdirectory / f"{bucket:05d}.parquet")
        frame = pl.DataFrame(shard.select(["subject_id", "code"]))
        subjects.append(frame["subject_id"].unique())
        codes.update(frame["code"].unique())
        total += shard.num_rows
        progress.show(StageState("export_meds", number, len(buckets), "buckets", total))
    _write_metadata(folder, pl.concat(subjects).sort() if subjects else None, sorted(codes))
    return total


def _write_metadata(folder: Path, subjects: pl.Series | None, codes: list[str]) -> None:
    ids = subjects if subjects is not None else pl.Series("subject_id", [], pl.Int64)
    names = [SPLITS[index] for index in split_index(ids.to_numpy()).tolist()]
    splits = pa.table(
        {"subject_id": ids.to_arrow(), "split": pa.array(names, pa.string())},
        schema=meds.SubjectSplitSchema.schema(),
    )
    pq.write_table(splits, folder / meds.subject_splits_filepath)
    described = pa.Table.from_pylist(
        [{"code": code, "description": None, "parent_codes": None} for code in codes],
        schema=meds.CodeMetadataSchema.schema(),
    )
    pq.write_table(described, folder / meds.code_metadata_filepath)
    about = {
        "dataset_name": "nightrounds",
        "etl_name": "nightrounds",
        "etl_version": importlib.metadata.version("nightrounds"),
        "meds_version": importlib.metadata.version("meds"),
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(),
        "raw_source_id_columns": ["resource_id", "source_id"],
        "code_modifier_columns": ["unit"],
        "other_extension_columns": ["codes", "encounter_id", "resource_type"],
    }
    meds.DatasetMetadataSchema.validate(about)
    (folder / meds.dataset_metadata_filepath).write_text(json.dumps(about, indent=2) + "\n")

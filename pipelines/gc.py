"""`gc`: removes data files that no snapshot refers to any more, and what killed runs left."""

import datetime
import shutil
import stat
from collections import defaultdict
from pathlib import Path

from apache_beam.io.filesystem import FileMetadata

from pipelines.progress import Progress
from pipelines.work_folder import work_folder_of
from transforms.errors import Refused
from transforms.file_systems import FileSystems
from transforms.schemas import TABLES
from transforms.warehouse import Warehouse

# A run that is still writing has younger files than this.
MIN_AGE = datetime.timedelta(days=1)


def collect_garbage(
    warehouse: Warehouse, now: datetime.datetime, progress: Progress | None = None
) -> tuple[int, int]:
    """Removes orphans older than a day; (files, bytes) removed.

    A file is an orphan when no snapshot of its table, old ones included, holds it: what a run
    wrote that was refused, failed or was killed. So is what lies in the working folder of a
    training, which holds examples of patients, or of a run, when nothing in it was touched for a
    day.

    Raises: Refused, when the tables name files elsewhere, as those of a copy do: all that is here
    would be orphans.
    """
    referenced = {path for name in TABLES for path in warehouse.all_paths(name)}
    if not all(path.startswith(f"{warehouse.folder}/") for path in referenced):
        raise Refused(
            f"the tables of {warehouse.folder} name files in another folder: it was copied or "
            "moved, or is reached by a link; nothing was removed. Give the path it was made under"
        )
    files, size = _abandoned(warehouse, now)
    progress = progress or Progress(enabled=False)
    for number, (name, table) in enumerate(sorted(TABLES.items())):
        progress.update("gc", number, len(TABLES), "tables")
        pattern = f"{warehouse.folder}/{table.namespace}/{name}/data/**"
        for found in FileSystems.match([pattern])[0].metadata_list:
            if (
                found.path.endswith(".parquet")
                and found.path not in referenced
                and _is_old(found.last_updated_in_seconds, now)
            ):
                FileSystems.delete([found.path])
                files, size = files + 1, size + found.size_in_bytes
    progress.update("gc", len(TABLES), len(TABLES), "tables")
    return files, size


def _abandoned(warehouse: Warehouse, now: datetime.datetime) -> tuple[int, int]:
    files, size = 0, 0
    folders = [*Path(work_folder_of(warehouse)).glob("*/.work-*")]
    if "://" not in warehouse.folder:
        folders += Path(warehouse.folder).glob("staging/*")
    for work in folders:
        found = [path.lstat() for path in (work, *work.rglob("*"))]
        if _is_old(max(each.st_mtime for each in found), now):
            shutil.rmtree(work)
            sizes = [each.st_size for each in found if not stat.S_ISDIR(each.st_mode)]
            files, size = files + len(sizes), size + sum(sizes)
    if "://" in warehouse.folder:
        for run in _staged(warehouse):
            if _is_old(max(file.last_updated_in_seconds for file in run), now):
                FileSystems.delete([file.path for file in run])
                files, size = files + len(run), size + sum(file.size_in_bytes for file in run)
    return files, size


def _staged(warehouse: Warehouse) -> list[list[FileMetadata]]:
    """What runs left in the staging folder of an object store, run by run."""
    staging = f"{warehouse.folder}/staging/"
    runs: dict[str, list[FileMetadata]] = defaultdict(list)
    for file in FileSystems.match([f"{staging}**"])[0].metadata_list:
        runs[file.path.removeprefix(staging).split("/")[0]].append(file)
    return list(runs.values())


def _is_old(updated_s: float | None, now: datetime.datetime) -> bool:
    return now.timestamp() - (updated_s or now.timestamp()) > MIN_AGE.total_seconds()

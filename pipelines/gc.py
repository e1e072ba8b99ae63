"""`gc`: removes data files that no snapshot refers to any more, and what killed runs left."""

import datetime
import shutil
from pathlib import Path

from pipelines.progress import Progress
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
    files, size = _abandoned(Path(warehouse.folder), now)
    progress = progress or Progress(enabled=False)
    for number, (name, table) in enumerate(sorted(TABLES.items())):
        progress.update("gc", number, len(TABLES), "tables")
        pattern = f"{warehouse.folder}/{table.namespace}/{name}/data/**"
        for found in FileSystems.match([pattern])[0].metadata_list:
            age_s = now.timestamp() - (found.last_updated_in_seconds or now.timestamp())
            if (
                found.path.endswith(".parquet")
                and found.path not in referenced
                and age_s > MIN_AGE.total_seconds()
            ):
                FileSystems.delete([found.path])
                files, size = files + 1, size + found.size_in_bytes
    progress.update("gc", len(TABLES), len(TABLES), "tables")
    return files, size


def _abandoned(folder: Path, now: datetime.datetime) -> tuple[int, int]:
    files, size = 0, 0
    # None where the warehouse is on an object store.
    for work in (*folder.glob("models/*/.work-*"), *folder.glob("staging/*")):
        found = [path.lstat() for path in (work, *work.rglob("*"))]
        if now.timestamp() - max(stat.st_mtime for stat in found) > MIN_AGE.total_seconds():
            shutil.rmtree(work)
            files, size = files + len(found) - 1, size + sum(stat.st_size for stat in found)
    return files, size

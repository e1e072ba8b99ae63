"""`gc`: removes data files that no snapshot refers to any more."""

import datetime

from apache_beam.io.filesystems import FileSystems

from transforms.schemas import TABLES
from transforms.warehouse import Warehouse

# A run that is still writing has younger files than this.
MIN_AGE = datetime.timedelta(days=1)


def collect_garbage(warehouse: Warehouse, now: datetime.datetime) -> tuple[int, int]:
    """Removes orphans older than a day; (files, bytes) removed.

    A file is an orphan when no snapshot of its table, old ones included, holds it: what a run
    wrote that was refused, failed or was killed.
    """
    files, size = 0, 0
    for name, table in sorted(TABLES.items()):
        referenced = warehouse.all_paths(name)
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
    return files, size

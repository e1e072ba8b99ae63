"""The warehouse: Apache Iceberg tables, their live files, and the one committer.

Workers only write Parquet files; `Warehouse.publish` makes them visible, table by table, each in
one Iceberg transaction. A journal written before and removed after makes the whole of it one
step: whoever opens the warehouse, or publishes, next finishes a publication that was cut short.
One process at a time opens or publishes, so nobody sees half of one.

Source: https://iceberg.apache.org/spec/, https://py.iceberg.apache.org/api/
"""

import dataclasses
import datetime
import functools
import json
import logging
import os
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow.dataset import Dataset, dataset
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.expressions import And, BooleanExpression, EqualTo, In, Or
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from transforms.errors import CutShort, RunFailed, UsageError
from transforms.file_systems import FileSystems
from transforms.local_files import write_whole
from transforms.publish_lock import is_shared, lock_catalog, lock_folder
from transforms.schemas import TABLES, Table
from transforms.warehouse_config import (
    DEFAULT_BUCKETS,
    Config,
    catalog_of,
    read_config,
    write_config,
)

_RUN_PROPERTY = "nightrounds.run_id"

_LOG = logging.getLogger(__name__)
_EPOCH = datetime.date(1970, 1, 1)

Partition = tuple[object, ...]


@dataclasses.dataclass(frozen=True)
class Change:
    """What a run does to one table: partitions that are replaced, files that are added."""

    table: str
    replaced: tuple[Partition, ...]
    files: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class LiveFile:
    """One Parquet file of a table's current snapshot."""

    path: str
    partition: Partition
    rows: int


@dataclasses.dataclass(frozen=True)
class Warehouse:
    """An open warehouse; `folder` is a local path or a URL without trailing slash.

    It shows the tables as they were when it was opened: `base` holds their snapshots. Without
    `quarantine_raw` the bytes of refused inputs are not to be stored. `work_folder` is a local one
    for trainings, where the warehouse names one.
    """

    folder: str
    buckets: int
    catalog: Catalog
    base: dict[str, int | None] = dataclasses.field(default_factory=dict)
    quarantine_raw: bool = True
    work_folder: str = ""

    def __post_init__(self) -> None:
        self.base.update({name: self._snapshot_id(name) for name in TABLES})

    @property
    def url(self) -> str:
        """The folder as a URL: of a local one `file:///…`."""
        return _url(self.folder)

    def seen_by(self, run_id: str, began: Mapping[str, int]) -> "Warehouse":
        """The tables as a run made and saw them: what it published, else what it `began` from."""
        base: dict[str, int | None] = {}
        seen = dataclasses.replace(self, base=base)
        for name, table in TABLES.items():
            iceberg = self._load(table)
            snapshots = iceberg.snapshots() if iceberg else []
            own = [s.snapshot_id for s in snapshots if _published_by(s) == run_id]
            base[name] = own[-1] if own else began.get(name)
        return seen

    def based_on(self, snapshots: Mapping[str, int | None]) -> "Warehouse":
        """The tables as they were at those snapshots, for a run that began from them."""
        base: dict[str, int | None] = {}
        seen = dataclasses.replace(self, base=base)
        base.update({name: snapshots.get(name) for name in TABLES})
        return seen

    def files(self, table: str) -> list[LiveFile]:
        """The files of the table's current snapshot, by path."""
        iceberg = self._load(TABLES[table])
        if iceberg is None or self.base[table] is None:
            return []
        found = [
            LiveFile(
                task.file.file_path.removeprefix("file://"),
                _partition(TABLES[table], tuple(task.file.partition)),
                task.file.record_count,
            )
            for task in iceberg.scan(snapshot_id=self.base[table]).plan_files()
        ]
        return sorted(found, key=lambda file: file.path)

    def paths(self, table: str) -> list[str]:
        """The paths of the table's live files."""
        return [file.path for file in self.files(table)]

    def readable(self, table: str) -> list[str] | Dataset:
        """The table's live files for an SQL engine: paths, or from a URL a dataset.

        It is read with the catalog's own settings for its file system.
        """
        paths = self.paths(table)
        if "://" not in self.folder or not paths:
            return paths
        iceberg = self.catalog.load_table(TABLES[table].identifier)
        found = [PyArrowFileIO.parse_location(path) for path in paths]
        scheme, netloc, _ = found[0]
        files = PyArrowFileIO(iceberg.io.properties).fs_by_scheme(scheme, netloc)
        names = [name for *_, name in found]
        return dataset(names, TABLES[table].schema, format="parquet", filesystem=files)

    def all_paths(self, table: str) -> set[str]:
        """The paths of the files of every snapshot that the table still has."""
        iceberg = self._load(TABLES[table])
        if iceberg is None:
            return set()
        paths = iceberg.inspect.all_files().column("file_path").to_pylist()
        return {path.removeprefix("file://") for path in paths}

    def by_bucket(self, table: str, day: datetime.date | None = None) -> dict[int, list[str]]:
        """Bucket -> the paths of its live files; with `day` only those of that `run_date`."""
        found: dict[int, list[str]] = defaultdict(list)
        columns = TABLES[table].partition
        for file in self.files(table):
            values = dict(zip(columns, file.partition, strict=True))
            if day is None or values["run_date"] == day:
                found[int(str(values["bucket"]))].append(file.path)
        return dict(found)

    def check_place(self) -> None:
        """Raises: UsageError, when the catalog is that of a warehouse in another place."""
        for table in TABLES.values():
            iceberg = self._load(table)
            if iceberg is not None and not iceberg.location().startswith(f"{self.url}/"):
                raise UsageError(
                    f"--warehouse {self.folder}: its catalog has the tables of another warehouse "
                    f"({iceberg.location()}); each needs a database of its own"
                )

    def last_published(self) -> datetime.datetime | None:
        """When the newest publication was made (UTC without zone); None before the first."""
        found = [
            iceberg.metadata.last_updated_ms
            for table in TABLES.values()
            if (iceberg := self._load(table))
        ]
        if not found:
            return None
        moment = datetime.datetime.fromtimestamp(max(found) / 1000, datetime.UTC)
        return moment.replace(tzinfo=None)

    def publish(self, run_id: str, changes: Sequence[Change]) -> None:
        """Makes a run's files visible in all its tables, or in none.

        Raises: RunFailed, when another run changed one of them since the warehouse was opened;
        CutShort, when it began and could not end: whoever opens the warehouse next ends it.
        """
        changes = [change for change in changes if change.replaced or change.files]
        with lock_folder(self.folder), lock_catalog(self.catalog, self.folder):
            self._finish_interrupted()  # of a run that died after this one had begun
            for change in changes:
                # What only appends cannot overwrite what another run did.
                if change.replaced and self._snapshot_id(change.table) != self.base[change.table]:
                    raise RunFailed(
                        f"{TABLES[change.table].identifier} was changed by another run in the "
                        f"meantime; nothing of run {run_id} was published: run it again"
                    )
            journal = f"{self.folder}/journal/{run_id}.json"
            entry = {"run_id": run_id, "changes": [dataclasses.asdict(c) for c in changes]}
            write_whole(journal, json.dumps(entry, default=str))
            try:
                self._apply(run_id, changes)
                FileSystems.delete([journal])
            except (Exception, KeyboardInterrupt) as error:
                reason = getattr(error, "strerror", None) or type(error).__name__
                raise CutShort(
                    f"the publication of run {run_id} was cut short ({reason}); "
                    "the next command on this warehouse finishes it"
                ) from error

    def finish_interrupted(self) -> list[str]:
        """Finishes publications that were cut short; their run ids."""
        with lock_folder(self.folder), lock_catalog(self.catalog, self.folder):
            return self._finish_interrupted()

    def _finish_interrupted(self) -> list[str]:
        finished = []
        for found in FileSystems.match([f"{self.folder}/journal/*.json"])[0].metadata_list:
            with FileSystems.open(found.path) as file:
                entry = json.loads(file.read())
            changes = [
                Change(
                    name := change["table"],
                    tuple(_partition(TABLES[name], values) for values in change["replaced"]),
                    tuple(change["files"]),
                )
                for change in entry["changes"]
            ]
            self._apply(entry["run_id"], changes)
            FileSystems.delete([found.path])
            finished.append(entry["run_id"])
        return finished

    def _apply(self, run_id: str, changes: Sequence[Change]) -> None:
        for change in changes:
            table = TABLES[change.table]
            iceberg = self._load(table) or self._create(table)
            with warnings.catch_warnings(), iceberg.update_schema() as update:
                update.union_by_name(_documented(table))  # columns that came with a later release
            # A table that bears the run's id was done before the interruption.
            if _published_by(iceberg.current_snapshot()) != run_id:
                self._commit(iceberg, table, change, run_id)

    def _commit(self, iceberg: IcebergTable, table: Table, change: Change, run_id: str) -> None:
        properties = {_RUN_PROPERTY: run_id}
        present = {
            _partition(table, tuple(task.file.partition)) for task in iceberg.scan().plan_files()
        }
        replaced = [partition for partition in change.replaced if partition in present]
        try:
            with warnings.catch_warnings(), iceberg.transaction() as transaction:
                # Partitions whose rows all went are deleted and nothing is added.
                if replaced:
                    transaction.delete(_filter(table, replaced), snapshot_properties=properties)
                if change.files:
                    transaction.add_files(
                        list(change.files),
                        snapshot_properties=properties,
                        check_duplicate_files=False,
                    )
        except CommitFailedException as error:
            raise RunFailed(
                f"{table.identifier} was changed by another run at this moment: run it again"
            ) from error

    def _snapshot_id(self, name: str) -> int | None:
        iceberg = self._load(TABLES[name])
        snapshot = iceberg.current_snapshot() if iceberg else None
        return snapshot.snapshot_id if snapshot else None

    def _load(self, table: Table) -> IcebergTable | None:
        try:
            return self.catalog.load_table(table.identifier)
        except NoSuchTableError:
            return None

    def _create(self, table: Table) -> IcebergTable:
        # In one step: a table left without its partitions would stay so.
        with (
            self.catalog.create_table_transaction(
                table.identifier,
                schema=_documented(table),
                location=f"{_url(self.folder)}/{table.namespace}/{table.name}",
            ) as transaction,
            transaction.update_spec() as update,
        ):
            for column in table.partition:
                update.add_identity(column)
        return self.catalog.load_table(table.identifier)


def _published_by(snapshot: Snapshot | None) -> str | None:
    if snapshot is None or snapshot.summary is None:
        return None
    return snapshot.summary.additional_properties.get(_RUN_PROPERTY)


def _documented(table: Table) -> pa.Schema:
    """The schema as Iceberg keeps it: each column's meaning is its documentation."""
    meanings = {f.name: (f.metadata or {}).get(b"meaning", b"") for f in table.schema}
    return pa.schema(
        [pa.field(f.name, f.type, f.nullable, {b"doc": meanings[f.name]}) for f in table.schema]
    )


def _partition(table: Table, values: Sequence[object]) -> Partition:
    """Partition values as Iceberg holds them (days) or the journal (text) -> as Python's."""

    def plain(column: str, value: object) -> object:
        if not pa.types.is_date(table.schema.field(column).type):
            return value
        if isinstance(value, int):
            return _EPOCH + datetime.timedelta(days=value)
        return datetime.date.fromisoformat(str(value))

    return tuple(plain(c, v) for c, v in zip(table.partition, values, strict=True))


def _filter(table: Table, partitions: Sequence[Partition]) -> BooleanExpression:
    """An expression that is true in just those partitions."""
    if len(table.partition) == 1:
        return In(table.partition[0], [values[0] for values in partitions])
    each = [
        And(*(EqualTo(c, v) for c, v in zip(table.partition, values, strict=True)))
        for values in partitions
    ]
    return functools.reduce(lambda left, right: Or(left, right), each)


def _url(folder: str) -> str:
    return folder if "://" in folder else f"file://{folder}"


def open_warehouse(location: str, *, create: bool = False, buckets: int | None = None) -> Warehouse:
    """Opens a warehouse, or with `create` makes one where there is none.

    `location` is a folder, or a URL whose `nightrounds.toml` holds `buckets` and, under
    `[catalog]`, the properties of a pyiceberg catalog; a folder has a SQLite catalog of its own.
    With `quarantine_raw = false` there the bytes of refused inputs are not stored; `work_folder`
    names a local folder for trainings.

    Raises: UsageError, when there is no warehouse, it has another number of buckets, its
    `nightrounds.toml` is wrong, or its catalog is another's; RunFailed, when its catalog is gone.
    """
    folder = location.rstrip("/") if "://" in location else os.path.abspath(location)
    if create:
        _create_folders(folder)
    elif read_config(folder) is None:
        raise _no_warehouse(location)
    with lock_folder(folder):
        catalog = catalog_of(folder, read_config(folder) or Config())
        with lock_catalog(catalog, folder):
            return _open(folder, location, catalog, create, buckets)


def _open(
    folder: str, location: str, catalog: Catalog, create: bool, buckets: int | None
) -> Warehouse:
    config = read_config(folder) or Config()
    number = config.buckets or buckets or DEFAULT_BUCKETS
    if config.buckets is None and not create:
        raise _no_warehouse(location)
    if buckets not in (None, number):
        raise UsageError(f"--buckets {buckets}: the warehouse was created with {number}")
    if config.buckets is not None and not catalog.list_namespaces():
        # Else the warehouse would look empty, and be filled anew beside its files.
        raise RunFailed(f"--warehouse {location}: its catalog is gone or empty; restore it")
    warehouse = Warehouse(
        folder,
        number,
        catalog,
        quarantine_raw=config.quarantine_raw,
        work_folder=config.work_folder.rstrip("/"),
    )
    if is_shared(catalog):
        warehouse.check_place()
    if create:
        for namespace in sorted({table.namespace for table in TABLES.values()}):
            catalog.create_namespace_if_not_exists(namespace)
    if config.buckets is None:  # last: with this file the warehouse exists
        write_config(folder, dataclasses.replace(config, buckets=number))
    if warehouse._finish_interrupted():
        _LOG.warning("finished a publication that had been cut short")
        warehouse = dataclasses.replace(warehouse, base={})
    return warehouse


def _no_warehouse(location: str) -> UsageError:
    return UsageError(f"--warehouse {location}: no warehouse there; `nightrounds ingest` makes one")


def _create_folders(folder: str) -> None:
    if "://" not in folder:
        for name in ("", "clinical", "restricted", "journal", "staging"):
            Path(folder, name).mkdir(mode=0o700, parents=True, exist_ok=True)

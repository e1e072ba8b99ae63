"""The warehouse of a site in a bucket, its catalog in PostgreSQL."""

import dataclasses

from tests.services import Services
from tests.torture.site import Site
from transforms.schemas import TABLES

_BEFORE = "_before"


@dataclasses.dataclass
class StoreSite(Site):
    """As `Site`; what is put back are the objects, and the database from a template."""

    services: Services = dataclasses.field(kw_only=True)
    _url: str = ""
    _kept: dict[str, bytes] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self._url = self.services.new_location()

    @property
    def location(self) -> str:
        """A URL."""
        return self._url

    @property
    def _database(self) -> str:
        return self.services.read(f"{self._url}/nightrounds.toml").split("/")[3].split('"')[0]

    def keep(self) -> None:
        """The objects in memory, the database as a template of another name."""
        self._kept = {
            name: self.services.read_bytes(f"{self._url}/{name}") for name in self._names()
        }
        self._copy(self._database, self._database + _BEFORE)

    def put_back(self) -> None:
        """Both as they were kept."""
        for name in set(self._names()) - self._kept.keys():
            self.services.delete(f"{self._url}/{name}")
        for name, content in self._kept.items():
            self.services.write(f"{self._url}/{name}", content)
        self._copy(self._database + _BEFORE, self._database)

    def publishes(self) -> bool:
        """Whether a journal is there."""
        return bool(self.services.names(f"{self._url}/journal/"))

    def data_files(self) -> set[str]:
        """The Parquet files below the tables' folders."""
        folders = tuple(f"{table.namespace}/{table.name}/data/" for table in TABLES.values())
        found = (name for name in self._names() if name.startswith(folders))
        return {f"{self._url}/{name}" for name in found if name.endswith(".parquet")}

    def _names(self) -> list[str]:
        return self.services.names(f"{self._url}/")

    def _copy(self, source: str, target: str) -> None:
        with self.services.connect("postgres") as connection:
            for name in (source, target):
                connection.run(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name",
                    name=name,
                )
            connection.run(f"DROP DATABASE IF EXISTS {target}")
            connection.run(f"CREATE DATABASE {target} TEMPLATE {source}")

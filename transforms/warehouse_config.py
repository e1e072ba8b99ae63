"""`nightrounds.toml` of a warehouse: what was decided of it, and where its catalog is."""

import dataclasses
import json
import os
import tomllib
from collections.abc import Mapping
from typing import Any

from pyiceberg.catalog import Catalog, load_catalog

from transforms.errors import UsageError
from transforms.file_systems import FileSystems
from transforms.iceberg_files import FILE_IO
from transforms.local_files import write_whole

CONFIG_FILE = "nightrounds.toml"
DEFAULT_BUCKETS = 64


@dataclasses.dataclass(frozen=True)
class Config:
    """What the file says.

    Without `quarantine_raw` the bytes of refused inputs are not stored. `work_folder` is a local
    one for trainings. `catalog` holds the properties of a pyiceberg catalog. A warehouse whose
    `buckets` are None is not made yet.
    """

    buckets: int | None = None
    quarantine_raw: bool = True
    work_folder: str = ""
    catalog: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        raw, work = self.quarantine_raw, self.work_folder
        if not isinstance(raw, bool):
            raise UsageError(f"{CONFIG_FILE}: quarantine_raw = {raw!r}: not true or false")
        if not isinstance(work, str) or (work and not os.path.isabs(work)):
            raise UsageError(f"{CONFIG_FILE}: work_folder = {work!r}: no absolute path of a folder")


def read_config(folder: str) -> Config | None:
    """The file of a warehouse; None where there is none.

    Raises: UsageError, when it is wrong.
    """
    path = f"{folder}/{CONFIG_FILE}"
    if not FileSystems.exists(path):
        return None
    with FileSystems.open(path) as file:
        text = file.read().decode()
    try:
        found = tomllib.loads(text)
        return Config(**{**found, "catalog": _flat(found.get("catalog", {}))})
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise UsageError(f"{CONFIG_FILE}: {error}") from error


def _flat(table: Mapping[str, Any]) -> dict[str, str]:
    """`s3.region = "…"` without quotes is a table within a table in TOML; pyiceberg's are flat."""
    found: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": text for inner, text in _flat(value).items()}
        else:
            found[name] = str(value)
    return found


def write_config(folder: str, config: Config) -> None:
    """Writes the file whole; what is as by default is left out."""
    lines = [
        f"{field.name} = {json.dumps(value)}"
        for field in dataclasses.fields(config)
        if (value := getattr(config, field.name)) not in (field.default, config.catalog)
    ]
    if config.catalog:
        lines += ["", "[catalog]", *(f'"{k}" = {json.dumps(v)}' for k, v in config.catalog.items())]
    write_whole(f"{folder}/{CONFIG_FILE}", "\n".join(lines) + "\n")


def catalog_of(folder: str, config: Config) -> Catalog:
    """What `[catalog]` names, with what pyiceberg's own configuration adds; else one in the folder.

    Raises: UsageError, when the warehouse is at a URL and nothing names a catalog.
    """
    properties = config.catalog
    if "://" not in folder and not properties:
        uri = f"sqlite:///{folder}/catalog.db"
        properties = {"type": "sql", "uri": uri, "warehouse": f"file://{folder}"}
    try:
        # A connection that was idle while a job ran may be gone: it is tried before it is used.
        always = {"pool_pre_ping": "true", "py-io-impl": FILE_IO}
        return load_catalog("nightrounds", **{**always, **properties})
    except ValueError as error:
        raise UsageError(
            f"--warehouse {folder}: [catalog] of {CONFIG_FILE} there, and pyiceberg's own "
            f"configuration, name no catalog that can be used ({error}); see docs/DEPLOYMENT.md"
        ) from error

"""Where trainings and measurements work: a local folder, for TensorFlow reads and writes there."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.runner import runs_here
from transforms.errors import UsageError
from transforms.local_files import make_folder
from transforms.warehouse import Warehouse
from transforms.warehouse_config import CONFIG_FILE


def work_root(warehouse: Warehouse, options: PipelineOptions) -> str:
    """The folder whose subfolders `<model>/.work-…` hold examples while they are worked on.

    Raises: UsageError, when it would be one of this machine alone and others take part.
    """
    alone = runs_here(options) and not _cluster()
    if "://" in warehouse.folder and not warehouse.work_folder and not alone:
        raise UsageError(
            f"name a folder that all machines of this run see as work_folder in "
            f"{warehouse.folder}/{CONFIG_FILE}: examples are prepared there"
        )
    return work_folder_of(warehouse)


def work_folder_of(warehouse: Warehouse) -> str:
    """As `work_root`, for what only looks."""
    if warehouse.work_folder:
        return warehouse.work_folder
    if "://" not in warehouse.folder:
        return f"{warehouse.folder}/models"
    return os.path.expanduser("~/.cache/nightrounds")


def _cluster() -> bool:
    return bool(json.loads(os.environ.get("TF_CONFIG", "{}")).get("cluster"))


@contextlib.contextmanager
def temporary_folder(warehouse: Warehouse, options: PipelineOptions, purpose: str) -> Iterator[str]:
    """A working folder that goes with the `with` block; what a killed run left, `gc` removes."""
    parent = f"{work_root(warehouse, options)}/{purpose}"
    make_folder(parent)
    with tempfile.TemporaryDirectory(prefix=".work-", dir=parent) as folder:
        yield folder

"""The report of a run, from a warehouse to a file."""

import os
import sys
from pathlib import Path

import model_defs
from pipelines.nightly import champions
from pipelines.query import open_tables
from pipelines.report import build_report, quality_of, render_report
from transforms.local_files import make_folder, write_whole
from transforms.registry import METRICS
from transforms.schemas import TABLES
from transforms.warehouse import Warehouse


def write_report(warehouse: Warehouse, run_id: str | None, output: str) -> None:
    """Writes the page to a path or a URL, and says where; None takes the newest run.

    Raises: UsageError, when there is no such run.
    """
    quality = [
        quality_of(version.model, version.version, version.read_json(METRICS)["measures"])
        for version in champions(warehouse, model_defs.names())
    ]
    with open_tables({table: warehouse.readable(table) for table in TABLES}) as connection:
        page = render_report(build_report(connection, run_id=run_id, quality=quality))
    if "://" in output:
        write_whole(output, page)
    else:  # as it stands: it may be /dev/stdout
        make_folder(os.path.dirname(output) or ".")
        Path(output).write_text(page, encoding="utf-8")
    sys.stderr.write(f"report: {output}\n")

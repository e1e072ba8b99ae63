"""`demo`: a small simulated hospital, from its export to predictions, by the verbs themselves."""

import dataclasses
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import model_defs
from pipelines.simulate import simulate_hospital
from transforms.errors import UsageError

PATIENTS, STUDIES, SEED, BUCKETS = 400, 200, 7, 8
_MARKER = ".nightrounds-demo"


def demo(folder: Path, run_verb: Callable[[Sequence[str]], None]) -> Path:
    """Makes the hospital in `folder`, and shows every command that it runs; the report's path.

    A folder of an earlier demo is made anew. Raises: UsageError, when it holds anything else.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARKER).exists():
            raise UsageError(f"--folder {folder}: there is something else in it")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARKER).touch()
    key, warehouse, report = folder / "id.key", folder / "warehouse", folder / "report.html"
    key.write_text(secrets.token_hex(32) + "\n")
    _say(f"simulating a hospital of {PATIENTS} patients and {STUDIES} imaging studies")
    found = simulate_hospital(
        folder / "hospital", patients=PATIENTS, studies=STUDIES, seed=SEED, broken=True
    )
    as_of = ["--as-of", found.as_of.isoformat()]
    at = ["--warehouse", str(warehouse)]
    inputs = ["--fhir", str(found.fhir), "--dicom", str(found.dicom)]
    inputs += ["--labels", str(found.labels), "--pairs", str(found.pairs)]
    inputs += ["--counts", str(found.counts)]
    for arguments in (
        ["ingest", *at, "--id-key-file", str(key), "--buckets", str(BUCKETS), *inputs],
        *(["train", *names, *at, *as_of, *settings] for names, settings in _trainings()),
        ["score", "all", *at, *as_of],
        ["quarantine", "list", *at],
        ["report", *at, "-o", str(report)],
    ):
        _say("$ nightrounds " + " ".join(arguments))
        started = time.monotonic()
        run_verb(arguments)
        _say(f"  {time.monotonic() - started:.1f} s")
    return report


def _trainings() -> list[tuple[list[str], list[str]]]:
    """All models and their settings: of an ensemble one member, which is enough here."""
    names: dict[bool, list[str]] = {False: [], True: []}
    for name in model_defs.names():
        fields = {field.name for field in dataclasses.fields(model_defs.find(name).Config)}
        names["members" in fields].append(name)
    return [(names[False], []), (names[True], ["--set", "members=1"])]


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()

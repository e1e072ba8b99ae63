"""Speed and memory of `ingest` against a bare `orjson.loads` over the same files.

    python bench/ingest.py BUNDLES -o bench/out/ingest.json

BUNDLES is a folder of Synthea transaction Bundles. Copies with other ids and compact NDJSON are
made from them in a scratch folder (five times their size). Every figure is a ratio of two
measurements of the same run, each in a process of its own that is bound to one core. Ours is the
marginal cost from one to four copies, so that start-up does not count; the bare loop runs before,
between and after, since the speed of a shared machine drifts. Costs are CPU seconds of the
process, threads included; wall seconds are in the JSON. The median of the rounds is shown.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

UUID = re.compile(rb"[0-9a-f]{8}(?=-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
COPIES = 4


def renumbered(data: bytes, copy: int) -> bytes:
    """The same Bundle about another patient: every UUID moved by the number of the copy."""
    return UUID.sub(lambda found: b"%08x" % ((int(found[0], 16) + copy) % (1 << 32)), data)


def make_copies(bundles: Path, scratch: Path) -> list[Path]:
    folders = [bundles]
    for copy in range(1, COPIES):
        folder = scratch / f"bundles-{copy}"
        folder.mkdir()
        for file in sorted(bundles.glob("*.json")):
            (folder / file.name).write_bytes(renumbered(file.read_bytes(), copy))
        folders.append(folder)
    return folders


def make_ndjson(folders: list[Path], scratch: Path) -> list[Path]:
    """One folder of NDJSON for each folder of Bundles, one file per type, references relative."""
    made = []
    for number, folder in enumerate(folders):
        target = scratch / f"ndjson-{number}"
        target.mkdir()
        lines: dict[str, list[bytes]] = {}
        for file in sorted(folder.glob("*.json")):
            entries = orjson.loads(file.read_bytes())["entry"]
            types = {e["fullUrl"].encode(): e["resource"]["resourceType"].encode() for e in entries}
            for entry in entries:
                kind = entry["resource"]["resourceType"]
                line = re.sub(
                    rb"urn:uuid:([0-9a-f-]{36})",
                    lambda m, types=types: types.get(m[0], b"Unknown") + b"/" + m[1],
                    orjson.dumps(entry["resource"]),
                )
                lines.setdefault(kind, []).append(line + b"\n")
        for kind, found in lines.items():
            (target / f"{kind}.ndjson").write_bytes(b"".join(found))
        made.append(target)
    return made


def measured(arguments: list[str], cores: int) -> dict[str, float]:
    """Runs a child of this script bound to so many cores; wall seconds, peak bytes, its result."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    started = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - started
    if status:
        raise SystemExit(f"{arguments} failed")
    found = json.loads(output.splitlines()[-1])
    cpu = usage.ru_utime + usage.ru_stime
    return {**found, "wall": seconds, "cpu": cpu, "peak_mb": usage.ru_maxrss / 1024}


def baseline(folder: Path, *, lines: bool) -> dict[str, float]:
    """A bare orjson.loads of every file, or of every line."""
    code = (
        "import glob, json, sys, time, orjson\n"
        "started = time.process_time(); n = 0\n"
        f"for name in sorted(glob.glob({str(folder)!r} + '/*json')):\n"
        "    with open(name, 'rb') as file:\n"
        + (
            "        for line in file:\n            orjson.loads(line); n += 1\n"
            if lines
            else "        n += len(orjson.loads(file.read())['entry'])\n"
        )
        + "print(json.dumps({'seconds': time.process_time() - started, 'resources': n}))\n"
    )
    return measured(["-c", code], 1)


def ingest(folders: list[Path], scratch: Path, *, workers: int = 1) -> dict[str, float]:
    warehouse = scratch / "warehouse"
    shutil.rmtree(warehouse, ignore_errors=True)
    found = measured(
        [
            *("-m", "pipelines.cli", "ingest", "--json", "--quiet", "--workers", str(workers)),
            *("--warehouse", str(warehouse), "--fhir", *map(str, folders)),
        ],
        workers,
    )
    (stage,) = [s for s in found["stages"] if s["stage"] == "read_fhir"]
    kept = {name: found[name] for name in ("wall", "cpu", "peak_mb")}
    return {**kept, "resources": stage["read"]}


def compare(name: str, folders: list[Path], scratch: Path, *, lines: bool, rounds: int) -> dict:
    ratios, rows = [], []
    for _ in range(rounds):
        bare = [baseline(folders[0], lines=lines)]
        one = ingest(folders[:1], scratch)
        bare.append(baseline(folders[0], lines=lines))
        four = ingest(folders, scratch)
        bare.append(baseline(folders[0], lines=lines))
        ours = (four["resources"] - one["resources"]) / (four["cpu"] - one["cpu"])
        theirs = bare[0]["resources"] / statistics.mean(b["seconds"] for b in bare)
        ratios.append(ours / theirs)
        rows.append(
            {
                "ratio": ours / theirs,
                "orjson_resources_per_s": theirs,
                "ingest_resources_per_s": ours,
                "orjson_seconds": [b["seconds"] for b in bare],
                "one_copy": one,
                "four_copies": four,
            }
        )
    return {
        "name": name,
        "ratio": statistics.median(ratios),
        "peak_mb": statistics.median(r["one_copy"]["peak_mb"] for r in rows),
        "peak_growth": statistics.median(
            r["four_copies"]["peak_mb"] / r["one_copy"]["peak_mb"] for r in rows
        ),
        "resources": one["resources"],
        "rounds": rows,
    }


def two_workers(folders: list[Path], scratch: Path, rounds: int) -> dict:
    rows = []
    for _ in range(rounds):
        wall = {
            (workers, copies): ingest(folders[:copies], scratch, workers=workers)["wall"]
            for workers in (1, 2)
            for copies in (1, COPIES)
        }
        marginal = {workers: wall[workers, COPIES] - wall[workers, 1] for workers in (1, 2)}
        rows.append(
            {
                "ratio": marginal[1] / marginal[2],
                "ratio_with_start_up": wall[1, COPIES] / wall[2, COPIES],
                "seconds": {f"{w} workers, {c} copies": s for (w, c), s in wall.items()},
            }
        )
    ratio = statistics.median(row["ratio"] for row in rows)
    return {"name": "two workers against one", "ratio": ratio, "rounds": rows}


def show(found: dict) -> None:
    memory = ""
    if "peak_mb" in found:
        memory = f"  peak {found['peak_mb']:,.0f} MB, four copies x {found['peak_growth']:.2f}"
    print(f"{found['name']:<28} ratio {found['ratio']:.2f}{memory}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundles", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["bundles", "ndjson", "workers"])
    options = parser.parse_args()
    os.environ.setdefault("NIGHTROUNDS_ID_KEY", "the key of a benchmark")
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as name:
        scratch = Path(name)
        folders = make_copies(options.bundles, scratch)
        found = []
        if options.only in (None, "bundles"):
            found.append(compare("Bundles", folders, scratch, lines=False, rounds=options.rounds))
            show(found[-1])
        if options.only in (None, "workers"):
            found.append(two_workers(folders, scratch, options.rounds))
            show(found[-1])
        if options.only in (None, "ndjson"):
            lines = make_ndjson(folders, scratch)
            found.append(compare("NDJSON", lines, scratch, lines=True, rounds=options.rounds))
            show(found[-1])
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""`kill -9` of a night's launcher or of one of its workers, at points all over its duration.

    python -m tests.torture.kill FOLDER --points 50

After each: the tables are those of before or the complete new ones; the same command again
gives what an undisturbed night gives, row for row; gc removes orphans and nothing else. Prints a
line for each point and a summary in JSON; exit status 1 when anything else was seen.
"""

import argparse
import datetime
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from pipelines.gc import collect_garbage
from tests.table_state import State
from tests.torture.site import Running, Site, count, prepare, start
from transforms.schemas import TABLES
from transforms.sources import open_binary

LAUNCHER, WORKER, PUBLISHING = "launcher", "worker", "publishing"
# A night takes seconds; one whose worker died must end, not wait for ever.
HANG_S = 180.0
_PUBLISHING_S = 0.8
_DAY = datetime.timedelta(hours=25)
_WORKERS = 2
_Point = tuple[str, float, int]


def points(number: int, spans: dict[str, tuple[float, float]], seed: int) -> list[_Point]:
    """Whom to kill, when, in seconds since the start, and which of the workers.

    Of five points one, two and two are of each kind.

    `spans` are from when to when that is possible. While the night is published, which is short,
    the launcher dies so long after the journal appeared.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    kinds = [(PUBLISHING, WORKER, LAUNCHER, WORKER, LAUNCHER)[n % 5] for n in range(number)]
    return [(kind, draw.uniform(*spans[kind]), draw.randrange(_WORKERS)) for kind in kinds]


def _strike(running: Running, site: Site, point: _Point) -> str:
    """Kills; what became of the launcher."""
    kind, after_s, number = point
    begin_s = 0.0
    if kind == PUBLISHING:
        while not site.publishes() and running.process.poll() is None:
            time.sleep(0.002)
        begin_s = running.seconds
    while running.seconds < begin_s + after_s and running.process.poll() is None:
        time.sleep(0.002)
    if kind == WORKER:
        while not running.workers() and running.process.poll() is None:
            time.sleep(0.01)
    victims = running.workers() if kind == WORKER else [running.process.pid]
    is_late = running.process.poll() is not None or not victims
    if not is_late:
        os.kill(victims[number % len(victims)], signal.SIGKILL)
    status = running.wait(HANG_S)
    running.end()
    if status is None:
        return "hung"
    return f"exit {status}, nobody to kill any more" if is_late else f"exit {status}"


def _undisturbed(site: Site) -> dict[str, tuple[float, float]]:
    """Runs the night; from when to when its launcher and its workers are there, and publish."""
    site.put_back()
    running, seen = start(site.nightly(), site.root / "undisturbed.log"), []
    while running.process.poll() is None:
        if running.workers():
            seen.append(running.seconds)
        time.sleep(0.05)
    if running.process.returncode != 0:
        sys.exit(running.log.read_text())
    return {
        LAUNCHER: (0.0, running.seconds),
        WORKER: (seen[0], seen[-1]),
        PUBLISHING: (0.0, _PUBLISHING_S),
    }


def garbage(site: Site) -> dict[str, int]:
    """What gc does to the warehouse, today and a day later, in numbers that must be 0."""
    opened, now = site.open(), datetime.datetime.now(datetime.UTC)
    live = {path for name in TABLES for path in opened.all_paths(name)}
    young, _ = collect_garbage(opened, now)
    collect_garbage(opened, now + _DAY)
    left = site.data_files()
    for path in live & left:
        with open_binary(path) as file:
            pq.read_metadata(file)
    return {"young_removed": young, "lost": len(live - left), "orphans_left": len(left - live)}


def torture_point(
    site: Site, point: _Point, before: State, new: State, runs_before: int
) -> dict[str, object]:
    """One kill and what follows it."""
    kind, after_s, _ = point
    site.put_back()
    running = start(site.nightly(), site.root / "killed.log")
    ended = _strike(running, site, point)
    journal = site.publishes()
    state = site.state()
    found = "before" if state == before else "new" if state == new else "mixed"
    # One worker starts sooner, and must give what two give.
    repeat = start(site.nightly(workers=1), site.root / "repeat.log")
    repeated = repeat.wait(HANG_S)
    repeat.end()
    runs = site.published_runs()
    return {
        "kind": kind,
        "after_s": round(after_s, 2),
        "ended": ended,
        "journal": journal,
        "state": found,
        "repeat": repeated,
        "repeat_equal": site.state() == new,
        "doubled_runs": len(runs) - len(set(runs)),
        "runs_right": len(runs) == runs_before + 1 + (found == "new"),
        **garbage(site),
    }


def _is_bad(result: dict[str, object]) -> bool:
    zero = ("young_removed", "lost", "orphans_left", "doubled_runs", "repeat")
    return (
        result["state"] == "mixed"
        or result["ended"] == "hung"
        or not result["repeat_equal"]
        or not result["runs_right"]
        or any(result[name] != 0 for name in zero)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=lambda name: Path(name).resolve())
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begin = time.monotonic()
    site = prepare(options.folder, options.patients)
    before, runs_before = site.state(), len(site.published_runs())
    spans = _undisturbed(site)
    new = site.state()
    assert new != before
    results = []
    for point in points(options.points, spans, options.seed):
        results.append(torture_point(site, point, before, new, runs_before))
        print(json.dumps(results[-1]), flush=True)  # noqa: T201 - the result
    summary = {
        "points": len(results),
        "patients": options.patients,
        "undisturbed_s": round(spans[LAUNCHER][1], 1),
        "seconds": round(time.monotonic() - begin),
        "rows": {name: rows for name, (rows, _) in new.items() if rows},
        "states": count(str(r["state"]) for r in results),
        "kinds": count(str(r["kind"]) for r in results),
        "with_journal": sum(bool(r["journal"]) for r in results),
        "ended": count(str(r["ended"]) for r in results),
        "repeat_equal": sum(bool(r["repeat_equal"]) for r in results),
        "files_lost": sum(int(str(r["lost"])) for r in results),
        "bad": sum(_is_bad(r) for r in results),
    }
    print(json.dumps(summary, indent=1))  # noqa: T201 - the result
    return int(summary["bad"] > 0)


if __name__ == "__main__":
    sys.exit(main())

"""Two nights at once on one warehouse, the second started some seconds after the first.

    python -m tests.torture.together FOLDER

The folder is new, or one that `tests.torture.kill` has prepared. One of them wins, or both come
after each other: the tables are those of one undisturbed night, each run is recorded, and whoever
loses exits with 1 and says to run again.
"""

import argparse
import json
import sys
from pathlib import Path

from tests.torture.site import Site, prepared, start

_OFFSETS_S = (0.0, 0.5, 2.0, 8.0)
_TIMEOUT_S = 600.0


def both(site: Site, offset_s: float) -> tuple[list[int | None], str]:
    """The exit statuses, and what they printed."""
    site.put_back()
    logs = [site.root / "first.log", site.root / "second.log"]
    first = start(site.nightly(), logs[0])
    first.wait(offset_s)
    second = start(site.nightly(), logs[1])
    statuses = [running.wait(_TIMEOUT_S) for running in (first, second)]
    for running in (first, second):
        running.end()
    return statuses, "".join(log.read_text() for log in logs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=lambda name: Path(name).resolve())
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--offsets", type=float, nargs="+", default=_OFFSETS_S)
    options = parser.parse_args()
    site = prepared(options.folder, options.patients)
    site.put_back()
    runs_before = len(site.published_runs())
    start(site.nightly(), site.root / "undisturbed.log").wait(_TIMEOUT_S)
    alone, bad = site.state(), 0
    for offset_s in options.offsets:
        statuses, said = both(site, offset_s)
        winners = statuses.count(0)
        runs = site.published_runs()
        result = {
            "offset_s": offset_s,
            "statuses": statuses,
            "equal": site.state() == alone,
            "runs_right": len(runs) == len(set(runs)) == runs_before + winners,
            "told": said.count("run it again"),
        }
        print(json.dumps(result), flush=True)  # noqa: T201 - the result
        fine = winners >= 1 and set(statuses) <= {0, 1} and result["told"] == 2 - winners
        bad += not (fine and result["equal"] and result["runs_right"])
    print(json.dumps({"pairs": len(options.offsets), "bad": bad}))  # noqa: T201 - the result
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())

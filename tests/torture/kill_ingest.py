"""`kill -9` of an `ingest`, most of the time while it publishes: many points in little time.

    python -m tests.torture.kill_ingest FOLDER --points 50 [--pairs 4] [--object-store]

With `--pairs` also two of them at once, and with `--object-store` not in a folder but on a stand-in
for S3, the catalog in PostgreSQL.
The runs are forks of this process, which has all their modules loaded: there is no start to
wait for, as there is in `tests.torture.kill`. They are made before anything else, as a fork of a
process with threads may hang. What must hold afterwards is the same.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from pipelines.cli import main as command_line
from pipelines.simulate import simulate_hospital
from tests.services import running
from tests.table_state import State
from tests.torture.kill import garbage
from tests.torture.site import DAY, Site, count
from tests.torture.store_site import StoreSite

_KEY = "0123456789abcdef" * 4


class Forks:
    """Processes that wait to be told what to ingest."""

    def __init__(self, number: int, site: Site) -> None:
        self._waiting: list[tuple[int, int]] = []
        for _ in range(number):
            listen, tell = os.pipe()
            child = os.fork()
            if child == 0:
                for _, other in self._waiting:
                    os.close(other)
                os.close(tell)
                self._run(site, os.read(listen, 100).decode())
            os.close(listen)
            self._waiting.append((child, tell))

    def _run(self, site: Site, part: str) -> None:
        if not part:  # nobody is there any more
            os._exit(0)
        os.dup2(os.open(site.root / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        os.dup2(2, 1)
        export = str(site.root / "hospital" / "fhir" / part)
        at = ["--warehouse", site.location, "--buckets", "2"]
        os._exit(command_line(["ingest", *at, "--fhir", export, "--quiet"]))

    def start(self, part: str) -> int:
        """Starts the ingest of a part of the export; its process id."""
        child, tell = self._waiting.pop()
        os.write(tell, part.encode())
        os.close(tell)
        return child


def _wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _kill(forks: Forks, site: Site, in_journal: bool, after_s: float) -> int:
    """Kills the ingest so long after its start, or after its journal appeared; its status."""
    child, begin_s = forks.start("bulk"), time.monotonic()
    while in_journal and not site.publishes():
        if time.monotonic() - begin_s > 60:
            break
        time.sleep(0.001)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    return _wait(child)


def together(forks: Forks, site: Site, new: State, offset_s: float) -> tuple[list[int], bool]:
    """Two ingests at once, the second so long after the first; their statuses, and if it is bad."""
    site.put_back()
    runs_before, children = len(site.published_runs()), [forks.start("bulk")]
    time.sleep(offset_s)
    children.append(forks.start("bulk"))
    statuses = [_wait(child) for child in children]
    runs = len(site.published_runs()) - runs_before
    right = 0 in statuses and set(statuses) <= {0, 1} and runs == statuses.count(0)
    return statuses, not right or site.state() != new


def torture(site: Site, points: int, pairs: int, seed: int) -> dict[str, object]:
    """All of it on a site that has nothing yet; prints each result and gives the summary."""
    forks = Forks(2 + 2 * (points + pairs), site)
    simulate_hospital(site.root / "hospital", patients=40, studies=10, seed=11, broken=False)
    assert _wait(forks.start("bundles")) == 0
    site.keep()
    site.put_back()
    before, runs_before = site.state(), len(site.published_runs())
    begin = time.monotonic()
    assert _wait(forks.start("bulk")) == 0
    alone_s, new = time.monotonic() - begin, site.state()
    assert new != before
    draw, results = random.Random(seed), []  # noqa: S311 - no secret
    for number in range(points):
        in_journal = number % 3 > 0
        after_s = draw.uniform(0, 0.4 if in_journal else alone_s)
        site.put_back()
        ended = _kill(forks, site, in_journal, after_s)
        journal = site.publishes()
        state = site.state()
        found = "before" if state == before else "new" if state == new else "mixed"
        repeated = _wait(forks.start("bulk"))
        runs = len(site.published_runs())
        right = repeated == 0 and site.state() == new
        right = right and runs == runs_before + 1 + (found == "new")
        bad = found == "mixed" or not right or any(garbage(site).values())
        results.append((ended, journal, found, bad))
        print(json.dumps({"after_s": round(after_s, 2), "result": results[-1]}), flush=True)  # noqa: T201 - the result
    both = [together(forks, site, new, alone_s * n / max(pairs, 1)) for n in range(pairs)]
    return {
        "points": len(results),
        "seconds": round(time.monotonic() - begin),
        "ended": count(str(ended) for ended, *_ in results),
        "with_journal": sum(journal for _, journal, *_ in results),
        "states": count(found for *_, found, _ in results),
        "pairs": count(str(statuses) for statuses, _ in both),
        "bad": sum(bad for *_, bad in results) + sum(bad for _, bad in both),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=lambda name: Path(name).resolve())
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--pairs", type=int, default=0, help="of ingests at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--object-store", action="store_true", help="on S3 and PostgreSQL")
    options = parser.parse_args()
    os.environ["NIGHTROUNDS_ID_KEY"] = _KEY
    options.folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        site = Site(options.folder, DAY, 40)
        if options.object_store:
            services = stack.enter_context(running(options.folder / "services.log"))
            os.environ.update(services.environment)
            site = StoreSite(options.folder, DAY, 40, services=services)
        summary = torture(site, options.points, options.pairs, options.seed)
    print(json.dumps(summary, indent=1))  # noqa: T201 - the result
    return int(summary["bad"] != 0)


if __name__ == "__main__":
    sys.exit(main())

"""What the dependencies are: their licences, and known vulnerabilities.

    python -m bench.dependencies licences    # offline, of what is installed; no GPL, no AGPL
    python -m bench.dependencies audit       # pip-audit over constraints.txt, where it can ask

Both end with status 1 where they find what must not be. An audit that cannot ask its advisory
service says so and why, and ends with 0: it tells nothing, good or bad.
"""

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

CONSTRAINTS = Path(__file__).parent.parent / "constraints.txt"
# What is under the LGPL or says nothing in its metadata, by distribution, and why it may stay.
EXPLAINED = {"namex": "Apache-2.0, says the LICENSE file in it"}

_LESSER = re.compile(r"LGPL|Lesser General Public|Library General Public", re.IGNORECASE)
_GENERAL = re.compile(r"\bA?GPL|Affero|GNU General Public", re.IGNORECASE)
_FREE, _LGPL, _GPL, _UNKNOWN = "free", "LGPL", "GPL", "unknown"


class Licence(NamedTuple):
    """One distribution, what its metadata says of its licence, and what that comes to."""

    name: str
    version: str
    text: str
    kind: str


def kind_of(text: str) -> str:
    """A licence expression or name -> free, LGPL, GPL or unknown; of alternatives the best.

    >>> [kind_of(t) for t in ("MIT", "LGPL-2.1+", "GPL-3.0-only", "MIT OR GPL-2.0", "")]
    ['free', 'LGPL', 'GPL', 'free', 'unknown']
    """
    if not text.strip():
        return _UNKNOWN
    kinds = set()
    for choice in re.split(r"\bOR\b", text):
        if _GENERAL.search(_LESSER.sub("", choice)):
            kinds.add(_GPL)
        else:
            kinds.add(_LGPL if _LESSER.search(choice) else _FREE)
    return next(kind for kind in (_FREE, _LGPL, _GPL) if kind in kinds)


def licence_text(found: importlib.metadata.Distribution) -> str:
    """What the metadata says, best first: expression, classifiers, free text."""
    about = found.metadata
    classifiers = [
        line.split(" :: ")[-1]
        for line in about.get_all("Classifier") or []
        if line.startswith("License ::") and not line.endswith("OSI Approved")
    ]
    text = about.get("License-Expression") or "; ".join(classifiers)
    text = text or (about.get("License") or "").strip().split("\n")[0]
    return "" if text.upper() == "UNKNOWN" else text


def licences(
    distributions: Iterable[importlib.metadata.Distribution] | None = None,
) -> list[Licence]:
    """Of every installed distribution, by name."""
    found = importlib.metadata.distributions() if distributions is None else distributions
    texts = {(d.name, d.version): licence_text(d) for d in found if d.name != "nightrounds"}
    return [Licence(*key, text, kind_of(text)) for key, text in sorted(texts.items())]


def check_licences(found: Iterable[Licence], explained: dict[str, str]) -> list[str]:
    """What must not be: GPL and AGPL; LGPL and unknown ones that nobody explained."""
    wrong = []
    for licence in found:
        if licence.kind == _GPL:
            wrong.append(f"{licence.name} {licence.version}: {licence.text}")
        elif licence.kind != _FREE and licence.name not in explained:
            wrong.append(f"{licence.name} {licence.version}: {licence.kind}, not explained")
    return wrong


def read_audit(output: str) -> tuple[list[str], int, list[str]]:
    """pip-audit's JSON -> vulnerabilities, how many were audited, why others were not."""
    dependencies = json.loads(output)["dependencies"]
    found = [
        f"{d['name']} {d['version']}: {v['id']}, fixed in {', '.join(v['fix_versions']) or 'none'}"
        for d in dependencies
        for v in d.get("vulns", [])
    ]
    skipped = [d["skip_reason"] for d in dependencies if "skip_reason" in d]
    return found, len(dependencies) - len(skipped), skipped


def _audit() -> int:
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    command += ["--disable-pip", "--no-deps", "--requirement", str(CONSTRAINTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found, audited, skipped = read_audit(done.stdout)
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        print(f"audit: skipped, pip-audit could not ask its advisory service: {last}")
        return 0
    for line in found:
        print(f"audit: {line}")
    if not audited:
        print(f"audit: skipped, the advisory service knows none of them: {skipped[0]}")
        return 0
    print(f"audit: {audited} audited, {len(found)} vulnerabilities, {len(skipped)} skipped")
    return 1 if found else 0


def _licences() -> int:
    found = licences()
    for licence in found:
        if licence.kind != _FREE:
            why = EXPLAINED.get(licence.name, "")
            print(f"licences: {licence.name} {licence.version}: {licence.text or 'none'}. {why}")
    wrong = check_licences(found, EXPLAINED)
    for line in wrong:
        print(f"licences: must not be: {line}")
    print(f"licences: {len(found)} distributions, {len(wrong)} that must not be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit({"licences": _licences, "audit": _audit}[sys.argv[1]]())

"""What `ingest` makes of public FHIR collections, and how that agrees with the FHIR validator.

    python -m bench.corpora NAME=FOLDER... --validator CASES -o bench/out/corpora.json

Each folder goes through `nightrounds ingest` into a warehouse of its own. CASES is the `validator`
folder of FHIR/fhir-test-cases: its R4 and R4B JSON cases, one at a time, against the verdicts in
`manifest.json`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from transforms.fhir.kinds import MAPPED
from transforms.fhir.reader import FhirReader
from transforms.fhir.rows import FhirRows
from transforms.keys import Keys

KEY = "the key of a benchmark"


def independent_count(folder: Path) -> Counter[str]:
    """Resources by type, counted without any of our code; of JSON files and NDJSON."""
    code = (
        "import collections, glob, gzip, json\n"
        "n = collections.Counter()\n"
        "def add(r):\n"
        "    if r.get('resourceType') == 'Bundle':\n"
        "        for e in r.get('entry', []): add(e.get('resource', {}))\n"
        "    else: n[r.get('resourceType')] += 1\n"
        f"for f in glob.glob({str(folder)!r} + '/**/*.json', recursive=True):\n"
        "    add(json.load(open(f)))\n"
        f"for f in glob.glob({str(folder)!r} + '/**/*.gz', recursive=True):\n"
        "    text = gzip.open(f, 'rt').read()\n"
        "    for line in text.splitlines() if 'ndjson' in f else [text]: add(json.loads(line))\n"
        "print(json.dumps(n))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return Counter(json.loads(found.stdout))


def ingest(folder: Path) -> dict:
    with tempfile.TemporaryDirectory(prefix="bench-corpora-") as scratch:
        command = [sys.executable, "-m", "pipelines.cli"]
        at, inputs = ["--warehouse", f"{scratch}/w"], ["--fhir", str(folder)]
        run = subprocess.run(
            [*command, "ingest", "--json", "--quiet", "--max-quarantined", "1", *at, *inputs],
            capture_output=True,
            check=True,
        )
        sql = "SELECT error_class, message, count(*) AS n FROM quarantine GROUP BY ALL ORDER BY 3"
        reasons = subprocess.run(
            [*command, "query", sql, "--format", "json", *at], capture_output=True, check=True
        )
        found = json.loads(run.stdout.splitlines()[-1])
        return {
            "stages": found["stages"],
            "tables": found["tables"],
            "seconds": found["seconds"],
            "refusals": json.loads(reasons.stdout),
        }


def verdicts(cases: Path) -> dict:
    """Our verdict against the validator's: errors or none, mapped types or none."""
    reader, counts = FhirReader(Keys(KEY.encode())), Counter()
    disagreements = []
    for case in json.loads((cases / "manifest.json").read_text())["test-cases"]:
        file = cases / case["file"]
        if not (case.get("version") or "").startswith(("4.0", "4.3")) or file.suffix != ".json":
            continue
        outcome = case.get("java")
        if isinstance(outcome, str):
            path = cases / "outcomes" / outcome
            outcome = json.loads(path.read_text()) if path.exists() else None
        elif outcome is not None:
            outcome = outcome.get("outcome")
        if outcome is None or not file.exists():
            counts["no outcome or no file"] += 1
            continue
        issues = outcome.get("issue", [])
        errors = [i for i in issues if i["severity"] in ("error", "fatal")]
        rows = FhirRows()
        reader.read_json(file.read_bytes(), 1, rows)
        mapped = any(name in MAPPED for name in rows.read)
        refused = bool(rows.quarantine)
        counts[
            f"validator {'errors' if errors else 'no errors'}, "
            f"{'read' if mapped else 'not read'} by us, {'refused' if refused else 'accepted'}"
        ] += 1
        if refused and not errors:
            disagreements.append({"case": case["file"], "reason": rows.quarantine[0][6]})
    return {"counts": dict(sorted(counts.items())), "refused_without_errors": disagreements}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="*", metavar="NAME=FOLDER")
    parser.add_argument("--validator", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    os.environ["NIGHTROUNDS_ID_KEY"] = KEY
    found = {}
    for argument in options.folders:
        name, _, folder = argument.partition("=")
        result = ingest(Path(folder))
        result["independent"] = independent_count(Path(folder))
        found[name] = result
        (stage,) = [s for s in result["stages"] if s["stage"] == "read_fhir"]
        skipped = sum(stage["skipped"].values())
        print(
            f"{name}: {stage['read']:,} read = {stage['written']:,} written + "
            f"{stage['quarantined']:,} quarantined + {stage['duplicate']:,} duplicate + "
            f"{skipped:,} skipped; counted independently: "
            f"{result['independent'].total():,}"
        )
    if options.validator:
        found["validator"] = verdicts(options.validator)
        for name, number in found["validator"]["counts"].items():
            print(f"{number:5} {name}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

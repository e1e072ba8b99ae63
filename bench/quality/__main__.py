"""`python -m bench.quality MODELS [MODEL…]`: the quality benches, and what they say as documents.

Writes docs/quality.json, and the table between two marks of docs/QUALITY.md. With names of models
only their rows are measured, the others stay as they are.
"""

import argparse
import importlib
import json
import signal
import sys
from pathlib import Path
from typing import Any

import model_defs
from bench.quality.rows import METRICS

BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
HEAD = "| model | set | split | metric | value (95 %) | baseline | published | seconds |"


def measure(model: str, folder: Path) -> list[dict[str, Any]]:
    """The rows of one model's bench."""
    sys.stderr.write(f"{model}\n")
    bench = importlib.import_module(f"bench.quality.{model}")
    rows = [row.as_json() for row in bench.run(folder / model)]
    for row in rows:
        sys.stderr.write(f"  {line(row)}\n")
    return rows


def line(row: dict[str, Any]) -> str:
    """One line of the table.

    >>> line({"model": "m", "set": "S (test)", "metric": "auc", "value": 0.9, "low": 0.8,
    ...       "high": 0.95, "baseline": 0.7, "published": None, "seconds": 3.0})
    '| `m` | S | test | AUC | 0.900 (0.800 to 0.950) | 0.700 |  | 3 |'
    """
    name, _, split = row["set"].rpartition(" (")
    value = f"{_number(row['value'])} ({_number(row['low'])} to {_number(row['high'])})"
    cells = [
        *(f"`{row['model']}`", name, split.removesuffix(")"), METRICS[row["metric"]], value),
        *(_number(row[column]) for column in ("baseline", "published")),
        f"{row['seconds']:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3f}"


def write(rows: list[dict[str, Any]], docs: Path) -> None:
    """Both documents."""
    (docs / "quality.json").write_text(json.dumps(rows, indent=1) + "\n")
    page = (docs / "QUALITY.md").read_text()
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"docs/QUALITY.md lacks the lines {BEGIN.strip()} and {END.strip()}")
    table = [HEAD, "|" + "---|" * (HEAD.count("|") - 1), *map(line, rows)]
    (docs / "QUALITY.md").write_text(before + BEGIN + "\n".join(table) + "\n" + END + after)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of the public sets, one folder for each model")
    parser.add_argument("models", nargs="*", default=model_defs.names())
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    # So that the verb under way ends too, and its folder goes, when the run is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    path = arguments.docs / "quality.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    for model in arguments.models:
        # Written after each, so that a long run that ends early loses nothing.
        rows = [row for row in rows if row["model"] != model] + measure(model, arguments.folder)
        write(sorted(rows, key=lambda row: row["model"]), arguments.docs)


if __name__ == "__main__":
    main()

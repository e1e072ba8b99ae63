"""A model card: what a version was trained on, how well it does, and what it is not for.

Source: Mitchell et al. 2019, https://arxiv.org/abs/1810.03993
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from transforms.definition import Definition, model_name
from transforms.evaluation import Evaluation
from transforms.metrics import Estimate
from transforms.splits import HELD_OUT, SPLITS


def write_card(
    definition: Definition,
    version: str,
    trained: Mapping[str, Any],
    evaluation: Evaluation,
    decision: str,
    label: pa.Field,
) -> str:
    """Markdown. `trained` is model.json: rows by split, as_of, seed, classes, versions."""
    rows = trained["rows"]
    features = [f"- `{f.name}` ({f.type}){_meaning(f.metadata)}" for f in definition.FEATURES]
    parts = [
        f"# {model_name(definition)} {version}",
        (definition.__doc__ or "").strip(),
        "## Data",
        f"One example per {definition.ENTITY}; labels as known at {trained['as_of']} UTC. "
        f"Split {trained['split']}: "
        + ", ".join(f"{name} {rows.get(name, 0)} examples" for name in SPLITS)
        + f". Label `{label.name}`{_meaning(label.metadata)}"
        + (f", classes {', '.join(trained['classes'])}." if trained["classes"] else "."),
        f"## Measures on {HELD_OUT}",
        f"{evaluation.rows} examples of {evaluation.subjects} subjects; intervals are 95 % "
        "percentile intervals of 200 resamplings of subjects. The baseline knows only how "
        "frequent each label is.",
        _table(evaluation),
        "## Calibration",
        _calibration(trained["calibration"], label),
        "## Slices",
        _slices(evaluation),
        "## Gate",
        decision,
        "## Features",
        "\n".join(features),
    ]
    return "\n\n".join(parts) + "\n"


def _calibration(found: Mapping[str, Any], label: pa.Field) -> str:
    if pa.types.is_float32(label.type):
        return (
            "Where the model gives no interval of its own, it is the score plus the 5 % and the "
            "95 % quantile of what the model was off by on the split tuning."
        )
    if (found["slope"], found["bias"]) == (1.0, 0.0):
        how = "Probabilities are as trained: recalibration on the split tuning did not help."
    elif pa.types.is_boolean(label.type):
        how = (
            "Recalibrated on the split tuning (Platt): log-odds times "
            f"{found['slope']:.3f}, plus {found['bias']:.3f}."
        )
    else:
        how = f"Recalibrated on the split tuning: temperature {1 / found['slope']:.3f}."
    if pa.types.is_boolean(label.type):
        how += f" A probability from {found['cut']:.3f} on is decided for (Youden's cut there)."
    return how


def _meaning(metadata: Mapping[bytes, bytes] | None) -> str:
    found = {k.decode(): v.decode() for k, v in (metadata or {}).items()}
    unit = f" [{found['unit']}]" if found.get("unit") else ""
    return f"{unit}: {found['meaning']}" if "meaning" in found else unit


def _estimate(found: Estimate) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _table(evaluation: Evaluation) -> str:
    lines = ["| measure | value (95 %) | baseline |", "|---|---|---|"]
    for name, found in evaluation.measures.items():
        baseline = evaluation.baseline.get(name, float("nan"))
        lines.append(f"| {name} | {_estimate(found)} | {baseline:.3f} |")
    return "\n".join(lines)


def _slices(evaluation: Evaluation) -> str:
    if not evaluation.slices:
        return "No group by sex, race or age is known, or large enough to be measured on its own."
    names = list(evaluation.measures)
    lines = [f"| group | examples | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
    for group, (rows, found) in evaluation.slices.items():
        values = " | ".join(_estimate(found[name]) for name in names)
        lines.append(f"| {group} | {rows} | {values} |")
    return "\n".join(lines)

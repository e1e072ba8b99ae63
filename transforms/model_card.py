"""A model card: what a version was trained on, how well it does, and what it is not for.

Source: Mitchell et al. 2019, https://arxiv.org/abs/1810.03993
"""

from collections.abc import Mapping
from typing import Any

from transforms.definition import Definition, model_name
from transforms.evaluation import Evaluation
from transforms.metrics import Estimate
from transforms.splits import HELD_OUT, SHARES, SPLITS


def write_card(
    definition: Definition,
    version: str,
    trained: Mapping[str, Any],
    evaluation: Evaluation,
    decision: str,
) -> str:
    """Markdown. `trained` is model.json: rows by split, as_of, seed, classes, versions."""
    rows = trained["rows"]
    features = [f"- `{f.name}` ({f.type}){_meaning(f.metadata)}" for f in definition.FEATURES]
    parts = [
        f"# {model_name(definition)} {version}",
        (definition.__doc__ or "").strip(),
        "## Data",
        f"One example per {definition.ENTITY}; labels as known at {trained['as_of']} UTC. "
        f"Split by subject (a hash of its id): "
        + ", ".join(
            f"{name} {share:.0%} = {rows.get(name, 0)} examples"
            for name, share in zip(SPLITS, SHARES, strict=True)
        )
        + f". Label `{definition.LABEL.name}`{_meaning(definition.LABEL.metadata)}"
        + (f", classes {', '.join(trained['classes'])}." if trained["classes"] else "."),
        f"## Measures on {HELD_OUT}",
        f"{evaluation.rows} examples of {evaluation.subjects} subjects; intervals are 95 % "
        "percentile intervals of 200 resamplings of subjects. The baseline knows only how "
        "frequent each label is.",
        _table(evaluation),
        "## Slices",
        _slices(evaluation),
        "## Gate",
        decision,
        "## Features",
        "\n".join(features),
    ]
    return "\n\n".join(parts) + "\n"


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
        return "No group by sex or age is known, or large enough to be measured on its own."
    names = list(evaluation.measures)
    lines = [f"| group | examples | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
    for group, (rows, found) in evaluation.slices.items():
        values = " | ".join(_estimate(found[name]) for name in names)
        lines.append(f"| {group} | {rows} | {values} |")
    return "\n".join(lines)

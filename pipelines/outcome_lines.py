"""What a run did, for the terminal: a line for each stage, table and model."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pipelines.run import Outcome, RunContext, summary


def print_outcome(context: RunContext, *, as_json: bool) -> Callable[[Outcome, str], None]:
    """What prints a run's outcome and status on stdout: as lines, or as one JSON object."""

    def show(outcome: Outcome, status: str) -> None:
        if as_json:
            print(json.dumps(summary(context, outcome, status)), flush=True)  # noqa: T201 - the verb's result
            return
        print(f"run {context.run_id}: {status} after {context.seconds:.1f} s")  # noqa: T201
        for stage in outcome.stages.values():
            print("  " + describe_stage(stage.summary()))  # noqa: T201
        for table, rows in outcome.rows_added.items():
            print(f"  {table}: {rows:+,} rows")  # noqa: T201
        for model, found in outcome.models.items():
            print(f"  {model}: " + describe_model(found))  # noqa: T201
        for model, rows in outcome.predictions.items():
            print(f"  predictions of {model}: {rows:,}")  # noqa: T201
        for name, reason in outcome.failed.items():
            print(f"  {name} failed: {reason}")  # noqa: T201

    return show


def describe_stage(stage: dict[str, object]) -> str:
    """One line that shows the sum.

    >>> describe_stage({"stage": "read_dicom", "read": 3, "written": 1, "quarantined": 0,
    ...                 "duplicate": 0, "skipped": {"DICOMDIR": 2}})
    'read_dicom: 3 read = 1 written + 0 quarantined + 0 duplicate + 2 skipped (DICOMDIR 2)'
    """
    skipped = stage["skipped"]
    assert isinstance(skipped, dict)  # noqa: S101 - narrows the type
    most = sorted(skipped.items(), key=lambda item: (-item[1], item[0]))
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in most[:8])
    if len(most) > 8:
        reasons += f", {len(most) - 8} more"
    return (
        f"{stage['stage']}: {stage['read']:,} read = {stage['written']:,} written + "
        f"{stage['quarantined']:,} quarantined + {stage['duplicate']:,} duplicate + "
        f"{sum(skipped.values()):,} skipped" + (f" ({reasons})" if reasons else "")
    )


def describe_model(found: Mapping[str, Any]) -> str:
    """One line of a trained or evaluated version.

    >>> describe_model({"version": "v1", "champion": True, "because": "the first version",
    ...                 "measures": {"auroc": {"value": 0.8, "low": 0.7, "high": 0.9}}})
    'v1, champion (the first version), auroc 0.800 (0.700-0.900)'
    """
    if "refused" in found:
        return f"not trained ({found['refused']})"
    text = str(found["version"])
    if "champion" in found:
        text += ", champion" if found["champion"] else ", not champion"
        text += f" ({found['because']})"
    for name, measure in found["measures"].items():
        if measure["value"] is None:  # such as AUROC of one class
            text += f", {name} undefined"
            continue
        text += f", {name} {measure['value']:.3f}"
        if measure.get("low") is not None:
            text += f" ({measure['low']:.3f}-{measure['high']:.3f})"
    return text

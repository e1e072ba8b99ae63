"""Whether a new version may take the champion's place."""

import dataclasses
import math

import pyarrow as pa

from transforms.evaluation import Evaluation

MARGIN = 0.01


@dataclasses.dataclass(frozen=True)
class Decision:
    """Whether the challenger becomes champion, and why."""

    promoted: bool
    reason: str


def gate_measure(label: pa.Field) -> str:
    """The measure that decides: `auroc`, or `rmse` for a quantity.

    >>> gate_measure(pa.field("cases", pa.float32()))
    'rmse'
    """
    return "rmse" if pa.types.is_float32(label.type) else "auroc"


def decide(
    label: pa.Field, challenger: Evaluation, champion: Evaluation | None, margin: float = MARGIN
) -> Decision:
    """Both measured on the same rows -> promoted, when not worse by more than the margin.

    The margin is absolute for AUROC, a share of the champion's error for RMSE. An undefined
    measure (one class only) passes only where there is no champion.
    """
    measure = gate_measure(label)
    new = challenger.measures[measure].value
    if champion is None:
        return Decision(True, f"The first version that can be compared: {measure} {new:.4f}.")
    old = champion.measures[measure].value
    passed = new <= old * (1 + margin) if measure == "rmse" else new >= old - margin
    passed = passed and not math.isnan(new)
    verdict = "not worse than" if passed else "worse than"
    return Decision(
        passed,
        f"On the same {challenger.rows} held-out examples {measure} is {new:.4f}, {verdict} the "
        f"champion's {old:.4f} (margin {margin}).",
    )

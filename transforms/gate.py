"""Whether a new version may take the champion's place."""

import dataclasses
import math

import pyarrow as pa

from transforms.evaluation import Evaluation
from transforms.metrics import Estimate

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
    label: pa.Field,
    challenger: Evaluation,
    champion: Evaluation | None,
    difference: Estimate | None,
    margin: float = MARGIN,
) -> Decision:
    """Both measured on the same rows -> promoted, when not worse.

    Not worse: by no more than the margin, which is absolute for AUROC and a share of the champion's
    error for RMSE; and not significantly, that is, the 95 % interval of `difference` (challenger -
    champion, of paired resamplings of subjects) does not lie wholly on the worse side of 0. An
    undefined measure (one class only) passes only where there is no champion.
    """
    measure = gate_measure(label)
    new = challenger.measures[measure].value
    if champion is None or difference is None:
        return Decision(True, f"The first version that can be compared: {measure} {new:.4f}.")
    old = champion.measures[measure].value
    worse = new - old if measure == "rmse" else old - new
    allowed = margin * old if measure == "rmse" else margin
    significant = difference.low > 0 if measure == "rmse" else difference.high < 0
    passed = worse <= allowed and not significant and not math.isnan(new)
    verdict = "not worse than" if passed else "worse than"
    return Decision(
        passed,
        f"On the same {challenger.rows} held-out examples {measure} is {new:.4f}, {verdict} the "
        f"champion's {old:.4f} (difference {difference.value:+.4f}, 95 % interval "
        f"{difference.low:+.4f} to {difference.high:+.4f}; margin {margin}).",
    )

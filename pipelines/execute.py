"""What every run has around it: the check, the publication, the record, whatever happens."""

from collections.abc import Callable

from pipelines.run import Outcome, RunContext, check_outcome, publish
from transforms.errors import ModelFailed, Refused
from transforms.warehouse import Warehouse

DEFAULT_MAX_QUARANTINED = 0.01


def execute(
    context: RunContext,
    warehouse: Warehouse,
    work: Callable[[], Outcome],
    report: Callable[[Outcome, str], None],
    max_quarantined: float = DEFAULT_MAX_QUARANTINED,
) -> Outcome:
    """Runs `work`, checks what it counted and publishes it, or only the record of the failure.

    `report` gets the outcome and the status in every case. Whatever `work` raises goes on.

    Raises: Refused, over the limit of refused inputs; RunFailed, when counts do not add up;
    ModelFailed, when models failed and there is nothing else to publish. What else there is, is
    published; `raise_failed` is then for the caller to call last.
    """
    outcome, status = Outcome(), "failed"
    try:
        outcome = work()
        check_outcome(outcome, max_quarantined)
        if not (outcome.changes or outcome.models):
            raise_failed(outcome)
        status = "published"
        publish(context, warehouse, outcome, status)
    except Refused:
        status = "refused"
        raise
    finally:
        if status != "published":
            publish(context, warehouse, outcome, status)
        report(outcome, status)
    return outcome


def raise_failed(outcome: Outcome) -> None:
    """Raises: ModelFailed, when models failed, naming their stages and why."""
    if outcome.failed:
        why = "; ".join(f"{stage}: {reason}" for stage, reason in outcome.failed.items())
        raise ModelFailed(f"nothing is published of what failed ({why})")

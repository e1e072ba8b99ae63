"""What every run has around it: the check, the publication, the record, whatever happens."""

import datetime
import sys
from collections.abc import Callable

from pipelines.run import Outcome, RunContext, begin, check_outcome, publish
from pipelines.workers import watched_workers
from transforms.errors import CutShort, ModelFailed, Refused, RunFailed
from transforms.warehouse import Warehouse

DEFAULT_MAX_QUARANTINED = 0.01
CLOCK_TOLERANCE = datetime.timedelta(minutes=1)


def execute(
    context: RunContext,
    warehouse: Warehouse,
    work: Callable[[], Outcome],
    report: Callable[[Outcome, str], None],
    max_quarantined: float = DEFAULT_MAX_QUARANTINED,
) -> Outcome:
    """Runs `work`, checks what it counted and publishes it, or only the record of the failure.

    `report` gets the outcome and the status in every case. Whatever `work` raises goes on.

    Raises: Refused, over the limit of refused inputs; RunFailed, when counts do not add up, another
    run was faster, a worker died, or the clock was set back; CutShort, when the publication did
    not end; ModelFailed, when models failed and there is nothing else to publish. What else there
    is, is published; `raise_failed` is then for the caller to call last.
    """
    _check_clock(context, warehouse)
    outcome, status = Outcome(), "failed"
    try:
        begin(context, warehouse, max_quarantined)
        with watched_workers():
            outcome = work()
        check_outcome(outcome, max_quarantined)
        if not (outcome.changes or outcome.models):
            raise_failed(outcome)
        publish(context, warehouse, outcome, "published")
        status = "published"
    except Refused:
        status = "refused"
        raise
    except CutShort:
        status = "cut short"  # what the journal holds is published yet: no failure to record
        raise
    finally:
        if status in ("failed", "refused"):
            _record(context, warehouse, outcome, status)
        report(outcome, status)
    return outcome


def raise_failed(outcome: Outcome) -> None:
    """Raises: ModelFailed, when models failed, naming their stages and why."""
    if outcome.failed:
        why = "; ".join(f"{stage}: {reason}" for stage, reason in outcome.failed.items())
        raise ModelFailed(f"nothing is published of what failed ({why})")


def _check_clock(context: RunContext, warehouse: Warehouse) -> None:
    """The order of runs is that of their times: one before the last would be taken for older."""
    last = warehouse.last_published()
    if last is not None and context.started < last - CLOCK_TOLERANCE:
        raise RunFailed(
            f"the clock says {context.started:%Y-%m-%d %H:%M} UTC, but the warehouse was written "
            f"at {last:%Y-%m-%d %H:%M}: nothing was published; set the clock, then run it again"
        )


def _record(context: RunContext, warehouse: Warehouse, outcome: Outcome, status: str) -> None:
    """The row of a run that published nothing; where even that fails, the reason is what counts."""
    try:
        publish(context, warehouse, outcome, status)
    except Exception as error:
        sys.stderr.write(f"the failure was not recorded either ({type(error).__name__})\n")

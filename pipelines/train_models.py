"""One run that trains several models: each by itself, so that one which fails leaves the others."""

import datetime
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.run import Outcome
from pipelines.train import train
from transforms.acceleration import PLAIN, Acceleration
from transforms.counts import StageCounts
from transforms.errors import Refused, RunFailed, TooLittleData
from transforms.make_examples import Buckets
from transforms.model_faults import reason_of
from transforms.splits import GivenSplits


def train_models(
    folder: str,
    work_root: str,
    configs: Mapping[str, Any],
    buckets: Buckets,
    as_of: datetime.datetime,
    options: PipelineOptions,
    splits: GivenSplits | None,
    *,
    skip: bool = False,
    promote: bool = True,
    acceleration: Acceleration = PLAIN,
) -> Outcome:
    """One more version of each model in `folder`, in the order of the names.

    Examples are prepared below `work_root`.

    With `skip` a model for which there is too little data, or that fails, is passed over and told
    of. Without `promote` the versions that passed the gate are no champions yet.

    Raises: TooLittleData, or what the model raises, without `skip`; Refused, when a file of a
    champion was changed; RunFailed, when another worker of the training is gone.
    """
    outcome = Outcome()
    for name, config in configs.items():
        sys.stderr.write(f"training {name}\n")
        try:
            trained = train(
                name,
                buckets,
                folder,
                as_of,
                options,
                config=config,
                splits=splits,
                promote=promote,
                work_root=work_root,
                acceleration=acceleration,
            )
        except TooLittleData as error:
            if not skip:
                raise
            sys.stderr.write(f"not trained: {error}\n")
            outcome.models[name] = {"refused": str(error)}
            continue
        except (Refused, RunFailed):  # no fault of the model: the next would not fare better
            raise
        except Exception as error:  # a model may fail in any way
            if not skip:
                raise
            stage, why = f"train_{name}", reason_of("train", error)
            sys.stderr.write(f"{name} failed, the others go on: {why}\n")
            outcome.failed[stage] = why
            outcome.stages[stage] = StageCounts(stage, skipped=Counter({f"failed: {why}": 0}))
            continue
        if trained is not None:
            if trained.decision.promoted:
                outcome.promoted.append(trained.version)
            outcome.models[name] = {
                "version": trained.version.version,
                "champion": trained.decision.promoted,
                "because": trained.decision.reason,
                "examples": trained.rows,
                "seconds": {step: round(s, 1) for step, s in trained.seconds.items()},
                **trained.evaluation.as_json(),
            }
    return outcome

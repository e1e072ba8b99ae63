"""Which of three outcomes: random forest (a stand-in for tests)."""

import dataclasses

import pyarrow as pa

from tests.standins import examples as shared
from transforms.prediction_rows import Predictions

ENTITY = "patient"
FEATURES = pa.schema([pa.field("value", pa.float32()), pa.field("ward", pa.string())])
LABEL = pa.field("outcome", pa.string())


@dataclasses.dataclass(frozen=True)
class Config:
    seed: int = 0
    trees: int = 20


def examples(tables, as_of, config=None):
    found = shared.examples(tables, as_of)
    return found.select("subject_id", "entity_id", "prediction_time", *FEATURES.names, LABEL.name)


def preprocessing_fn(inputs):
    return {"value": inputs["value"], "ward": inputs["ward"]}


def build_model(config):
    import ydf

    return ydf.RandomForestLearner(
        label=LABEL.name, num_trees=config.trees, random_seed=config.seed
    )


def to_predictions(outputs, config=None):
    found = outputs.values[LABEL.name]
    return Predictions(
        score=found.max(axis=1),
        classes=outputs.classes,
        probabilities=found,
        label=found.argmax(axis=1),
    )

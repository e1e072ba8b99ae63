"""The shape of a model definition, as the machinery sees the module.

What each part means stands in the docstring of the package `model_defs`.
"""

import datetime
from typing import Any, Protocol

import polars as pl
import pyarrow as pa

from transforms.bucket_tables import Tables
from transforms.prediction_rows import Outputs, Predictions


class Definition(Protocol):
    """A module of `model_defs`."""

    __name__: str
    __doc__: str | None
    ENTITY: str
    FEATURES: pa.Schema
    LABEL: pa.Field

    @property
    def Config(self) -> Any:  # noqa: N802 - it is the module's class
        """Frozen dataclass of everything that can be chosen, each with a default."""

    def examples(self, tables: Tables, as_of: datetime.datetime, config: Any, /) -> pl.DataFrame:
        """One bucket -> keys, prediction time, features and label of its examples."""

    def preprocessing_fn(self, inputs: dict[str, Any], /) -> dict[str, Any]:
        """Tensors of raw features -> tensors that the estimator sees."""

    def build_model(self, config: Any, /) -> Any:
        """A compiled Keras model or a ydf learner."""

    def to_predictions(self, outputs: Outputs, /) -> Predictions:
        """What the estimator gives -> score, label, probabilities, interval."""


def model_name(definition: Definition) -> str:
    """The name of the model: that of its file."""
    return definition.__name__.rpartition(".")[2]

"""The shape of a model definition, as the machinery sees the module.

What each part means stands in the docstring of the package `model_defs`.
"""

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import polars as pl
import pyarrow as pa

from transforms.bucket_tables import Tables
from transforms.errors import UsageError
from transforms.prediction_rows import Outputs, Predictions


class Definition(Protocol):
    """A module of `model_defs`."""

    __name__: str
    __doc__: str | None
    ENTITY: str
    FEATURES: pa.Schema
    LABEL: pa.Field | Callable[[Any], pa.Field]

    @property
    def Config(self) -> Any:  # noqa: N802 - it is the module's class
        """Frozen dataclass of everything that can be chosen, each with a default."""

    def examples(self, tables: Tables, as_of: datetime.datetime, config: Any, /) -> pl.DataFrame:
        """One bucket -> keys, prediction time, features and label of its examples."""

    def preprocessing_fn(self, inputs: dict[str, Any], /) -> dict[str, Any]:
        """Tensors of raw features -> tensors that the estimator sees."""

    def build_model(self, config: Any, /) -> Any:
        """A compiled Keras model or a ydf learner."""

    def to_predictions(self, outputs: Outputs, config: Any, /) -> Predictions:
        """What the estimator gives -> score, label, probabilities, interval."""


def label_of(definition: Definition, config: Any) -> pa.Field:
    """The label; a definition may let its Config decide on it."""
    label = definition.LABEL
    return label if isinstance(label, pa.Field) else label(config)


def optional(definition: Definition, name: str) -> Any:
    """What a definition may state and need not: `gather`, `to_extractions`, `SLICES`; else None."""
    return getattr(definition, name, None)


def configured(definition: Definition, settings: Sequence[str]) -> Any:
    """The definition's Config with `name=value` settings; values are read by the field's type.

    Raises: UsageError, when there is no such field, the value does not fit it, or the Config
    refuses it.
    """
    fields = {field.name: field.type for field in dataclasses.fields(definition.Config)}
    values = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in fields:
            raise UsageError(
                f"--set {setting}: {model_name(definition)} has {', '.join(sorted(fields))}; "
                "expected NAME=VALUE"
            )
        read = _READERS.get(fields[name])
        if read is None:
            raise UsageError(f"--set {setting}: {name} cannot be set here")
        try:
            values[name] = read(text)
        except (ValueError, KeyError):
            kind = getattr(fields[name], "__name__", fields[name])
            raise UsageError(f"--set {setting}: expected {kind}") from None
    if values.get("members", 1) < 1:
        raise UsageError(f"--set members={values['members']}: expected 1 or more")
    try:
        return definition.Config(**values)
    except ValueError as error:
        raise UsageError(f"--set {' '.join(settings)}: {error}") from None


_READERS: dict[Any, Callable[[str], Any]] = {
    int: int,
    float: float,
    str: str,
    bool: {"true": True, "false": False}.__getitem__,
    tuple[str, ...]: lambda text: tuple(text.split(",")),
}


def model_name(definition: Definition) -> str:
    """The name of the model: that of its file."""
    return definition.__name__.rpartition(".")[2]

"""No pattern that reads a whole note repeats without bound, so that time stays linear."""

import re
from collections.abc import Iterator
from re import _constants as constants  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any

import pytest

from model_defs import _note_dates, _note_measures, _note_medications, _note_sections

MODULES = (_note_dates, _note_measures, _note_medications, _note_sections)
REPEATS = (constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT)


def unbounded(parsed: Any) -> Iterator[Any]:
    """A parsed pattern -> what it repeats without bound, at any depth."""
    if not isinstance(parsed, tuple | list | parser.SubPattern):
        return
    if parsed and parsed[0] in REPEATS and parsed[1][1] is constants.MAXREPEAT:
        yield parsed
    for part in parsed:
        yield from unbounded(part)


def patterns_in(value: Any) -> Iterator[re.Pattern[str]]:
    """The compiled patterns of a value, also those in a dict, list or tuple of it."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from patterns_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from patterns_in(part)


@pytest.mark.parametrize("pattern", ["a(?:b|c*)", r"(?=x(?!\w+))", "(a+?)", r"\d{2,}", "[ab]++"])
def test_what_repeats_without_bound_is_found(pattern: str) -> None:
    assert list(unbounded(parser.parse(pattern)))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_repetition_is_bounded(module: ModuleType) -> None:
    patterns = list(patterns_in(list(vars(module).values())))
    assert patterns
    for pattern in patterns:
        assert not list(unbounded(parser.parse(pattern.pattern, pattern.flags))), pattern

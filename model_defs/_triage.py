"""How urgent a message is and what to do next: a rule in a TOML file, no part of any training.

`assistant_rules.toml` beside this module is the rule unless a Config names another file. All that
the file says is checked when it is read, so that a slip of the pen stops a run and changes no
advice. What each table means stands in the file.
"""

import dataclasses
import functools
import importlib.resources
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.errors import UsageError

Floats = npt.NDArray[np.float32]

SELF_CARE = "self-care"
STEPS = {"routine": "routine", "same_day": "same day", "emergency": "emergency"}
VITAL_SIGNS = (
    "temperature",
    "heart_rate",
    "respiratory_rate",
    "oxygen_saturation",
    "systolic_pressure",
)
_NEGATED = r"\b(?:no|not|without|never|denies) (?:any )?"
_MARKS = r".,;:!?\n\r\u3001\u3002\uff01\uff0c\uff1f"
_INTERVAL = (0.05, 0.95)


@dataclasses.dataclass(frozen=True)
class VitalSign:
    """A limit: `at_least` or `at_most` in the unit of the feature, by age if it says so."""

    name: str
    urgency: float
    at_most: float = np.inf
    at_least: float = -np.inf
    min_age_years: float = -np.inf
    max_age_years: float = np.inf

    def passed(self, value: Floats, age_years: Floats) -> npt.NDArray[np.bool_]:
        """Values and ages (n,), NaN unknown -> whether the limit is passed."""
        held = (value <= self.at_most) & (value >= self.at_least)
        if np.isinf(self.min_age_years) and np.isinf(self.max_age_years):
            return held
        return held & (age_years >= self.min_age_years) & (age_years < self.max_age_years)


@dataclasses.dataclass(frozen=True)
class Rules:
    """The rule: urgencies in [0, 1], `steps` by their least urgency, the least first."""

    steps: tuple[tuple[float, str], ...]
    default: float
    urgency: Mapping[str, float]
    unsure_below: float
    unsure_urgency: float
    red_flags: tuple[tuple[float, tuple[str, ...]], ...]
    vital_signs: tuple[VitalSign, ...]

    def of_conditions(self, classes: Sequence[str]) -> Floats:
        """Conditions (k,) -> their urgencies, float32."""
        return np.array([self.urgency.get(c.lower(), self.default) for c in classes], np.float32)

    def of_words(self, text: pl.Expr) -> pl.Expr:
        """Texts -> urgency of the red flags that they hold, float32, 0 for none."""
        sentences = _with_marks(text)
        found = [
            pl.when(_holds(sentences, phrases)).then(pl.lit(urgency, pl.Float32))
            for urgency, phrases in self.red_flags
        ]
        none = pl.lit(0.0, pl.Float32)
        return pl.max_horizontal(*found, none).cast(pl.Float32)

    def of_vital_signs(self, values: Mapping[str, Floats], age_years: Floats) -> Floats:
        """Vital signs by name and ages (n,), NaN unknown -> urgency, float32, 0 for no limit."""
        urgency = np.zeros(len(age_years), np.float32)
        for limit in self.vital_signs:
            passed = limit.passed(values[limit.name], age_years)
            urgency = np.maximum(urgency, np.where(passed, np.float32(limit.urgency), 0))
        return urgency

    def judge(
        self, probabilities: Floats, classes: Sequence[str], raised: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Probabilities (n, k) of the conditions and urgencies from words and vital signs (n,) ->
        urgency, and the 5 % and 95 % quantiles of what it would be, were the condition known,
        widened to hold the urgency itself.
        """
        by_condition = self.of_conditions(classes)
        unsure = probabilities.max(axis=1) < self.unsure_below
        raised = np.maximum(raised, np.where(unsure, np.float32(self.unsure_urgency), 0))
        order = np.argsort(by_condition, kind="stable")
        reached = np.cumsum(probabilities[:, order], axis=1)
        low, high = (
            np.maximum(by_condition[order][_first_from(reached, level)], raised)
            for level in _INTERVAL
        )
        urgency = np.maximum(np.clip(probabilities @ by_condition, 0, 1), raised)
        return urgency, np.minimum(low, urgency), np.maximum(high, urgency)

    def next_steps(self, urgency: Floats) -> list[str]:
        """Urgencies (n,) -> step of each."""
        names = np.array([SELF_CARE, *(name for _, name in self.steps)])
        least = np.array([least for least, _ in self.steps], np.float32)
        found: list[str] = names[np.searchsorted(least, urgency, side="right")].tolist()
        return found


def _first_from(reached: Floats, level: float) -> npt.NDArray[np.intp]:
    """Rising sums (n, k) -> the first column at or above the level."""
    return np.minimum((reached < level).sum(axis=1), reached.shape[1] - 1)


def _plain(text: pl.Expr) -> pl.Expr:
    """Lower case, no apostrophes, single blanks between words."""
    return (
        text.str.to_lowercase()
        .str.replace_all("['\u2019]", "")
        .str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ")
    )


def _with_marks(text: pl.Expr) -> pl.Expr:
    """As `_plain`, but what ends a sentence or a part of one stays as ` . `."""
    other = r"[^\p{L}\p{M}\p{N}]*"
    marked = text.str.to_lowercase().str.replace_all("['\u2019]", "")
    marked = marked.str.replace_all(f"{other}[{_MARKS}]{other}", " . ")
    return marked.str.replace_all(r"[^\p{L}\p{M}\p{N}.]+", " ")


def _holds(sentences: pl.Expr, phrases: Sequence[str]) -> pl.Expr:
    any_phrase = f"(?:{'|'.join(re.escape(phrase) for phrase in phrases)})\\b"
    # A "no" denies what follows it at once, not what follows in the next sentence.
    affirmed = sentences.str.replace_all(_NEGATED + any_phrase, "")
    return affirmed.str.replace_all(r"[ .]+", " ").str.contains(rf"\b{any_phrase}")


@functools.cache
def read_rules(path: str = "") -> Rules:
    """TOML file (path, or URL of a Beam filesystem; "" is the one of the package) -> Rules.

    Read once in a process.

    Raises: UsageError, naming the file and the entry that is wrong.

    >>> read_rules().next_steps(np.float32([0.1, 0.9]))
    ['self-care', 'emergency']
    """
    if not path:
        file = importlib.resources.files("model_defs") / "assistant_rules.toml"
        return parse_rules(file.read_text(encoding="utf-8"), "assistant_rules.toml")
    from apache_beam.io.filesystems import FileSystems

    try:
        with FileSystems.open(path) as opened:
            content = opened.read().decode("utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"rules {path}: cannot be read ({type(error).__name__})") from None
    return parse_rules(content, path)


def parse_rules(content: str, name: str) -> Rules:
    """Text of a TOML file -> Rules. `name` stands in messages.

    Raises: UsageError, naming the file and the entry that is wrong.
    """
    try:
        found = tomllib.loads(content)
        _only(found, ("next_step", "unsure", "urgency", "red_flag", "vital_sign"), "the file")
        steps = _table(found, "next_step")
        _only(steps, tuple(STEPS), "[next_step]")
        least = [(_share(steps, key, "[next_step]"), label) for key, label in STEPS.items()]
        if sorted(least, key=lambda step: step[0]) != least:
            raise ValueError(f"[next_step] must rise in the order {', '.join(STEPS)}")
        conditions = {k.lower(): v for k, v in _table(found, "urgency").items()}
        unsure = _table(found, "unsure")
        _only(unsure, ("below", "urgency"), "[unsure]")
        return Rules(
            steps=tuple(least),
            default=_share(conditions, "default", "[urgency]"),
            urgency={k: _share(conditions, k, "[urgency]") for k in conditions if k != "default"},
            unsure_below=_share(unsure, "below", "[unsure]"),
            unsure_urgency=_share(unsure, "urgency", "[unsure]"),
            red_flags=tuple(_red_flag(row) for row in _rows(found, "red_flag")),
            vital_signs=tuple(_vital_sign(row) for row in _rows(found, "vital_sign")),
        )
    except ValueError as error:  # TOMLDecodeError is one
        raise UsageError(f"rules {name}: {error}") from None


def _red_flag(row: Mapping[str, Any]) -> tuple[float, tuple[str, ...]]:
    where = f"[[red_flag]] {row.get('means', '')!r}"
    _only(row, ("means", "urgency", "phrases"), where)
    phrases = row.get("phrases")
    if not isinstance(phrases, list) or not all(isinstance(p, str) for p in phrases):
        raise ValueError(f"{where}: phrases must be a list of texts")
    plain = pl.DataFrame({"text": phrases}, schema={"text": pl.String}).select(
        _plain(pl.col("text")).str.strip_chars()
    )["text"]
    if not phrases or "" in plain:
        raise ValueError(f"{where}: needs phrases, each with a letter or digit")
    return _share(row, "urgency", where), tuple(plain)


def _vital_sign(row: Mapping[str, Any]) -> VitalSign:
    where = f"[[vital_sign]] {row.get('name', '')!r}"
    limits = ("at_most", "at_least", "min_age_years", "max_age_years")
    _only(row, ("name", "urgency", *limits), where)
    if row.get("name") not in VITAL_SIGNS:
        raise ValueError(f"{where}: name must be one of {', '.join(VITAL_SIGNS)}")
    if ("at_most" in row) == ("at_least" in row):
        raise ValueError(f"{where}: needs either at_most or at_least")
    numbers = {key: _number(row, key, where) for key in limits if key in row}
    return VitalSign(row["name"], _share(row, "urgency", where), **numbers)


def _only(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ValueError(f"{where} has {unknown[0]!r}; known are {', '.join(known)}")


def _table(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    table = found.get(key)
    if not isinstance(table, dict):
        raise ValueError(f"needs a table [{key}]")
    return table


def _rows(found: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    rows = found.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{key} must be written as [[{key}]]")
    return rows


def _number(table: Mapping[str, Any], key: str, where: str) -> float:
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError(f"{where}: {key} must be a number, not {value!r}")
    return float(value)


def _share(table: Mapping[str, Any], key: str, where: str) -> float:
    value = _number(table, key, where)
    if not 0 <= value <= 1:
        raise ValueError(f"{where}: {key} must be from 0 to 1, not {value}")
    return value

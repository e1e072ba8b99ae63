"""The past of each subject, asked at many points in time at once.

The events of a bucket lie sorted by subject and time, so everything before a moment is a range
of rows. A question (how many emergency visits in 90 days, the last creatinine) is then a binary
search among the rows that carry the fact: n log n for a bucket however long one history is.
"""

import dataclasses
import datetime
import functools

import numpy as np
import polars as pl

from model_defs._code_groups import MEASURES, Patterns, match_codes, measure_codes

DAY_US = 86_400_000_000
ALWAYS = np.iinfo(np.int64).min
ENCOUNTER = ["subject_id", "encounter_id"]
CONDITION_END = "CONDITION_END//"
LAST_PART = r"([^/]*)$"  # of `PREFIX//SYSTEM//code` or `PREFIX//code`
CONDITIONS = ("Condition",)
MEDICATIONS = (
    "MedicationRequest",
    "MedicationAdministration",
    "MedicationStatement",
    "MedicationDispense",
)
OBSERVATIONS = ("Observation",)
PROCEDURES = ("Procedure",)

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
Bools = np.ndarray[tuple[int], np.dtype[np.bool_]]
Floats = np.ndarray[tuple[int], np.dtype[np.float64]]

_COLUMNS = [
    "subject_id",
    "time",
    "code",
    "numeric_value",
    "text_value",
    "unit",
    "codes",
    "encounter_id",
    "resource_type",
    "resource_id",
]
# Columns that decide among facts of one moment, so that the order of the input never does.
_ORDER = ["subject_id", "time", "code_index", "numeric_value", "text_value", "unit", "resource_id"]


def find_rows(sorted_id: Ints, sorted_us: Ints, wanted_id: Ints, wanted_us: Ints) -> Ints:
    """Pairs sorted by (id, time) -> row of the first pair of the id at or after each wanted time.

    >>> find_rows(np.array([1, 1, 2]), np.array([5, 9, 5]), np.array([1, 2]), np.array([6, 6]))
    array([1, 3])
    """
    low = np.searchsorted(sorted_id, wanted_id, "left")
    high = np.searchsorted(sorted_id, wanted_id, "right")
    while (searching := low < high).any():
        middle = np.minimum((low + high) // 2, len(sorted_us) - 1)
        earlier = sorted_us[middle] < wanted_us
        low = np.where(searching & earlier, middle + 1, low)
        high = np.where(searching & ~earlier, middle, high)
    return low


@dataclasses.dataclass(frozen=True)
class Window:
    """For each question a range of rows: `low <= row < high`, int64, one entry per question."""

    low: Ints
    high: Ints

    def count(self, rows: Ints) -> Ints:
        """How many of `rows` (ascending row numbers) each range holds."""
        return np.searchsorted(rows, self.high) - np.searchsorted(rows, self.low)

    def last_position(self, rows: Ints) -> Ints:
        """Where in `rows` the last one of each range stands; -1 where there is none."""
        after = np.searchsorted(rows, self.high)
        return np.where(after > np.searchsorted(rows, self.low), after - 1, -1)

    def last(self, rows: Ints) -> Ints:
        """The last of `rows` in each range; -1 where there is none."""
        position = self.last_position(rows)
        if not len(rows):
            return position
        return np.where(position >= 0, rows[position], -1)


@dataclasses.dataclass(frozen=True)
class History:
    """Events of one bucket, sorted by subject and time; facts without a time come first.

    `vocabulary` holds every code of the bucket once, sorted; `code_index` its number per row.
    Tests of strings are made on the vocabulary alone.

    >>> from datetime import datetime
    >>> history = History.of(pl.DataFrame({
    ...     "subject_id": [1], "time": [datetime(2024, 1, 1)], "code": ["LOINC//2160-0"]}))
    >>> history.before(np.array([1]), np.array([2**62])).high
    array([1])
    """

    frame: pl.DataFrame
    vocabulary: pl.Series

    @classmethod
    def of(cls, events: pl.DataFrame, as_of: datetime.datetime | None = None) -> "History":
        """Rows of schemas.EVENTS in any order, those before `as_of` or timeless -> History.

        Columns that are absent are null. Texts other than values of observations are left out.
        """
        present = [name for name in _COLUMNS if name in events.columns]
        frame = pl.concat([_EMPTY, events.select(present)], how="diagonal_relaxed")
        if as_of is not None:
            frame = frame.filter(pl.col("time").is_null() | (pl.col("time") < as_of))
        vocabulary = (
            pl.concat([frame["code"].unique(), frame["codes"].explode().drop_nulls().unique()])
            .unique()
            .sort()
        )
        is_value = pl.col("resource_type").is_in(OBSERVATIONS)
        frame = frame.with_columns(
            pl.col("code").cast(pl.Enum(vocabulary)).to_physical().alias("code_index"),
            pl.when(is_value).then("text_value").alias("text_value"),
        )
        return cls(frame.sort(_ORDER, nulls_last=False), vocabulary)

    @functools.cached_property
    def subject_id(self) -> Ints:
        """Subject of each row."""
        return self.frame["subject_id"].to_numpy()

    @functools.cached_property
    def time_us(self) -> Ints:
        """Time of each row, UTC microseconds; the lowest int64 where a fact has no time."""
        return self.frame["time"].to_physical().fill_null(ALWAYS).to_numpy()

    @functools.cached_property
    def code_index(self) -> Ints:
        """Number of each row's code in the vocabulary."""
        return self.frame["code_index"].to_numpy()

    def rows_before(self, subject_id: Ints, time_us: Ints) -> Ints:
        """For each question the number of the first row of the subject at or after the time."""
        return find_rows(self.subject_id, self.time_us, subject_id, time_us)

    def before(self, subject_id: Ints, time_us: Ints, days: int | None = None) -> Window:
        """Rows of the subject strictly before the time; of the last `days` alone, if given.

        Facts without a time belong to the whole past, and to no number of days.
        """
        since = np.full_like(time_us, ALWAYS) if days is None else time_us - days * DAY_US
        return self.between(subject_id, since, time_us)

    def between(self, subject_id: Ints, since_us: Ints, until_us: Ints) -> Window:
        """Rows of the subject with `since <= time < until`."""
        return Window(
            self.rows_before(subject_id, since_us), self.rows_before(subject_id, until_us)
        )

    def rows_of_types(self, resource_types: tuple[str, ...]) -> Ints:
        """Rows of these resource types, ascending."""
        return np.flatnonzero(self._is_type(resource_types))

    def rows_coded(self, condition: pl.Expr) -> Ints:
        """Rows whose (first) code meets a condition on the column `code`, ascending."""
        meets = self.vocabulary.to_frame("code").select(condition).to_series().to_numpy()
        return np.flatnonzero(meets[self.code_index])

    def rows_of(
        self,
        groups: dict[str, Patterns],
        resource_types: tuple[str, ...],
        *,
        own_system: str | None = None,
    ) -> dict[str, Ints]:
        """Rows of these resource types with a coding of the group, ascending, by group.

        Ends of conditions are none. Where the first coding is of `own_system`, further ones do not
        count: those of an observation's component name the panel that it is part of.
        """
        number = pl.int_range(pl.len(), dtype=pl.Int64).alias("number")
        matched = match_codes(self.vocabulary, groups).join(
            self.vocabulary.to_frame("code").with_columns(number), on="code"
        )
        rows, codes = self._codings
        ends = np.zeros(self.frame.height, dtype=bool)
        ends[self._ends] = True
        relevant = np.zeros(len(self.vocabulary), dtype=bool)
        relevant[matched["number"].to_numpy()] = True
        kept = relevant[codes] & (self._is_type(resource_types) & ~ends)[rows]
        if own_system is not None:
            owned = self.vocabulary.str.starts_with(f"{own_system}//").to_numpy()
            kept &= (codes == self.code_index[rows]) | ~owned[self.code_index[rows]]
        rows, codes = rows[kept], codes[kept]
        found = {}
        for name in groups:
            member = np.zeros_like(relevant)
            member[matched.filter(pl.col("group") == name)["number"].to_numpy()] = True
            found[name] = np.unique(rows[member[codes]])
        return found

    def first_rows(self, resource_types: tuple[str, ...]) -> Ints:
        """Rows on which a subject's code of these resource types appears for the first time.

        Ends of conditions are none.
        """
        rows = np.setdiff1d(self.rows_of_types(resource_types), self._ends, assume_unique=True)
        firsts = (
            pl.DataFrame(
                {"row": rows, "subject": self.subject_id[rows], "code": self.code_index[rows]}
            )
            .group_by("subject", "code")
            .agg(pl.col("row").min())
        )
        return firsts["row"].sort().to_numpy()

    def latest_measures(self, names: tuple[str, ...], window: Window) -> dict[str, Floats]:
        """Measures -> last value in each range, in the unit of MEASURES; NaN where there is none.

        A value in a unit that the table does not know is passed over.
        """
        rows = self.rows_of(measure_codes(names), OBSERVATIONS, own_system="LOINC")
        values = self.frame["numeric_value"].cast(pl.Float64).to_numpy()
        return {name: self._last_value(name, rows[name], values, window) for name in names}

    def _last_value(self, name: str, rows: Ints, values: Floats, window: Window) -> Floats:
        unit, _, factors = MEASURES[name]
        factor = (
            self.frame["unit"][rows]
            .fill_null(unit)
            .replace_strict({unit: 1.0, **factors}, default=None, return_dtype=pl.Float64)
            .to_numpy()
        )
        usable = np.isfinite(values[rows] * factor)
        kept = rows[usable]
        if not len(kept):
            return np.full(len(window.low), np.nan)
        position = window.last_position(kept)
        return np.where(position >= 0, (values[rows] * factor)[usable][position], np.nan)

    @functools.cached_property
    def _ends(self) -> Ints:
        """Rows that tell that a condition ended; their further codes are as those of its start."""
        return self.rows_coded(pl.col("code").str.starts_with(CONDITION_END))

    @functools.cached_property
    def _codings(self) -> tuple[Ints, Ints]:
        """Row and number in the vocabulary of every coding, the further ones too."""
        further = (
            self.frame.select(pl.int_range(pl.len(), dtype=pl.Int64).alias("row"), "codes")
            .filter(pl.col("codes").list.len() > 0)
            .explode("codes")
            .drop_nulls()
            .with_columns(pl.col("codes").cast(pl.Enum(self.vocabulary)).to_physical())
        )
        return (
            np.concatenate([np.arange(self.frame.height), further["row"].to_numpy()]),
            np.concatenate([self.code_index, further["codes"].to_numpy()]),
        )

    def _is_type(self, resource_types: tuple[str, ...]) -> Bools:
        if resource_types not in self._types:
            is_type = self.frame["resource_type"].is_in(resource_types)
            self._types[resource_types] = is_type.fill_null(value=False).to_numpy()
        return self._types[resource_types]

    @functools.cached_property
    def _types(self) -> dict[tuple[str, ...], Bools]:
        return {}


_EMPTY = pl.DataFrame(
    schema={
        "subject_id": pl.Int64,
        "time": pl.Datetime("us"),
        "code": pl.String,
        "numeric_value": pl.Float32,
        "text_value": pl.String,
        "unit": pl.String,
        "codes": pl.List(pl.String),
        "encounter_id": pl.Int64,
        "resource_type": pl.String,
        "resource_id": pl.Int64,
    }
)

"""Tables brought along as Parquet or CSV: their columns as text, numbers and times, row by row.

What concerns a whole column (it is missing, it is of a type that cannot be meant) is said before
any work; a value that cannot be read concerns its row alone, and gives null here.
"""

import datetime
import io
import json
from collections.abc import Sequence
from typing import BinaryIO

import polars as pl

from transforms.errors import UsageError
from transforms.sources import content_hash, open_binary, why_unreadable

_DAY = r"^(\d{4}-\d\d-\d\d)(?:[T ].*)?$"
_END_OF_DAY = datetime.timedelta(days=1) - datetime.timedelta(microseconds=1)


def read_frame(uri: str) -> pl.DataFrame:
    """A Parquet or CSV file; of a CSV every column is text, and an empty cell null.

    Raises: UsageError, when it is neither, or cannot be read.
    """
    return _parse(uri, io.BytesIO(_read(uri, uri)), uri)


def _read(uri: str, where: str) -> bytes:
    try:
        with open_binary(uri) as file:
            return file.read()
    except OSError as error:  # its message may hold other names
        raise UsageError(f"{where}: {why_unreadable(error)}") from None


def _parse(uri: str, file: BinaryIO, where: str) -> pl.DataFrame:
    try:
        if uri.lower().endswith(".parquet"):
            return pl.read_parquet(file)
        # Ids stay text: those of the warehouse do not fit a float.
        return pl.read_csv(file, infer_schema=False)
    except pl.exceptions.PolarsError:  # its message may hold cells
        raise UsageError(f"{where}: cannot be read as Parquet or CSV") from None


def file_stem(uri: str) -> str:
    """The name of a file without folder and suffixes.

    >>> file_stem("gs://bucket/ili.csv")
    'ili'
    """
    return uri.rsplit("/", 1)[-1].split(".", 1)[0]


class TableFile:
    """One file given to `argument`, whose columns are read one at a time.

    Raises: UsageError, naming argument and file, when it is no Parquet or CSV, cannot be read,
    or lacks one of the columns `required`.
    """

    def __init__(self, argument: str, uri: str, required: Sequence[str]):
        self._where = f"{argument} {uri}"
        self.uri = uri
        data = _read(uri, self._where)
        self.size_bytes, self.content_hash = len(data), content_hash(data)
        self.frame = _parse(uri, io.BytesIO(data), self._where)
        for name in required:
            if name not in self.frame.columns:
                raise UsageError(f"{self._where}: no column {name}")

    def text(self, name: str) -> pl.Series:
        """Column -> String without surrounding white space; null where it is empty.

        Whole numbers, such as the ids of compounds, are taken as they are written.

        Raises: UsageError, when the column holds neither.
        """
        series = self._column(name)
        if not (series.dtype in (pl.String, pl.Null, pl.Categorical) or series.dtype.is_integer()):
            raise self._wrong(name, "text")
        return series.cast(pl.String).str.strip_chars().replace("", None)

    def number(self, name: str) -> pl.Series:
        """Column -> Float32; null where it is empty (a NaN is) or no finite number.

        Raises: UsageError, when the column holds neither numbers nor text.
        """
        series = self._column(name)
        if series.dtype == pl.String:
            series = series.str.strip_chars().cast(pl.Float64, strict=False)
        elif not (series.dtype.is_numeric() or series.dtype == pl.Null):
            raise self._wrong(name, "numbers")
        values = pl.DataFrame({name: series.cast(pl.Float32, strict=False)})
        finite = pl.when(pl.col(name).is_finite()).then(name)
        return values.select(finite).to_series()

    def time(self, name: str) -> pl.Series:
        """Column -> Datetime, UTC microseconds; null where it is empty or cannot be read.

        A day without a time counts as its last microsecond, a time without zone as UTC.

        Raises: UsageError, when the column holds neither dates, times nor text.
        """
        series = self._column(name)
        if series.dtype == pl.Null:
            return series.cast(pl.Datetime("us"))
        if series.dtype == pl.String:
            text = series.str.strip_chars().str.replace(" ", "T", literal=True)
            zoned = text.str.to_datetime("%+", time_unit="us", strict=False)
            bare = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
            minute = text.str.to_datetime("%Y-%m-%dT%H:%M", time_unit="us", strict=False)
            bare = bare.fill_null(minute)
            day = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
            return zoned.dt.replace_time_zone(None).fill_null(bare).fill_null(day + _END_OF_DAY)
        if series.dtype == pl.Date:
            return series.cast(pl.Datetime("us")) + _END_OF_DAY
        if isinstance(series.dtype, pl.Datetime):
            if series.dtype.time_zone:
                series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
            return series.cast(pl.Datetime("us"))
        raise self._wrong(name, "times")

    def week(self, name: str) -> pl.Series:
        """Column -> Date, the Monday of the ISO week; null where it is empty or cannot be read.

        A week is any of its days, as a date, a time or text, or text such as `2024-W05`.

        Raises: UsageError, when the column holds neither dates, times nor text.
        """
        series = self._column(name)
        if series.dtype == pl.String:
            text = series.str.strip_chars()
            named = (text + "-1").str.to_date("%G-W%V-%u", strict=False)
            day = text.str.extract(_DAY).str.to_date("%Y-%m-%d", strict=False)
            series = day.fill_null(named)
        elif series.dtype == pl.Null:
            series = series.cast(pl.Date)
        elif isinstance(series.dtype, pl.Datetime):
            series = series.dt.date()  # by its own zone, as in text
        elif series.dtype != pl.Date:
            raise self._wrong(name, "weeks: dates, or text such as 2024-W05")
        return series.dt.truncate("1w")

    def given(self, name: str) -> pl.Series:
        """Column -> Boolean: whether the cell holds anything at all; NaN is nothing."""
        series = self._column(name)
        if series.dtype == pl.String:
            return series.str.strip_chars().replace("", None).is_not_null()
        if series.dtype.is_float():
            return series.is_not_nan().fill_null(value=False)
        return series.is_not_null()

    def row_json(self, position: int) -> bytes:
        """A row as it was read, for the quarantine."""
        return json.dumps(self.frame.row(position, named=True), default=str).encode()

    def _column(self, name: str) -> pl.Series:
        """The column; nulls, where the file has none of that name."""
        if name in self.frame.columns:
            return self.frame[name]
        return pl.Series(name, [None] * self.frame.height, pl.Null)

    def _wrong(self, name: str, expected: str) -> UsageError:
        return UsageError(f"{self._where}: {name} does not hold {expected}")

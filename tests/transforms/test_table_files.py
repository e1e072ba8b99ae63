"""Columns of tables brought along: exact values, dtypes, and what is refused as a whole."""

import datetime
import json

import polars as pl
import pytest

from transforms.errors import UsageError
from transforms.table_files import TableFile, file_stem, read_frame

DAY = datetime.datetime(2024, 1, 31)
END_OF_DAY = datetime.datetime(2024, 1, 31, 23, 59, 59, 999999)
MONDAY = datetime.date(2024, 1, 29)


def csv(tmp_path, *cells):
    """A file with one column `x`."""
    path = tmp_path / "t.csv"
    path.write_text("".join(f'"{cell}"\n' for cell in ("x", *cells)))
    return TableFile("--pairs", str(path), ["x"])


def parquet(tmp_path, values, dtype=None):
    path = tmp_path / "t.parquet"
    pl.DataFrame({"x": pl.Series(values, dtype=dtype)}).write_parquet(path)
    return TableFile("--pairs", str(path), ["x"])


def check(series, dtype, expected):
    assert series.dtype == dtype
    assert series.to_list() == expected


def test_text(tmp_path):
    check(csv(tmp_path, " a ", "", " ", "7").text("x"), pl.String, ["a", None, None, "7"])
    check(parquet(tmp_path, [2**62 + 1, None]).text("x"), pl.String, [str(2**62 + 1), None])
    check(parquet(tmp_path, ["b"], pl.Categorical).text("x"), pl.String, ["b"])


def test_numbers(tmp_path):
    file = csv(tmp_path, " 1.5 ", "-2e3", "", "inf", "nan", "1e50", "1,5", "many")
    check(file.number("x"), pl.Float32, [1.5, -2000.0, *[None] * 6])
    assert file.given("x").to_list() == [True, True, False, *[True] * 5]
    file = parquet(tmp_path, [1.25, float("nan"), None, float("inf")])
    check(file.number("x"), pl.Float32, [1.25, None, None, None])
    assert file.given("x").to_list() == [True, False, False, True]  # NaN is how pandas says nothing
    check(parquet(tmp_path, [3], pl.UInt8).number("x"), pl.Float32, [3.0])


def test_times(tmp_path):
    noon = datetime.datetime(2024, 1, 31, 12)
    file = csv(
        tmp_path,
        *(
            "2024-01-31",
            "2024-01-31T12:00:00Z",
            "2024-01-31 12:00:00",
            "2024-01-31T12:00",
            " 2024-01-31T14:00:00+02:00",
        ),
        *("2024-02-30", "31.01.2024", ""),
    )
    check(file.time("x"), pl.Datetime("us"), [END_OF_DAY, noon, noon, noon, noon, None, None, None])
    check(parquet(tmp_path, [DAY.date(), None]).time("x"), pl.Datetime("us"), [END_OF_DAY, None])
    check(parquet(tmp_path, [noon], pl.Datetime("ns")).time("x"), pl.Datetime("us"), [noon])
    zoned = pl.Series([noon]).dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
    check(parquet(tmp_path, zoned).time("x"), pl.Datetime("us"), [noon])


def test_weeks_are_their_mondays(tmp_path):
    file = csv(
        tmp_path,
        *("2024-W05", "2024-01-29", "2024-02-04", "2024-01-31T23:00:00-05:00", "2020-W53"),
        *("2024-W53", "2024-W00", "5", "2024-13-01", ""),
    )
    leap_week = datetime.date(2020, 12, 28)
    check(file.week("x"), pl.Date, [*[MONDAY] * 4, leap_week, *[None] * 5])
    check(parquet(tmp_path, [DAY.date(), None]).week("x"), pl.Date, [MONDAY, None])
    check(parquet(tmp_path, [DAY]).week("x"), pl.Date, [MONDAY])
    midnight = pl.Series([datetime.datetime(2024, 1, 28, 23)]).dt.replace_time_zone("UTC")
    berlin = midnight.dt.convert_time_zone("Europe/Berlin")  # where Monday has begun
    check(parquet(tmp_path, berlin).week("x"), pl.Date, [MONDAY])


def test_a_column_that_is_not_there_is_empty(tmp_path):
    file = csv(tmp_path, "1", "2")
    check(file.text("y"), pl.String, [None, None])
    check(file.number("y"), pl.Float32, [None, None])
    check(file.time("y"), pl.Datetime("us"), [None, None])
    check(file.week("y"), pl.Date, [None, None])
    assert file.given("y").to_list() == [False, False]


def test_a_row_is_kept_as_it_was(tmp_path):
    file = csv(tmp_path, " a ", "2024-01-31")
    assert [json.loads(file.row_json(n)) for n in (0, 1)] == [{"x": " a "}, {"x": "2024-01-31"}]
    assert json.loads(parquet(tmp_path, [DAY]).row_json(0)) == {"x": "2024-01-31 00:00:00"}


@pytest.mark.parametrize("method", ["text", "number", "time", "week"])
def test_a_column_of_a_type_that_cannot_be_meant_is_refused(tmp_path, method):
    file = parquet(tmp_path, [[1.5]])
    with pytest.raises(UsageError, match=r"--pairs .*/t.parquet: x does not hold"):
        getattr(file, method)("x")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.parquet", b"garbage"),
        ("a.csv", b""),
        ("a.csv", "x\nM\xfcnchen\n".encode("latin-1")),
        ("a.csv", b"x,y\n1,2,3\n"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError, match=f"--counts .*/{name}: cannot be read as Parquet or CSV"):
        TableFile("--counts", str(path), ["x"])


def test_a_required_column_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfx,y\n1,2\n")  # a byte order mark is none of the name
    assert TableFile("--pairs", str(path), ["x", "y"]).size_bytes == 11
    with pytest.raises(UsageError, match=r"--pairs .*/a.csv: no column z"):
        TableFile("--pairs", str(path), ["x", "z"])


def test_file_stem():
    assert [file_stem(uri) for uri in ("/a.b/ili.csv", "ili.csv.gz", "s3://b/ili")] == ["ili"] * 3


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_what_is_no_table_is_refused_without_its_content(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"subject_id,x\n1,2,Planted\n1,\xff,Planted\n")
    with pytest.raises(UsageError, match="cannot be read as Parquet or CSV") as refused:
        read_frame(str(path))
    assert "Planted" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_file_that_cannot_be_opened_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match=r"--pairs .*/gone.csv: is gone"):
        TableFile("--pairs", str(tmp_path / "gone.csv"), [])
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageError, match=r"folder.csv: cannot be read"):
        read_frame(str(tmp_path / "folder.csv"))

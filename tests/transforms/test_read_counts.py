"""Files of weekly counts: exact rows, one fate for each, reasons without values."""

import datetime

import polars as pl
import pytest

from transforms.errors import UsageError
from transforms.read_counts import check_count_file, read_count_rows
from transforms.table_files import TableFile

MONDAY = datetime.date(2024, 1, 29)
SUNDAY = datetime.datetime(2024, 2, 4, 23, 59, 59, 999999)


def read(tmp_path, text, keys, name="ili.csv"):
    path = tmp_path / name
    path.write_text(text)
    return read_count_rows(TableFile("--counts", str(path), ["region", "week", "cases"]), keys)


def test_weeks_and_when_they_were_known(tmp_path, keys):
    found = read(
        tmp_path,
        "region,week,cases,known\n"
        "MA,2024-W05,12,\n"
        " MA ,2024-02-04,13.5,2024-02-10T08:00:00Z\n"
        "RI,2024-01-31T10:00:00,0,2024-02-11\n",
        keys,
    )
    assert dict(found.schema) == {
        "region_id": pl.Int64,
        "series": pl.String,
        "region": pl.String,
        "week": pl.Date,
        "cases": pl.Float32,
        "known": pl.Datetime("us"),
        "refused": pl.String,
        "skipped": pl.String,
    }
    ma, ri = keys.region_id("ili", "MA"), keys.region_id("ili", "RI")
    revised = datetime.datetime(2024, 2, 10, 8)
    end_of_day = datetime.datetime(2024, 2, 11, 23, 59, 59, 999999)
    assert found.rows() == [
        (ma, "ili", "MA", MONDAY, 12.0, SUNDAY, None, None),
        (ma, "ili", "MA", MONDAY, 13.5, revised, None, None),
        (ri, "ili", "RI", MONDAY, 0.0, end_of_day, None, None),
    ]


def test_a_column_names_the_series(tmp_path, keys):
    found = read(tmp_path, "series,region,week,cases\nRSV,MA,2024-W05,1\n,MA,2024-W05,1\n", keys)
    assert found["series"].to_list() == ["RSV", None]
    assert found["refused"].to_list() == [None, "series is empty"]
    assert found["region_id"][0] == keys.region_id("RSV", "MA") != keys.region_id("ili", "MA")


def test_a_missing_week_is_left_out_and_not_refused(tmp_path, keys):
    found = read(tmp_path, "region,week,cases\nMA,2024-W05,\nMA,2024-W06,4\n", keys)
    assert found.select("refused", "skipped").rows() == [(None, "no cases given"), (None, None)]
    path = tmp_path / "ili.parquet"
    frame = pl.DataFrame({"region": [1], "week": [MONDAY], "cases": [float("nan")]})
    frame.write_parquet(path)
    found = read_count_rows(TableFile("--counts", str(path), []), keys)
    assert found.select("region", "refused", "skipped").rows() == [("1", None, "no cases given")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",2024-W05,1,", "region is empty"),
        ("MA,,1,", "week is neither a day nor a week such as 2024-W05"),
        ("MA,2024-W53,1,", "week is neither a day nor a week such as 2024-W05"),
        ("MA,2024-W05,many,", "cases is no finite number"),
        ("MA,2024-W05,-1,", "cases is negative"),
        ("MA,2024-W05,1,soon", "known is no date and no time"),
        (",2024-W05,,", "region is empty"),  # refused before it is left out
    ],
)
def test_a_row_that_cannot_be_used_is_refused_alone(tmp_path, keys, row, reason):
    found = read(tmp_path, f"region,week,cases,known\n{row}\nMA,2024-W05,1,\n", keys)
    assert found["refused"].to_list() == [reason, None]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"region": ["MA"], "week": [MONDAY]}, "no column cases"),
        ({"region": ["MA"], "week": [202405], "cases": [1]}, "week does not hold weeks"),
        ({"region": ["MA"], "week": [MONDAY], "cases": [True]}, "cases does not hold numbers"),
    ],
)
def test_columns_that_cannot_be_meant_are_named_before_any_work(tmp_path, frame, message):
    path = tmp_path / "ili.parquet"
    pl.DataFrame(frame).write_parquet(path)
    with pytest.raises(UsageError, match=f"--counts .*/ili.parquet: {message}"):
        check_count_file(str(path))

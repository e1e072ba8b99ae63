import datetime

import pytest

from transforms.dicom import times


def micros(*moment: int) -> int:
    since = datetime.datetime(*moment, tzinfo=datetime.UTC) - datetime.datetime(
        1970, 1, 1, tzinfo=datetime.UTC
    )
    return since // datetime.timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20240229131415.25", micros(2024, 2, 29, 13, 14, 15, 250_000)),
        ("20240229131415", micros(2024, 2, 29, 13, 14, 15)),
        ("202402291314", micros(2024, 2, 29, 13, 15) - 1),
        ("2024022913", micros(2024, 2, 29, 14) - 1),
        ("20240229", micros(2024, 3, 1) - 1),
        ("202402", micros(2024, 3, 1) - 1),
        ("2024", micros(2025, 1, 1) - 1),
        ("20240101000000+0100", micros(2023, 12, 31, 23)),
        ("99991231", micros(9999, 12, 31, 23, 59, 59, 999_999)),
        ("20230229", None),
        ("20241301", None),
        ("00000101", None),
        ("20240101000000+9900", None),
        ("2024.5", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_date_time(text: str, expected: int | None) -> None:
    assert times.parse_date_time(text, offset_s=0) == expected


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("20240110", "101112.5", micros(2024, 1, 10, 10, 11, 12, 500_000)),
        ("2024.01.10", "10:11:12", micros(2024, 1, 10, 10, 11, 12)),
        ("20240110", "", micros(2024, 1, 11) - 1),
        ("20240110", "noon", micros(2024, 1, 11) - 1),
        ("20240110", "250000", micros(2024, 1, 11) - 1),
        ("20240110", "235960", micros(2024, 1, 11)),
        ("2024", "101112", None),
        ("", "101112", None),
    ],
)
def test_date_and_time(date: str, time: str, expected: int | None) -> None:
    assert times.parse_date_and_time(date, time, offset_s=0) == expected


def test_an_offset_east_is_earlier_in_utc() -> None:
    local = times.parse_date_and_time("20240110", "120000", offset_s=5400)
    assert local == micros(2024, 1, 10, 10, 30)


@pytest.mark.parametrize("text", ["+1500", "-1300", "+0160", "0100", ""])
def test_no_offset(text: str) -> None:
    assert times.parse_offset(text) is None

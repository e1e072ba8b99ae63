import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_defs._history import DAY_US, OBSERVATIONS, History, find_rows
from tests.builders import event_frame

EPOCH = datetime.datetime.fromisoformat("1970-01-01")


def history(*facts):
    """Facts (subject, day since 1970 or None, code) -> History."""
    return History.of(
        event_frame(
            {
                "subject_id": subject,
                "time": None if number is None else EPOCH + datetime.timedelta(days=number),
                "code": code,
            }
            for subject, number, code in facts
        )
    )


def at(*pairs):
    subject, days = zip(*pairs, strict=True)
    return np.array(subject), np.array(days) * DAY_US


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5))),
    st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 6)), min_size=1),
)
def test_rows_are_found_as_by_counting(pairs, wanted):
    pairs = sorted(pairs)
    columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    questions = np.array(wanted, dtype=np.int64).T

    found = find_rows(columns[0], columns[1], questions[0], questions[1])

    assert found.tolist() == [sum(pair < question for pair in pairs) for question in wanted]


def test_a_window_holds_its_begin_and_not_its_end():
    past = history((1, 5, "A//1"), (1, 8, "A//1"), (1, 10, "A//1"), (2, 9, "A//1"))
    rows = past.rows_coded(pl.col("code") == "A//1")

    assert past.before(*at((1, 10), (1, 11), (3, 10))).count(rows).tolist() == [2, 3, 0]
    assert past.before(*at((1, 10)), days=5).count(rows).tolist() == [2]
    assert past.before(*at((1, 10)), days=4).count(rows).tolist() == [1]


def test_a_fact_without_a_time_is_of_the_whole_past_and_of_no_number_of_days():
    past = history((1, None, "A//1"))
    rows = past.rows_of({"a": ("A//1",)}, OBSERVATIONS)["a"]

    assert past.before(*at((1, -99_000))).count(rows).tolist() == [1]
    assert past.before(*at((1, 10)), days=1000).count(rows).tolist() == [0]


def test_the_last_row_of_a_window_is_found():
    past = history((1, 5, "A//1"), (1, 8, "B//1"), (2, 1, "A//1"))
    rows = past.rows_coded(pl.col("code") == "A//1")

    assert past.before(*at((1, 9), (1, 5), (2, 2))).last(rows).tolist() == [0, -1, 2]
    nothing = past.rows_coded(pl.col("code") == "C//1")
    assert past.before(*at((1, 9))).last(nothing).tolist() == [-1]


def test_a_code_counts_once_per_subject_and_ends_of_conditions_do_not():
    past = History.of(
        event_frame(
            {"subject_id": subject, "code": code, "resource_type": "Condition"}
            for subject, code in [(1, "A"), (1, "A"), (1, "CONDITION_END//A"), (2, "A"), (1, "B")]
        )
    )

    assert len(past.first_rows(("Condition",))) == 3


def test_long_texts_that_are_no_values_are_dropped():
    notes = [
        {"resource_type": "DocumentReference", "text_value": "a note"},
        {"resource_type": "Observation", "text_value": "*1/*2"},
    ]
    kept = History.of(event_frame(notes)).frame["text_value"].drop_nulls()

    assert kept.to_list() == ["*1/*2"]


@pytest.mark.parametrize(("unit", "expected"), [("g/dL", 12.0), ("g/L", 1.2), (None, 12.0)])
def test_a_measure_comes_in_its_unit(unit, expected):
    past = History.of(
        event_frame([{"time": EPOCH, "code": "LOINC//718-7", "numeric_value": 12, "unit": unit}])
    )
    found = past.latest_measures(("hemoglobin", "sodium"), past.before(*at((1, 1))))

    assert found["hemoglobin"] == pytest.approx([expected])
    assert np.isnan(found["sodium"]).all()

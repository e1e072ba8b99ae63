"""Merging new rows into a bucket: versions, repeats, deletions, order."""

import datetime
import itertools

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import event_frame, image_frame
from transforms.merge import merge
from transforms.schemas import TABLES

EVENTS = TABLES["events"]
IMAGES = TABLES["images"]
EARLY = datetime.datetime(2024, 1, 1)
LATE = datetime.datetime(2024, 2, 1)
NONE = event_frame([])


def codes(frame: pl.DataFrame) -> list[str]:
    return sorted(frame["code"].to_list())


def deletion(*, resource_id: int = 1, version_time=None, in_this_run: bool = True) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "resource_type": ["Observation"],
            "resource_id": [resource_id],
            "version_time": [version_time],
            "in_this_run": [in_this_run],
        },
        schema_overrides={"version_time": pl.Datetime("us")},
    )


def test_new_rows_are_written_and_sorted_by_subject_then_time():
    new = event_frame(
        [
            {"subject_id": 2, "resource_id": 1, "time": EARLY, "position": 0},
            {"subject_id": 1, "resource_id": 2, "time": LATE, "position": 1},
            {"subject_id": 1, "resource_id": 3, "time": None, "position": 2},
        ]
    )
    merged = merge(NONE, new, EVENTS)
    assert merged.rows["resource_id"].to_list() == [3, 2, 1]
    assert (merged.changed, merged.written, merged.duplicate) == (True, 3, 0)


def test_all_rows_of_a_resource_count_once():
    new = event_frame([{"code": "LOINC//8480-6"}, {"code": "LOINC//8462-4"}])
    merged = merge(NONE, new, EVENTS)
    assert merged.written == 1
    assert codes(merged.rows) == ["LOINC//8462-4", "LOINC//8480-6"]


def test_same_rows_again_change_nothing_wherever_they_come_from():
    stored = event_frame([{"ingest_run": "r1", "codes": ["A//1"]}])
    new = event_frame([{"ingest_run": "r2", "codes": ["A//1"], "source_id": 9, "position": 9}])
    merged = merge(stored, new, EVENTS)
    assert not merged.changed
    assert (merged.written, merged.duplicate) == (0, 1)
    assert merged.rows["ingest_run"].to_list() == ["r1"]


@pytest.mark.parametrize("column", ["numeric_value", "codes", "text_value", "time"])
def test_a_change_in_any_column_replaces(column):
    values = {"numeric_value": 7.0, "codes": ["B//2"], "text_value": "new", "time": LATE}
    stored = event_frame([{"codes": ["A//1"], "ingest_run": "r1"}])
    new = event_frame([{"codes": ["A//1"], "ingest_run": "r2", column: values[column]}])
    merged = merge(stored, new, EVENTS)
    assert merged.written == 1
    assert merged.rows.select(column, "ingest_run").rows() == [(values[column], "r2")]


def test_a_newer_version_replaces_all_rows_and_an_older_one_none():
    old = event_frame(
        [{"code": "X//1", "version_time": EARLY}, {"code": "X//2", "version_time": EARLY}]
    )
    new = event_frame([{"code": "X//3", "version_time": LATE}])
    assert codes(merge(old, new, EVENTS).rows) == ["X//3"]
    backwards = merge(new, old, EVENTS)
    assert codes(backwards.rows) == ["X//3"]
    assert (backwards.changed, backwards.duplicate) == (False, 1)


def test_version_ids_are_numbers_where_they_look_like_numbers():
    nine = event_frame([{"code": "X//9", "version_time": EARLY, "version_id": "9"}])
    ten = event_frame([{"code": "X//10", "version_time": EARLY, "version_id": "10"}])
    assert codes(merge(nine, ten, EVENTS).rows) == ["X//10"]
    assert codes(merge(ten, nine, EVENTS).rows) == ["X//10"]


def test_without_versions_the_later_run_wins():
    merged = merge(event_frame([{"code": "X//1"}]), event_frame([{"code": "X//2"}]), EVENTS)
    assert codes(merged.rows) == ["X//2"]


def test_a_deletion_removes_the_stored_resource_and_nothing_else():
    stored = event_frame([{"resource_id": 1}, {"resource_id": 2}])
    merged = merge(stored, NONE, EVENTS, deletion(resource_id=1))
    assert merged.changed
    assert merged.rows["resource_id"].to_list() == [2]


def test_a_deletion_spares_a_later_version():
    stored = event_frame([{"version_time": LATE}])
    assert not merge(stored, NONE, EVENTS, deletion(version_time=EARLY)).changed
    assert merge(stored, NONE, EVENTS, deletion(version_time=LATE)).rows.height == 0


def test_an_earlier_runs_deletion_keeps_an_older_version_out():
    new = event_frame([{"version_time": EARLY}])
    past = deletion(version_time=LATE, in_this_run=False)
    merged = merge(NONE, new, EVENTS, past)
    assert (merged.written, merged.deleted, merged.rows.height) == (0, 1, 0)
    # Without a version it counts as newer: the resource was made again.
    undated = merge(NONE, event_frame([{}]), EVENTS, past)
    assert undated.written == 1


def test_a_matched_image_leaves_its_former_subject():
    stored = image_frame([{"instance_id": 5, "subject_id": 70, "match": "none"}])
    moved = image_frame([{"instance_id": 5, "subject_id": 70, "match": "moved"}])
    merged = merge(stored, moved, IMAGES)
    assert merged.rows.height == 0
    assert (merged.changed, merged.written, merged.duplicate) == (True, 0, 0)


def test_a_moved_mark_leaves_a_matched_image_alone():
    stored = image_frame([{"instance_id": 5, "subject_id": 70, "match": "study"}])
    moved = image_frame([{"instance_id": 5, "subject_id": 70, "match": "moved"}])
    assert not merge(stored, moved, IMAGES).changed


rows = st.fixed_dictionaries(
    {
        "resource_id": st.integers(1, 3),
        "code": st.sampled_from(["X//1", "X//2"]),
        "version_time": st.sampled_from([None, EARLY, LATE]),
        "version_id": st.sampled_from([None, "1", "2"]),
        "position": st.integers(0, 5),
    }
)


def consistent(found):
    """One place holds one version of one resource."""
    seen = {}
    for row in found:
        place = row["position"]
        if seen.setdefault(place, row) is not row:
            return False
    return True


@given(st.lists(rows, max_size=6).filter(consistent), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_repeats_change_nothing(found, random):
    shuffled = found[:]
    random.shuffle(shuffled)
    once = merge(NONE, event_frame(found), EVENTS)
    other = merge(NONE, event_frame(shuffled), EVENTS)
    assert once.rows.equals(other.rows)
    assert once.written + once.duplicate == len(found)
    again = merge(once.rows, event_frame(found), EVENTS)
    assert not again.changed
    assert again.duplicate == len(found)


@given(st.lists(rows, max_size=5).filter(consistent))
def test_the_newest_version_wins_as_brute_force_says(found):
    def order(row):
        when = row["version_time"] or datetime.datetime(1, 1, 1)
        return (when, int(row["version_id"] or 0), row["position"])

    expected = {
        key: max(group, key=order)["code"]
        for key, group in itertools.groupby(
            sorted(found, key=lambda r: r["resource_id"]), key=lambda r: r["resource_id"]
        )
        for group in [list(group)]
    }
    merged = merge(NONE, event_frame(found), EVENTS)
    assert dict(merged.rows.select("resource_id", "code").rows()) == expected

"""Counts made of events: who counts, where, in which week, and what is known when."""

import datetime

import polars as pl
import pytest

from model_defs import outbreak
from model_defs._outbreak_counts import count_events, region_id
from tests.model_defs.cases_outbreak import AS_OF, count, home, monday, tables_of, visit
from transforms.keys import Keys

FLU = "ICD10CM//J10.1"


def day(text):
    return datetime.datetime.fromisoformat(text)


def counted(events, as_of=AS_OF):
    return count_events(tables_of([], events).events, as_of)


def cases(frame, series="influenza", region="STATE//MA"):
    found = frame.filter(pl.col("series") == series, pl.col("region") == region).sort("week")
    return dict(found.select("week", "cases").iter_rows())


def test_a_patient_counts_once_a_week_in_state_and_zip():
    events = [
        *home(1, "STATE//MA", "ZIP3//021"),
        *home(2, "STATE//MA"),
        *visit(1, day("2022-01-03T00:00"), FLU),
        *visit(1, day("2022-01-09T23:59"), FLU, "ICD10CM//J11.1"),
        *visit(2, day("2022-01-05T12:00"), "SNOMED//6142004"),
        *visit(2, day("2022-01-10T12:00"), "ICD9CM//487.1"),
    ]
    found = counted(events)
    assert cases(found) == {monday(0): 2.0, monday(1): 1.0}
    assert cases(found, region="ZIP3//021") == {monday(0): 1.0}
    assert cases(found, series="covid-19") == {monday(0): 0.0, monday(1): 0.0}


def test_a_further_coding_counts_too():
    rows = visit(1, day("2022-01-03T12:00"), "SNOMED//1")
    rows[1]["codes"] = ["ICD10//U07.1"]
    assert cases(counted([*home(1, "STATE//MA"), *rows]), "covid-19") == {monday(0): 1.0}


def test_a_week_with_visits_and_no_cases_is_zero_and_one_without_visits_is_missing():
    events = [
        *home(1, "STATE//MA"),
        *visit(1, day("2022-01-04T12:00"), "ICD10CM//I10"),
        *visit(1, day("2022-01-18T12:00"), FLU),
    ]
    assert cases(counted(events)) == {monday(0): 0.0, monday(2): 1.0}


@pytest.mark.parametrize(
    "rows",
    [
        visit(1, day("2022-01-04T12:00"), "CONDITION_END//ICD10CM//J10.1"),
        [
            *visit(1, day("2022-01-04T12:00")),
            {
                "subject_id": 1,
                "time": day("2022-01-04T12:00"),
                "code": "CONDITION_END//SNOMED//1",
                "codes": [FLU],
                "resource_type": "Condition",
            },
        ],
        [
            *visit(1, day("2022-01-04T12:00")),
            {
                "subject_id": 1,
                "time": day("2022-01-04T12:00"),
                "code": FLU,
                "resource_type": "FamilyMemberHistory",
            },
        ],
    ],
)
def test_the_end_of_an_illness_and_that_of_a_relative_do_not_count(rows):
    assert cases(counted([*home(1, "STATE//MA"), *rows])) == {monday(0): 0.0}


def test_who_lives_nowhere_known_counts_nowhere():
    assert counted(visit(1, day("2022-01-04T12:00"), FLU)).height == 0


def test_a_week_is_known_when_it_is_over():
    events = [*home(1, "STATE//MA"), *visit(1, day("2022-01-04T12:00"), FLU)]
    assert counted(events, day("2022-01-09T23:59:59.999999")).height == 0
    found = counted(events, day("2022-01-10T00:00"))
    assert found["known"].unique().to_list() == [day("2022-01-09T23:59:59.999999")]


def test_the_id_of_a_region_of_events_is_never_that_of_a_file():
    assert region_id("ILI", "MA") != Keys(b"0123456789abcdef").region_id("ILI", "MA")
    assert 0 <= region_id("ILI", "MA") < 2**63
    assert region_id("ILI", "MA") == 1_300_155_509_712_858_133  # stays what it was


def test_buckets_add_up():
    where = day("2022-01-04T12:00")
    first, second = (
        outbreak.gather(tables_of([], [*home(s, "STATE//MA"), *visit(s, where, FLU)]), AS_OF)
        for s in (1, 2)
    )
    both = pl.concat([first.counts, second.counts])
    summed = both.group_by("series", "region", "week", "known").agg(pl.col("cases").sum())
    assert cases(summed) == {monday(0): 2.0}


def test_what_is_gathered_is_known_before_as_of():
    early, late = count(0, 20.0), count(1, 30.0)
    found = outbreak.gather(tables_of([early, late]), late["known"])
    assert found.counts["cases"].to_list() == [20.0]
    assert found.events.height == 0

"""What each kind of model shows on the page, from its rows."""

import base64
import datetime
import re

import pytest

from pipelines.query import open_tables
from pipelines.report import build_report, render_report
from pipelines.report_details import Details, Forecast, Pair, Picture, Week, details_of
from tests.pipelines.test_report import PLANTED, event, report, score, stage, write

PNG = b"\x89PNG picture"
ORIGIN = datetime.datetime(2024, 12, 30)


def details(tmp_path, model, **rows):
    with open_tables(write(tmp_path, **rows)) as connection:
        return details_of(connection, model, "r2")


def count(week, cases, known="2024-12-30", region_id=5, region="MA"):
    day = datetime.date.fromisoformat(week)
    return {
        "bucket": 0,
        "region_id": region_id,
        "series": "ili",
        "region": region,
        "week": day,
        "cases": cases,
        "known": datetime.datetime.fromisoformat(known) - datetime.timedelta(hours=1),
        "source_id": 9,
    }


def forecast(days, value, region_id=5, origin=ORIGIN, width=10.0):
    return score("outbreak", value, None) | {
        "entity_id": region_id,
        "prediction_time": origin,
        "target_time": origin + datetime.timedelta(days=days, microseconds=-1),
        "interval_low": value - width,
        "interval_high": value + width,
    }


def test_a_model_that_fills_nothing_shows_nothing(tmp_path):
    found = details(tmp_path, "readmission", predictions=[score("readmission", 0.5, "no")])
    assert found == Details()


def test_advice_is_counted(tmp_path):
    rows = [
        score("assistant", 0.5, "Migraine", advice=advice, run_id=run_id)
        for advice, run_id in (
            ("routine", "r2"),
            ("emergency", "r2"),
            ("routine", "r2"),
            ("x", "r1"),
        )
    ]
    assert details(tmp_path, "assistant", predictions=rows).advice == {"routine": 2, "emergency": 1}


def test_extracted_items_are_counted_by_kind(tmp_path):
    one = {"model": "note_extraction", "run_id": "r2", "text": PLANTED[0], "entity_id": 1}
    rows = [
        one | {"kind": "date"},
        one | {"kind": "medication"},
        one | {"kind": "date", "entity_id": 2},
        one | {"kind": "date"},
        one | {"kind": "date", "run_id": "r1"},
    ]
    found = details(tmp_path, "note_extraction", extractions=rows)
    assert found.items == (("date", 3, 2), ("medication", 1, 1))


def test_the_highest_scores_come_with_their_pictures(tmp_path):
    rows = [
        score("early_detection", value, "diseased", entity_id=n, entity_type="study", picture=png)
        for n, (value, png) in enumerate([(0.2, PNG), (0.9, None), (0.8, PNG), (0.7, PNG)] * 3)
    ]
    found = details(tmp_path, "early_detection", predictions=rows).pictures
    assert [(p.entity_id, round(p.score, 2)) for p in found] == [
        *[(2, 0.8), (6, 0.8), (10, 0.8)],
        *[(3, 0.7), (7, 0.7), (11, 0.7)],
    ]
    assert found[0] == Picture(
        "study", 2, pytest.approx(0.8), "diseased", base64.b64encode(PNG).decode()
    )


def test_the_strongest_pairs_have_their_names(tmp_path):
    rows = [
        score("drug_target", value, None, entity_id=n, entity_type="pair", interval_low=value - 1)
        for n, value in enumerate([5.0, 9.0, 7.5])
    ]
    pairs = [
        {"pair_id": n, "compound": f"c{n}", "target": "t", "affinity": affinity, "source_id": 1}
        for n, affinity in enumerate([None, 8.5, None])
    ]
    pairs[2] |= {"affinity": 6.0, "time": datetime.datetime(2100, 1, 1)}  # measured afterwards
    assert details(tmp_path, "drug_target", predictions=rows, pairs=pairs).pairs == (
        Pair("c1", "t", 9.0, 8.0, None, 8.5),
        Pair("c2", "t", 7.5, 6.5, None, None),
        Pair("c0", "t", 5.0, 4.0, None, None),
    )


def test_the_newest_forecast_stands_after_what_was_known_at_its_origin(tmp_path):
    week = datetime.timedelta(days=7)
    found = details(
        tmp_path,
        "outbreak",
        counts=[
            count("2024-12-23", 100.0, known="2025-01-10"),  # revised after the origin
            count("2024-12-23", 80.0),
            count("2024-12-16", 60.0, known="2024-12-24"),
            count("2024-12-16", 70.0),
            count("2024-12-09", 10.0),  # too few to be shown
            count("2024-12-02", 0.0),
            count("2024-07-15", 900.0),  # long ago
            count("2024-12-23", 11.0, region_id=6, region="RI"),
        ],
        predictions=[
            forecast(7, 90.0),
            forecast(14, 110.0),
            forecast(7, 20.0, region_id=6),
            forecast(7, 300.0, region_id=6, origin=ORIGIN - week),  # an older one
            forecast(7, 15.0, region_id=7),
        ],
    )
    day = datetime.date(2024, 12, 29)
    assert found.more_forecasts == 0
    assert found.forecasts == (
        Forecast(
            "ili MA",
            ORIGIN,
            (
                *(Week(day - 3 * week, 0.0), Week(day - 2 * week, None)),
                *(Week(day - week, 70.0), Week(day, 80.0)),
            ),
            (Week(day + week, 90.0, 80.0, 100.0), Week(day + 2 * week, 110.0, 100.0, 120.0)),
        ),
        Forecast("ili RI", ORIGIN, (Week(day, 11.0),), (Week(day + week, 20.0, 10.0, 30.0),)),
        Forecast("region 7", ORIGIN, (), (Week(day + week, 15.0, 5.0, 25.0),)),
    )


def test_a_chart_reaches_from_edge_to_edge():
    day, week = datetime.date(2024, 12, 29), datetime.timedelta(days=7)
    one = Forecast(
        "MA",
        ORIGIN,
        (Week(day - week, 0.0), Week(day, None)),
        (Week(day + week, 50.0, 0.0, 100.0),),
    )
    assert one.top == 100.0
    assert one.dots == ("4.0,86.0",)  # the bottom left corner
    assert one.line == "216.0,45.0"  # right, half way up
    assert one.band == "216.0,4.0 216.0,86.0"
    assert Forecast("MA", ORIGIN, (), (Week(day, 5.0),)).band == ""


def test_most_regions_are_counted_only(tmp_path):
    rows = [forecast(7, float(n), region_id=n) for n in range(15)]
    found = details(tmp_path, "outbreak", predictions=rows)
    assert (len(found.forecasts), found.more_forecasts) == (12, 3)
    assert found.forecasts[0].name == "region 14"


def test_the_page_shows_all_of_it_and_no_words_of_a_patient(tmp_path):
    note = {"model": "note_extraction", "run_id": "r2", "text": PLANTED[0], "entity_id": 1}
    files = write(
        tmp_path,
        runs=[stage("r2", "score", 5)],
        events=[event("DocumentReference", 1)],
        predictions=[
            score("assistant", 0.5, "Migraine", advice="same day"),
            score("note_extraction", 0.5, "Urology"),
            score("early_detection", 0.9, "diseased", entity_type="study", picture=PNG),
            score("drug_target", 7.0, None, entity_id=3, entity_type="pair"),
            forecast(7, 90.0),
            forecast(14, 95.0),
        ],
        extractions=[note | {"kind": "medication"}],
        pairs=[{"pair_id": 3, "compound": "NR-1", "target": "KIN1A", "source_id": 1}],
        counts=[count("2024-12-23", 80.0)],
    )
    page = render_report(report(files))
    for shown in (
        '<tr><td>same day</td><td class="n">1</td></tr>',
        '<tr><td>medication</td><td class="n">1</td><td class="n">1</td></tr>',
        f'<img src="data:image/png;base64,{base64.b64encode(PNG).decode()}" alt=""/>',
        "<td>NR-1</td><td>KIN1A</td>",
        'aria-label="Forecast for ili MA"',
        "<b>ili MA</b><br/>week to 2025-01-12: 95 (85 to 105)",
    ):
        assert shown in page
    assert len(re.findall("<circle", page)) == 1
    assert PLANTED[0] not in page
    assert "more regions" not in page


def test_holdings_of_the_tables_brought_along(tmp_path):
    files = write(
        tmp_path,
        runs=[stage("r2", "read_pairs", 5)],
        pairs=[{"pair_id": n, "source_id": 1} for n in range(3)],
        molecules=[{"kind": "compound", "source_id": 2}],
        counts=[count("2024-12-23", 80.0), count("2024-12-16", 80.0)],
        labels=[{"model": "assistant", "subject_id": 4, "source_id": 3}],
    )
    with open_tables(files) as connection:
        data = build_report(connection)
    assert [(h.name, h.resources, h.rows, h.sources, h.subjects) for h in data.holdings] == [
        ("counts: ili", 1, 2, 1, 0),
        ("labels: assistant", 1, 1, 1, 1),
        ("molecules: compound", 1, 1, 1, 0),
        ("pairs", 3, 3, 1, 0),
    ]
    assert data.reading == data.run

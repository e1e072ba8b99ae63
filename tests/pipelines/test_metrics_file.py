"""The Prometheus text file: its values, read back; what is kept of other runs."""

import dataclasses
import datetime
import re
import stat
import time
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from pipelines.metrics_file import GAUGES, STATUSES, MetricsFile
from pipelines.notices import RunEnd
from pipelines.run import Outcome, RunContext
from transforms.counts import Count, collect

STARTED = datetime.datetime(2024, 6, 1, 2)
ENDED_S, DAY_S = 1717207380.0, 86400  # date -u -d 2024-06-01T02:03 +%s
OWN = {"warehouse": "/srv/w"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "nightrounds.prom"


def tell(path, end, *, verb="nightly", days=0, run_id="r1", warehouse="/srv/w"):
    """Writes the end of a run that has just started; its values by (name, label values)."""
    started = STARTED + datetime.timedelta(days=days)
    context = RunContext(verb, started.date(), {}, run_id, started, time.monotonic())
    ended = started.replace(tzinfo=datetime.UTC) + datetime.timedelta(minutes=3)
    MetricsFile(context, warehouse, path).end(dataclasses.replace(end, ended=ended))
    found = {}
    for family in text_string_to_metric_families(path.read_text()):
        assert family.type == "gauge"
        for sample in family.samples:
            labels = {k: v for k, v in sample.labels.items() if (k, v) not in OWN.items()}
            found[sample.name.removeprefix("nightrounds_"), *sorted(labels.values())] = sample.value
    return found


def outcome():
    stages = collect(
        [
            (Count("read_fhir", "read", "Patient"), 9),
            (Count("read_fhir", "written"), 5),
            (Count("read_fhir", "quarantined"), 1),
            (Count("read_fhir", "skipped", "type Claim"), 3),
            (Count("score_outbreak", "skipped", "failed: predict: ValueError at x.py:3"), 2),
        ]
    )
    return Outcome(
        stages=stages,
        rows_added={"events": 40, "quarantine": -2},
        predictions={"readmission": 7},
        failed={"score_outbreak": "predict: ValueError at x.py:3"},
    )


def test_the_counts_of_a_run_are_its_gauges(path):
    found = tell(path, RunEnd(outcome(), "published"))
    stage = "last_run_stage_inputs"
    assert found[stage, "nightly", "read", "read_fhir"] == 9
    assert found[stage, "nightly", "read_fhir", "written"] == 5
    assert found[stage, "nightly", "quarantined", "read_fhir"] == 1
    assert found[stage, "duplicate", "nightly", "read_fhir"] == 0
    skipped = {key: value for key, value in found.items() if "skipped" in key[0]}
    assert skipped == {("last_run_stage_skipped_inputs", "nightly", "read_fhir", "type Claim"): 3}
    assert found["last_run_added_rows", "events", "nightly"] == 40
    assert found["last_run_added_rows", "nightly", "quarantine"] == -2
    assert found["last_run_prediction_rows", "nightly", "readmission"] == 7
    assert found["last_run_model_failed", "nightly", "readmission"] == 0
    assert found["last_run_model_failed", "nightly", "outbreak"] == 1
    assert found["last_run_info", "nightly", "r1"] == 1
    assert 0 <= found["last_run_duration_seconds", "nightly"] < 60
    assert found["last_run_timestamp_seconds", "nightly"] == ENDED_S
    assert found["last_success_timestamp_seconds", "nightly"] == ENDED_S
    assert "x.py" not in path.read_text()


@pytest.mark.parametrize("status", ["refused", "failed", "cut short"])
def test_the_last_success_outlives_runs_that_fail(path, status):
    tell(path, RunEnd(outcome(), "published"))
    for day in (1, 2):
        found = tell(path, RunEnd(outcome(), status), days=day, run_id="r2")
    key = ("last_success_timestamp_seconds", "nightly")
    assert found[key] == ENDED_S
    assert found["last_run_timestamp_seconds", "nightly"] == ENDED_S + 2 * DAY_S
    status_now = {s: found["last_run_status", *sorted(["nightly", s])] for s in STATUSES}
    assert status_now == {s: float(s == status) for s in STATUSES}
    assert ("last_run_info", "nightly", "r1") not in found
    assert ("last_run_added_rows", "events", "nightly") not in found  # nothing was published
    again = tell(path, RunEnd(Outcome(), "published"), days=3)
    assert again[key] == ENDED_S + 3 * DAY_S


def test_a_first_run_that_fails_has_no_success(path):
    found = tell(path, RunEnd(Outcome()))
    assert ("last_success_timestamp_seconds", "nightly") not in found
    assert found["last_run_status", "failed", "nightly"] == 1


def test_other_verbs_and_warehouses_keep_their_lines(path):
    tell(path, RunEnd(outcome(), "published"))
    tell(path, RunEnd(Outcome(), "refused"), verb="train", days=1)
    found = tell(path, RunEnd(Outcome(), "failed"), days=2, warehouse="/srv/x")
    assert found["last_run_status", "nightly", "published"] == 1
    assert found["last_run_added_rows", "events", "nightly"] == 40
    assert found["last_run_status", "refused", "train"] == 1
    assert found["last_run_status", "/srv/x", "failed", "nightly"] == 1


def test_the_file_is_for_others_to_read_and_alone(path):
    tell(path, RunEnd(Outcome(), "published"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_damaged_file_is_made_anew(path):
    path.write_bytes(b"nightrounds{\xff nonsense")
    assert tell(path, RunEnd(Outcome(), "published"))["last_run_status", "nightly", "published"]


def test_the_alerts_of_the_manual_name_gauges_that_there_are():
    manual = Path("docs/OPERATING.md").read_text()
    (rules,) = re.findall(r"```yaml\n(.*?)```", manual, re.DOTALL)
    (group,) = yaml.safe_load(rules)["groups"]
    named = {re.search(r"nightrounds_\w+", rule["expr"])[0] for rule in group["rules"]}
    assert named <= set(re.findall(r"nightrounds_(?:last)\w+", manual)) == set(GAUGES)

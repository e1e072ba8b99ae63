"""A run's outcome: the limit of refusals, the tables as they will be, the record."""

import datetime

import pytest

from pipelines.run import Outcome, check_outcome, files_after, new_run, runs_table
from tests.builders import event_frame
from transforms.counts import StageCounts
from transforms.errors import Refused, RunFailed
from transforms.parquet import write_file
from transforms.schemas import EVENTS
from transforms.warehouse import Change, open_warehouse


def stage(read: int, quarantined: int) -> Outcome:
    found = StageCounts("read_fhir", read=read, written=read - quarantined, quarantined=quarantined)
    return Outcome(stages={"read_fhir": found})


@pytest.mark.parametrize(("read", "quarantined"), [(11, 10), (100, 10), (2000, 20), (0, 0)])
def test_up_to_the_limit_and_never_fewer_than_ten_are_fine(read, quarantined):
    check_outcome(stage(read, quarantined), 0.01)


@pytest.mark.parametrize(("read", "quarantined"), [(11, 11), (1000, 11), (2000, 21)])
def test_one_more_is_refused(read, quarantined):
    with pytest.raises(Refused, match=f"{quarantined} of {read} inputs were refused"):
        check_outcome(stage(read, quarantined), 0.01)


def test_counts_that_do_not_add_up_fail_before_anything_else():
    outcome = stage(100, 50)
    outcome.stages["read_fhir"].written -= 1
    with pytest.raises(RunFailed, match="100 inputs were read"):
        check_outcome(outcome, 0.01)


def test_files_after_are_those_that_publication_will_show(tmp_path):
    warehouse = open_warehouse(str(tmp_path / "w"), create=True, buckets=4)

    def write(bucket: int) -> str:
        rows = event_frame([{"bucket": bucket}]).to_arrow().cast(EVENTS)
        return write_file(rows, f"{warehouse.folder}/clinical/events/data/r", f"{bucket:05d}")

    first = [write(0), write(1), write(2)]
    warehouse.publish("r1", [Change("events", ((0,), (1,), (2,)), tuple(first))])
    warehouse = open_warehouse(warehouse.folder)
    # Bucket 1 is rewritten, bucket 2 loses its rows, bucket 3 is new.
    changes = [Change("events", ((1,), (2,), (3,)), (write(1), write(3)))]
    expected = {(f.path, f.partition) for f in files_after(warehouse, "events", changes)}
    warehouse.publish("r2", changes)
    shown = open_warehouse(warehouse.folder).files("events")
    assert {(file.path, file.partition) for file in shown} == expected
    assert sorted(file.partition for file in shown) == [(0,), (1,), (3,)]


def test_the_record_has_a_row_for_each_stage_and_no_paths():
    context = new_run("ingest", datetime.date(2024, 6, 1), {"workers": 2})
    table = runs_table(context, "published", stage(12, 2).stages.values(), 1.5)
    (row,) = table.to_pylist()
    assert (row["run_id"], row["verb"], row["stage"]) == (context.run_id, "ingest", "read_fhir")
    assert (row["read"], row["written"], row["quarantined"]) == (12, 10, 2)
    assert (row["run_date"], row["parameters"]) == (datetime.date(2024, 6, 1), '{"workers": 2}')
    assert dict(row["versions"])["apache-beam"].startswith("2.")
    (failed,) = runs_table(context, "failed", [], 1.5).to_pylist()
    assert (failed["stage"], failed["status"], failed["read"]) == ("ingest", "failed", 0)

"""Publication: replace, repeat, interruption, concurrency."""

import concurrent.futures
import dataclasses
import datetime
import os

import polars as pl
import pyarrow as pa
import pytest

from tests.builders import event_frame
from transforms.errors import CutShort, RunFailed, UsageError
from transforms.file_systems import FileSystems
from transforms.parquet import read_files, write_file
from transforms.schemas import EVENTS, TABLES
from transforms.warehouse import Change, Warehouse, open_warehouse

pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match:UserWarning")


@pytest.fixture
def warehouse(location):
    return open_warehouse(location, create=True, buckets=4)


def write(warehouse, bucket, codes, run="r"):
    frame = event_frame([{"bucket": bucket, "code": code} for code in codes])
    folder = f"{warehouse.folder}/clinical/events/data/{run}"
    return write_file(frame.to_arrow().cast(EVENTS), folder, f"{bucket:05d}")


def codes(warehouse):
    table = read_files(open_warehouse(warehouse.folder).paths("events"), EVENTS)
    return sorted(zip(table["bucket"].to_pylist(), table["code"].to_pylist(), strict=True))


def test_a_new_warehouse_is_empty(warehouse):
    assert open_warehouse(warehouse.folder).buckets == 4
    assert warehouse.files("events") == []


def test_a_folder_is_private(tmp_path):
    warehouse = open_warehouse(str(tmp_path / "w"), create=True, buckets=4)
    assert os.stat(f"{warehouse.folder}/restricted").st_mode & 0o777 == 0o700


def test_only_replaced_partitions_change(warehouse):
    files = (write(warehouse, 0, ["A"]), write(warehouse, 1, ["B"]))
    warehouse.publish("r1", [Change("events", ((0,), (1,)), files)])
    warehouse = open_warehouse(warehouse.folder)
    warehouse.publish("r2", [Change("events", ((1,),), (write(warehouse, 1, ["C", "D"]),))])
    assert codes(warehouse) == [(0, "A"), (1, "C"), (1, "D")]
    assert sorted(open_warehouse(warehouse.folder).by_bucket("events")) == [0, 1]


def test_a_partition_can_lose_all_its_rows(warehouse):
    warehouse.publish("r1", [Change("events", ((0,),), (write(warehouse, 0, ["A"]),))])
    open_warehouse(warehouse.folder).publish("r2", [Change("events", ((0,),), ())])
    assert codes(warehouse) == []


def test_a_column_of_a_later_release_is_added(warehouse, monkeypatch):
    older = TABLES["events"]
    newer = dataclasses.replace(older, schema=older.schema.append(pa.field("added", pa.string())))
    warehouse.publish("r1", [Change("events", ((0,),), (write(warehouse, 0, ["A"]),))])
    monkeypatch.setitem(TABLES, "events", newer)
    frame = event_frame([{"bucket": 1, "code": "B"}]).with_columns(added=pl.lit("new"))
    table = frame.to_arrow().cast(newer.schema)
    path = write_file(table, f"{warehouse.folder}/clinical/events/data/r2", "00001")
    open_warehouse(warehouse.folder).publish("r2", [Change("events", ((1,),), (path,))])
    found = open_warehouse(warehouse.folder)
    rows = read_files(found.paths("events"), newer.schema, ["code", "added"]).to_pylist()
    assert rows == [{"code": "A", "added": None}, {"code": "B", "added": "new"}]
    iceberg = found.catalog.load_table("clinical.events")
    assert (
        iceberg.scan(selected_fields=("code", "added")).to_arrow().sort_by("code").to_pylist()
        == rows
    )
    schemas = len(iceberg.metadata.schemas)
    open_warehouse(warehouse.folder).publish("r3", [Change("events", ((1,),), (path,))])
    assert len(found.catalog.load_table("clinical.events").metadata.schemas) == schemas == 2


def test_date_partitions_are_dates(warehouse):
    day = datetime.date(2024, 5, 6)
    row = {field.name: None for field in TABLES["quarantine"].schema}
    row |= {"bucket": 2, "run_date": day, "run_id": "r", "source_id": 1, "stage": "read_fhir"}
    row |= {"error_class": "InputError", "message": "m"}
    table = pa.Table.from_pylist([row], schema=TABLES["quarantine"].schema)
    path = write_file(table, f"{warehouse.folder}/restricted/quarantine/data/r", "00002")
    warehouse.publish("r", [Change("quarantine", ((day, 2),), (path,))])
    warehouse = open_warehouse(warehouse.folder)
    assert [file.partition for file in warehouse.files("quarantine")] == [(day, 2)]
    assert warehouse.by_bucket("quarantine", day=day) == {2: [path]}
    assert warehouse.by_bucket("quarantine", day=datetime.date(2024, 5, 7)) == {}


class Interrupted(Exception):
    pass


def test_an_interrupted_publication_is_finished_by_whoever_opens_next(warehouse, monkeypatch):
    images = Change("images", ((0,),), ())
    events = Change("events", ((0,),), (write(warehouse, 0, ["A"]),))
    commit = Warehouse._commit

    def interrupt(self, iceberg, table, change, run_id):
        if table.name == "images":
            raise Interrupted
        commit(self, iceberg, table, change, run_id)

    with monkeypatch.context() as patch:
        patch.setattr(Warehouse, "_commit", interrupt)
        with pytest.raises(CutShort, match="the next command on this warehouse finishes it"):
            warehouse.publish("r1", [events, images])
    again = open_warehouse(warehouse.folder)
    assert codes(again) == [(0, "A")]
    assert again.finish_interrupted() == []
    journal = FileSystems.match([f"{warehouse.folder}/journal/*.json"])[0].metadata_list
    assert journal == []


def test_who_publishes_while_another_does_waits_and_then_fails(warehouse):
    """Both begin from the same tables; whoever is second finds them changed."""
    others = [open_warehouse(warehouse.folder) for _ in range(4)]
    files = [write(warehouse, 0, [f"C{number}"], f"r{number}") for number in range(4)]

    def publish(number):
        try:
            others[number].publish(f"r{number}", [Change("events", ((0,),), (files[number],))])
        except RunFailed as error:
            assert "run it again" in str(error)
            return None
        return number

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        won = [number for number in threads.map(publish, range(4)) if number is not None]
    (winner,) = won
    assert codes(warehouse) == [(0, f"C{winner}")]
    snapshots = warehouse.catalog.load_table("clinical.events").snapshots()
    assert {s.summary["nightrounds.run_id"] for s in snapshots} == {f"r{winner}"}


def test_of_two_runs_on_the_same_state_the_later_fails_and_spoils_nothing(warehouse):
    other = open_warehouse(warehouse.folder)
    other.publish("r1", [Change("events", ((0,),), (write(warehouse, 0, ["B"]),))])
    with pytest.raises(RunFailed, match="changed by another run"):
        warehouse.publish("r2", [Change("events", ((0,),), (write(warehouse, 0, ["A"]),))])
    assert codes(warehouse) == [(0, "B")]
    open_warehouse(warehouse.folder).publish(
        "r3", [Change("events", ((0,),), (write(warehouse, 0, ["C"]),))]
    )
    assert codes(warehouse) == [(0, "C")]


def test_an_open_warehouse_does_not_see_later_publications(warehouse):
    other = open_warehouse(warehouse.folder)
    other.publish("r1", [Change("events", ((0,),), (write(warehouse, 0, ["B"]),))])
    assert warehouse.files("events") == []


def test_opening_says_what_is_wrong(tmp_path, warehouse):
    with pytest.raises(UsageError, match="no warehouse there"):
        open_warehouse(str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="--buckets 8: the warehouse was created with 4"):
        open_warehouse(warehouse.folder, create=True, buckets=8)

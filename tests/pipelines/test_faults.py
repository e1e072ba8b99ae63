"""Faults of the machine: one line, the exit status of the design, and the next run works."""

import dataclasses
import datetime
import errno
import fcntl
import os
import sqlite3
import threading

import pytest

import pipelines.arguments
import pipelines.execute
import pipelines.workers
import transforms.parquet
import transforms.publish_lock
import transforms.warehouse
from pipelines.cli import main
from pipelines.execute import execute
from pipelines.run import Outcome, new_run
from tests.builders import event_frame, lines, observation, patient
from tests.pipelines.warehouses import select
from transforms.errors import CutShort, RunFailed
from transforms.parquet import write_file
from transforms.schemas import TABLES
from transforms.warehouse import Change, Warehouse, open_warehouse

pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match:UserWarning")
EVENTS = "SELECT count(*) FROM events WHERE code = 'LOINC//2160-0'"


@pytest.fixture
def ingest(tmp_path, monkeypatch, capsys):
    """Ingests an export of `n` Observations by the command line: exit status, and stderr."""
    monkeypatch.setenv("NIGHTROUNDS_ID_KEY", "the key of the tests, not of a site")
    folder = tmp_path / "export"
    folder.mkdir()

    def run(n: int) -> tuple[int, str]:
        rows = [observation(f"o{i}", "Patient/a", float(i)) for i in range(n)]
        (folder / "a.ndjson").write_bytes(lines(patient("a"), *rows))
        arguments = ["ingest", "--warehouse", str(tmp_path / "w"), "--fhir", str(folder)]
        status = main([*arguments, "--buckets", "2", "--quiet"])
        return status, capsys.readouterr().err

    return run


def failing(number):
    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number), "/exports/Doe_Jane.json")

    return fail


def events_file(warehouse):
    rows = event_frame([{"bucket": 0}]).to_arrow().cast(TABLES["events"].schema)
    return write_file(rows, f"{warehouse.folder}/clinical/events/data/r", "00000")


def counted(tmp_path):
    return select(tmp_path, EVENTS)[0][0]


@pytest.mark.parametrize(
    ("where", "number"),
    [("worker", errno.ENOSPC), ("launcher", errno.ENOSPC), ("launcher", errno.EROFS)],
)
def test_a_disk_that_takes_nothing_is_one_line_and_nothing_is_published(
    tmp_path, ingest, monkeypatch, where, number
):
    assert ingest(1)[0] == 0
    with monkeypatch.context() as patch:
        if where == "worker":
            patch.setattr(transforms.parquet.pq, "write_table", failing(number))
        else:
            patch.setattr(transforms.warehouse, "write_whole", failing(number))
        status, said = ingest(3)
    assert status == 1
    assert f"nightrounds: {os.strerror(number)}; nothing was published\n" in said
    assert "Traceback" not in said
    assert "Doe_Jane" not in said
    assert counted(tmp_path) == 1
    assert ingest(3)[0] == 0
    assert counted(tmp_path) == 3


def test_a_file_that_could_not_be_written_whole_is_not_left(tmp_path, monkeypatch):
    def half(table, file, **options):
        file.write(b"PAR1")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transforms.parquet.pq, "write_table", half)
    with pytest.raises(OSError, match="No space"):
        write_file(TABLES["runs"].schema.empty_table(), str(tmp_path / "d"), "run")
    assert os.listdir(tmp_path / "d") == []


def test_a_publication_that_the_disk_stops_is_ended_by_the_next_command(
    tmp_path, ingest, monkeypatch
):
    assert ingest(1)[0] == 0
    commit = Warehouse._commit

    def stop(self, iceberg, table, change, run_id):
        if table.name == "sources":
            raise OSError(errno.ENOSPC, "No space left on device")
        commit(self, iceberg, table, change, run_id)

    with monkeypatch.context() as patch:
        patch.setattr(Warehouse, "_commit", stop)
        status, said = ingest(3)
    assert status == 1
    assert "was cut short (No space left on device); the next command" in said
    assert counted(tmp_path) == 3
    rows = "SELECT status, count(DISTINCT run_id) FROM runs GROUP BY status"
    assert select(tmp_path, rows) == [("published", 2)]


def test_a_locked_catalog_is_waited_for_and_then_told(tmp_path, ingest):
    assert ingest(1)[0] == 0
    holder = sqlite3.connect(tmp_path / "w" / "catalog.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    status, said = ingest(3)
    holder.execute("ROLLBACK")
    holder.close()
    assert status == 1
    assert said == "nightrounds: the catalog cannot be used: database is locked; run it again\n"
    assert counted(tmp_path) == 1
    assert ingest(3)[0] == 0


@pytest.mark.parametrize("damage", ["gone", "emptied", "overwritten"])
def test_a_catalog_that_is_no_more_is_told_and_not_made_anew(tmp_path, ingest, damage):
    assert ingest(1)[0] == 0
    catalog = tmp_path / "w" / "catalog.db"
    good = catalog.read_bytes()
    if damage == "gone":
        catalog.unlink()
    else:
        catalog.write_bytes(b"" if damage == "emptied" else b"no database at all" * 100)
    status, said = ingest(3)
    assert status == 1
    assert "file is not a database" in said or "its catalog is gone or empty; restore it" in said
    assert said.count("\n") == 1
    catalog.write_bytes(good)
    assert ingest(3)[0] == 0
    assert counted(tmp_path) == 3


def test_a_clock_set_back_is_told_before_anything_is_read(tmp_path, ingest, monkeypatch):
    assert ingest(1)[0] == 0

    def yesterday(*args):
        run = new_run(*args)
        return dataclasses.replace(run, started=run.started - datetime.timedelta(days=1))

    with monkeypatch.context() as patch:
        patch.setattr(pipelines.arguments, "new_run", yesterday)
        status, said = ingest(3)
    assert status == 1
    assert "nothing was published; set the clock, then run it again" in said
    assert said.count("\n") == 1
    assert select(tmp_path, "SELECT count(DISTINCT run_id) FROM runs") == [(1,)]
    assert ingest(3)[0] == 0


def test_a_clock_that_is_off_by_seconds_is_none_of_that(tmp_path):
    opened = open_warehouse(str(tmp_path / "w"), create=True, buckets=2)
    run = new_run("ingest")
    execute(run, opened, Outcome, lambda outcome, status: None)
    back = dataclasses.replace(
        run, run_id="later", started=run.started - datetime.timedelta(seconds=30)
    )
    said = []
    execute(back, open_warehouse(opened.folder), Outcome, lambda _, status: said.append(status))
    assert said == ["published"]


def test_who_comes_second_is_recorded_and_told_as_failed(tmp_path):
    opened = open_warehouse(str(tmp_path / "w"), create=True, buckets=2)
    change = Change("events", ((0,),), (events_file(opened),))
    other = open_warehouse(opened.folder)
    execute(new_run("ingest"), other, lambda: Outcome([change]), lambda outcome, status: None)
    said = []
    with pytest.raises(RunFailed, match="run it again"):
        execute(new_run("ingest"), opened, lambda: Outcome([change]), lambda _, s: said.append(s))
    assert said == ["failed"]
    found = select(tmp_path, "SELECT status FROM runs ORDER BY status")
    assert found == [("failed",), ("published",)]


def test_a_run_publishes_after_the_one_that_died_before_it(tmp_path, monkeypatch):
    """Else the dead one's files, which know nothing of the later one's, would take its place."""
    opened = open_warehouse(str(tmp_path / "w"), create=True, buckets=2)
    later = open_warehouse(opened.folder)
    paths = [events_file(opened), events_file(opened)]
    with monkeypatch.context() as patch:
        patch.setattr(Warehouse, "_apply", failing(errno.EIO))
        with pytest.raises(CutShort):
            opened.publish("r1", [Change("events", ((0,),), (paths[0],))])
    with pytest.raises(RunFailed, match="was changed by another run"):
        later.publish("r2", [Change("events", ((0,),), (paths[1],))])
    assert open_warehouse(opened.folder).finish_interrupted() == []


def test_who_hangs_while_publishing_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    opened = open_warehouse(str(tmp_path / "w"), create=True, buckets=2)
    monkeypatch.setattr(transforms.publish_lock, "LOCK_TIMEOUT_S", 0.1)
    with open(f"{opened.folder}/journal/lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RunFailed, match="look for one that hangs"):
            open_warehouse(opened.folder)
    assert open_warehouse(opened.folder).buckets == 2


def test_a_half_written_journal_is_none(tmp_path, monkeypatch):
    opened = open_warehouse(str(tmp_path / "w"), create=True, buckets=2)
    journal = tmp_path / "w" / "journal"

    class Killed(BaseException):
        pass

    def kill(descriptor):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", kill)
        with pytest.raises(Killed):
            opened.publish("r1", [Change("events", ((0,),), ())])
    assert list(journal.glob("*.json")) == []
    assert open_warehouse(opened.folder).finish_interrupted() == []


def test_a_creation_that_was_killed_can_be_made_again(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(transforms.warehouse, "write_config", failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            open_warehouse(str(tmp_path / "w"), create=True, buckets=4)
    assert open_warehouse(str(tmp_path / "w"), create=True, buckets=2).buckets == 2


def test_a_table_that_is_made_has_its_partitions_from_the_first(tmp_path, monkeypatch):
    opened = open_warehouse(str(tmp_path / "w"), create=True, buckets=2)
    monkeypatch.setattr(Warehouse, "_commit", failing(errno.EIO))
    with pytest.raises(CutShort):
        opened.publish("r1", [Change("quarantine", (), ("x",))])
    metadata = opened.catalog.load_table("restricted.quarantine").metadata
    assert [field.name for field in metadata.spec().fields] == ["run_date", "bucket"]
    assert metadata.metadata_log == []  # there was no state without them


def test_the_record_of_a_failure_may_fail_too(tmp_path, monkeypatch, capsys):
    opened = open_warehouse(str(tmp_path / "w"), create=True, buckets=2)
    monkeypatch.setattr(pipelines.execute, "publish", failing(errno.ENOSPC))

    def work():
        raise RunFailed("the reason")

    with pytest.raises(RunFailed, match="the reason"):
        execute(new_run("ingest"), opened, work, lambda outcome, status: None)
    assert capsys.readouterr().err == "the failure was not recorded either (OSError)\n"


def worker_that_dies():
    """As Beam's runner tells of it: its thread raises."""

    def run():
        raise RuntimeError("Worker subprocess exited with return code 137")

    thread = threading.Thread(name="run_worker", target=run)
    thread.start()
    thread.join()


def test_a_worker_that_dies_fails_the_run_and_is_recorded(tmp_path):
    opened = open_warehouse(str(tmp_path / "w"), create=True, buckets=2)

    def work():
        worker_that_dies()
        raise RuntimeError("what the runner makes of it")

    with pytest.raises(RunFailed, match="a worker process was killed or crashed"):
        execute(new_run("ingest"), opened, work, lambda outcome, status: None)
    assert select(tmp_path, "SELECT status FROM runs") == [("failed",)]


def test_a_runner_that_does_not_notice_is_not_waited_for(monkeypatch):
    left = threading.Event()
    monkeypatch.setattr(pipelines.workers, "NOTICE_S", 0.05)
    monkeypatch.setattr(pipelines.workers, "_leave", left.set)
    with pipelines.workers.watched_workers():
        worker_that_dies()
        assert left.wait(10)


def test_other_errors_are_not_put_down_to_workers():
    with pytest.raises(KeyError), pipelines.workers.watched_workers():
        raise KeyError("x")


def test_what_fails_after_the_publication_does_not_say_that_nothing_is_published(
    tmp_path, ingest, capsys
):
    assert ingest(1)[0] == 0
    night = ["nightly", "--quiet", "--warehouse", str(tmp_path / "w")]
    assert main([*night, "--fhir", str(tmp_path / "export"), "-o", "/dev/full"]) == 1
    said = capsys.readouterr()
    assert "published after" in said.out
    assert "is published, but what follows it failed (No space left on device)" in said.err
    assert "nothing was published" not in said.err

import datetime

import pyarrow.parquet as pq

from tests.builders import event_frame, table_frame
from transforms import schemas
from transforms.bucket_tables import Tables, empty, from_ipc, no_pixels, read_tables, to_ipc

TIME = datetime.datetime(2024, 1, 1)


def test_tables_without_files_have_the_columns():
    found = read_tables({}, with_labels=True)
    assert found.events.schema == empty(schemas.EVENTS).schema == Tables().events.schema
    assert found.images.columns == schemas.IMAGES.names
    assert found.labels.columns == schemas.LABELS.names
    assert found.events.height == 0


def test_labels_are_of_the_model_alone(tmp_path):
    rows = [
        {"bucket": 0, "subject_id": n, "model": model, "prediction_time": TIME}
        for n, model in enumerate(["readmission", "treatment"])
    ]
    pq.write_table(table_frame("labels", rows).to_arrow(), tmp_path / "l.parquet")
    event_frame([{"subject_id": 5}]).write_parquet(tmp_path / "e.parquet")
    files = {"labels": [str(tmp_path / "l.parquet")], "events": [str(tmp_path / "e.parquet")]}
    found = read_tables(files, with_labels=True).seen_by("treatment")
    assert found.labels["subject_id"].to_list() == [1]
    assert found.events["subject_id"].to_list() == [5]
    assert read_tables(files, with_labels=False).labels.height == 0


def test_pixels_out_of_reach_are_none_for_every_row():
    assert list(no_pixels(event_frame([{}, {}]), size=8, max_frames=1)) == [None, None]


def test_what_is_gathered_of_many_buckets_is_one():
    parts = [Tables(events=event_frame([{"subject_id": n}])) for n in (3, 4)]
    found = from_ipc(to_ipc(part) for part in [*parts, Tables()])
    assert found.events.equals(event_frame([{"subject_id": 3}, {"subject_id": 4}]))
    assert found.counts.columns == schemas.COUNTS.names
    assert to_ipc(Tables()) == {}

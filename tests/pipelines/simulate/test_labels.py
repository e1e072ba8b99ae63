import datetime

from pipelines.simulate.labels import label_of, write_labels
from transforms.read_labels import read_label_file


def test_the_file_is_one_that_ingest_reads(tmp_path, keys):
    noon = datetime.datetime(2024, 3, 1, 12)
    label = label_of(
        {"id": "p1"},
        {"resourceType": "Communication", "id": "c1"},
        noon.replace(tzinfo=datetime.UTC),
        "Common Cold",
    )
    path = tmp_path / "assistant.csv"
    write_labels(path, [label])
    (row,) = read_label_file(str(path), keys).iter_rows(named=True)
    assert (row["model"], row["categorical_value"]) == ("assistant", "Common Cold")
    assert row["subject_id"] == keys.subject_id("p1")
    assert row["entity_id"] == keys.resource_id("Communication", "c1")
    assert row["prediction_time"] == noon

"""Label files: forms of ids, times and values; what is wrong is named."""

import datetime

import polars as pl
import pytest

from transforms.errors import UsageError
from transforms.read_labels import read_label_file

NOON = datetime.datetime(2024, 1, 31, 12)


def csv(tmp_path, text, name="readmission.csv"):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_ids_are_hashed_by_what_they_name(tmp_path, keys):
    uri = csv(
        tmp_path,
        "subject_id,entity_id,prediction_time,boolean_value\n"
        "p1,Encounter/e1,2024-01-31T12:00:00,true\n"
        "Patient/p1,1.2.840.3,2024-01-31 12:00:00,FALSE\n"
        "p1,,2024-01-31T13:00:00+01:00,\n"
        "p1,,2024-01-31T12:00:00Z,1\n",
    )
    found = read_label_file(uri, keys)
    subject = keys.subject_id("p1")
    assert found["subject_id"].to_list() == [subject] * 4
    assert found["entity_id"].to_list() == [
        keys.resource_id("Encounter", "e1"),
        keys.uid("1.2.840.3"),
        None,
        None,
    ]
    assert found["prediction_time"].to_list() == [NOON] * 4
    assert found["boolean_value"].to_list() == [True, False, None, True]
    assert found["model"].to_list() == ["readmission"] * 4
    assert found["position"].to_list() == [0, 1, 2, 3]


def test_ids_of_the_warehouse_stay_as_they_are(tmp_path, keys):
    path = tmp_path / "labels.parquet"
    pl.DataFrame(
        {
            "subject_id": [2**62 + 1],
            "entity_id": [5],
            "prediction_time": [NOON],
            "categorical_value": ["high"],
            "model": ["treatment"],
        }
    ).write_parquet(path)
    (row,) = read_label_file(str(path), keys).iter_rows(named=True)
    assert (row["subject_id"], row["entity_id"]) == (2**62 + 1, 5)
    assert (row["model"], row["categorical_value"]) == ("treatment", "high")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subject_id\np\n", "no column prediction_time"),
        ("prediction_time\n2024-01-01T00:00:00\n", "no column subject_id"),
        ("subject_id,prediction_time\np,soon\n", "prediction_time is not a time"),
        ("subject_id,prediction_time\n,2024-01-01T00:00:00\n", "subject_id is empty in 1 rows"),
        (
            "subject_id,prediction_time,boolean_value\np,2024-01-01T00:00:00,maybe\n",
            "boolean_value does not hold Boolean",
        ),
        (
            "subject_id,prediction_time,float_value\np,2024-01-01T00:00:00,many\n",
            "float_value does not hold Float32",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path, keys, text, message):
    with pytest.raises(UsageError, match=message):
        read_label_file(csv(tmp_path, text), keys)

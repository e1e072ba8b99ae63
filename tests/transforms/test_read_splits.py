import polars as pl
import pytest

from transforms.errors import UsageError
from transforms.keys import Keys
from transforms.read_splits import read_split_file
from transforms.splits import SPLITS

KEYS = Keys(b"0123456789abcdef")


def no_keys():
    raise AssertionError("int64 ids need no key")


def test_ids_of_the_warehouse_are_taken_as_they_are(tmp_path):
    path = tmp_path / "splits.parquet"
    rows = {"subject_id": [9, 2, 2**62], "split": ["held_out", "train", "tuning"]}
    pl.DataFrame(rows).write_parquet(path)
    found = read_split_file(str(path), no_keys)
    names = [SPLITS[i] for i in found.of(found.subject_id)]
    assert dict(zip(found.subject_id.tolist(), names, strict=True)) == {
        2: "train",
        9: "held_out",
        2**62: "tuning",
    }


def test_patient_ids_are_hashed(tmp_path):
    path = tmp_path / "splits.csv"
    path.write_text("subject_id,split\np1,held_out\nPatient/p2,train\n")
    found = read_split_file(str(path), lambda: KEYS)
    assert found.subject_id.tolist() == sorted([KEYS.subject_id("p1"), KEYS.subject_id("p2")])
    assert found.of(found.subject_id[found.subject_id == KEYS.subject_id("p1")]).tolist() == [2]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("subject_id\np1\n", "no column split"),
        ("subject_id,split\np1,test\n", "1 values of split are none of train, tuning, held_out"),
        ("subject_id,split\np1,train\nPatient/p1,held_out\n", "in two splits"),
        ("subject_id,split\n,train\n", "no id"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_naming_a_subject(tmp_path, text, reason):
    path = tmp_path / "splits.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=reason) as error:
        read_split_file(str(path), lambda: KEYS)
    assert "p1" not in str(error.value)

"""Files of pairs: exact rows, one fate for each, reasons without values."""

import datetime

import polars as pl
import pytest

from transforms.errors import UsageError
from transforms.read_pairs import check_pair_file, read_pair_rows
from transforms.table_files import TableFile

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
EGFR = "MRPSGTAGAALLALLAALCPASRA"


def read(tmp_path, text, keys):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    return read_pair_rows(TableFile("--pairs", str(path), ["compound", "target"]), keys)


def test_a_whole_row_and_one_of_names_alone(tmp_path, keys):
    found = read(
        tmp_path,
        "target,compound,smiles,sequence,affinity,time,split,source\n"
        f"EGFR, aspirin ,{ASPIRIN},{EGFR},7.25,2024-01-31,held_out,davis\n"
        "EGFR,ibuprofen,,,,,,\n",
        keys,
    )
    assert dict(found.schema) == {
        "pair_id": pl.Int64,
        "compound": pl.String,
        "target": pl.String,
        "smiles": pl.String,
        "sequence": pl.String,
        "affinity": pl.Float32,
        "time": pl.Datetime("us"),
        "split": pl.String,
        "refused": pl.String,
        "skipped": pl.String,
    }
    known = datetime.datetime(2024, 1, 31, 23, 59, 59, 999999)
    first, second = keys.pair_id("aspirin", "EGFR"), keys.pair_id("ibuprofen", "EGFR")
    assert found.rows() == [
        (first, "aspirin", "EGFR", ASPIRIN, EGFR, 7.25, known, "held_out", None, None),
        (second, "ibuprofen", "EGFR", *[None] * 7),
    ]


def test_names_that_run_together_are_different_pairs(keys):
    assert keys.pair_id("a/b", "c") != keys.pair_id("a", "b/c")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",EGFR,,,,,", "compound is empty"),
        ("a, ,,,,,", "target is empty"),
        ("a,b,,,strong,,", "affinity is no finite number"),
        ("a,b,,,inf,,", "affinity is no finite number"),
        ("a,b,,,,31.01.2024,", "time is no date and no time"),
        ("a,b,,,,,test", "split is none of train, tuning, held_out"),
        ("a,b,C1CC,,,,", "smiles: RDKit cannot read the SMILES"),
        ("a,b,,MK4FFDSRREQ,,,", "sequence: the sequence has characters that are no amino acids"),
        ("a,b,C1CC,,x,,", "affinity is no finite number"),  # one reason is enough
    ],
)
def test_a_row_that_cannot_be_used_is_refused_alone(tmp_path, keys, row, reason):
    header = "compound,target,smiles,sequence,affinity,time,split\n"
    bad, good = read(tmp_path, f"{header}{row}\na,b,CCO,{EGFR},5,2024-01-31,train\n", keys)[
        "refused"
    ]
    assert bad.startswith(reason)
    assert good is None


def test_parquet_with_numbers_as_names(tmp_path, keys):
    path = tmp_path / "pairs.parquet"
    frame = pl.DataFrame({"compound": [2244], "target": ["EGFR"], "affinity": [float("nan")]})
    frame.write_parquet(path)
    found = read_pair_rows(TableFile("--pairs", str(path), []), keys)
    assert found.select("compound", "affinity", "refused").rows() == [("2244", None, None)]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"compound": ["a"]}, "no column target"),
        ({"compound": [1.5], "target": ["b"]}, "compound does not hold text"),
        (
            {"compound": ["a"], "target": ["b"], "affinity": [True]},
            "affinity does not hold numbers",
        ),
        ({"compound": ["a"], "target": ["b"], "time": [2024]}, "time does not hold times"),
    ],
)
def test_columns_that_cannot_be_meant_are_named_before_any_work(tmp_path, frame, message):
    path = tmp_path / "pairs.parquet"
    pl.DataFrame(frame).write_parquet(path)
    with pytest.raises(UsageError, match=f"--pairs .*/pairs.parquet: {message}"):
        check_pair_file(str(path))

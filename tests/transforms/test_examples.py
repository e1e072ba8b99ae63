import datetime
import types

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms.errors import RunFailed, UsageError
from transforms.examples import (
    batches_of,
    check_example_files,
    example_schema,
    label_known,
    read_examples,
    to_table,
)
from transforms.splits import SPLITS, split_index

FEATURES = pa.schema([("x", pa.float32()), ("n", pa.int64()), ("s", pa.string())])
DEFINITION = types.SimpleNamespace(
    __name__="model_defs.tried", FEATURES=FEATURES, LABEL=pa.field("ill", pa.bool_())
)
TIME = datetime.datetime(2024, 1, 1)


def frame(**columns):
    found = {
        "subject_id": [1, None],
        "entity_id": [1, 2],
        "prediction_time": [TIME, TIME],
        "x": [1.0, None],
        "n": [1, 2],
        "s": ["a", None],
        "ill": [True, None],
    }
    return pl.DataFrame({**found, **columns})


def test_missing_features_become_what_the_graph_sees():
    table = to_table(frame(), DEFINITION, DEFINITION.LABEL)
    assert table.schema.equals(example_schema(FEATURES, DEFINITION.LABEL))
    assert np.isnan(table["x"].to_pylist()[1])
    assert table["x"].null_count == 0
    assert table["s"].to_pylist() == ["a", ""]
    assert table["ill"].to_pylist() == [True, None]
    assert label_known(table, DEFINITION.LABEL).num_rows == 1


def test_the_split_follows_from_the_subject_unless_it_is_given():
    table = to_table(frame(), DEFINITION, DEFINITION.LABEL)
    assert table["target_time"].null_count == 2
    # Where there is no subject, the entity stands for it.
    assert table["split"].to_pylist() == [SPLITS[i] for i in split_index(np.array([1, 2]))]
    given = frame(split=[None, "held_out"], target_time=[TIME, None])
    table = to_table(given, DEFINITION, DEFINITION.LABEL)
    assert table["split"].to_pylist() == [None, "held_out"]
    assert table["target_time"].to_pylist() == [TIME, None]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"n": [1, None]}, r"tried: examples have nulls in n \(int64\)"),
        ({"entity_id": [1, None]}, "nulls in entity_id"),
        ({"x": ["one", "two"]}, "tried: examples give x as .*string.*, not float"),
    ],
)
def test_a_definition_that_breaks_its_schema_is_named(columns, message):
    with pytest.raises(RunFailed, match=message):
        to_table(frame(**columns), DEFINITION, DEFINITION.LABEL)


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(RunFailed, match="tried: examples lack the columns n, s"):
        to_table(frame().drop("n", "s"), DEFINITION, DEFINITION.LABEL)


def test_batches_are_bounded_in_rows_and_bytes():
    narrow = pa.table({"x": np.zeros(40_000, np.float32)})
    assert [b.num_rows for b in batches_of(narrow)] == [16_384, 16_384, 7_232]
    wide = pa.table({"x": [bytes(1 << 20)] * 20})
    assert [b.num_rows for b in batches_of(wide)] == [7, 7, 6]
    assert list(batches_of(narrow.slice(0, 0))) == []


def test_examples_are_read_in_the_order_of_the_files(tmp_path):
    schema = example_schema(FEATURES)
    table = to_table(frame(), DEFINITION, DEFINITION.LABEL).select(schema.names)
    table = table.drop_columns("target_time")  # a file from elsewhere need not have it
    paths = []
    for number in range(2):
        paths.append(str(tmp_path / f"{number}.parquet"))
        pq.write_table(table.slice(number, 1), paths[-1])
    found = read_examples(paths, schema)
    assert found["entity_id"].to_pylist() == [1, 2]
    assert found.schema.equals(schema)
    assert read_examples([], schema).num_rows == 0


def test_a_quantity_that_is_no_number_is_not_known():
    label = pa.field("dose", pa.float32())
    table = pa.table({"dose": pa.array([float("nan"), None, 1.0, float("inf")], pa.float32())})
    assert label_known(table, label)["dose"].to_pylist() == [1.0]


def test_a_file_of_examples_without_a_feature_is_refused_by_name(tmp_path):
    schema = pa.schema([("x", pa.float32()), ("s", pa.string())])
    good, bad, other = (str(tmp_path / name) for name in ("good", "bad", "other"))
    pq.write_table(schema.empty_table(), good)
    pq.write_table(schema.empty_table().select(["x"]), bad)
    (tmp_path / "other").write_bytes(b"no Parquet")
    check_example_files([good], schema)
    with pytest.raises(UsageError, match="bad: no column s"):
        check_example_files([good, bad], schema)
    with pytest.raises(UsageError, match="other: is no Parquet file"):
        check_example_files([other], schema)

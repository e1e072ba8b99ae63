import numpy as np
import pyarrow as pa
import pytest

from transforms import tensors
from transforms.errors import UsageError

FEATURES = pa.schema(
    [
        ("x", pa.float32()),
        ("s", pa.string()),
        ("n", pa.int64()),
        ("raw", pa.binary()),
        ("v", pa.list_(pa.float32(), 2)),
        ("t", pa.string()),
    ]
)
BATCH = pa.RecordBatch.from_pylist(
    [
        {"x": 1.5, "s": "a", "n": 3, "raw": b"\0\1", "v": [1, 2], "t": None},
        {"x": None, "s": "é", "n": 4, "raw": None, "v": [3, 4], "t": "é"},
        {"x": 2.5, "s": "a", "n": 5, "raw": b"", "v": [5, 6], "t": "z"},
    ],
    schema=FEATURES,
)
EXPECTED = {
    "x": [1.5, np.nan, 2.5],
    "s": [b"a", "é".encode(), b"a"],
    "n": [3, 4, 5],
    "raw": [b"\0\1", b"", b""],
    "v": [[1, 2], [3, 4], [5, 6]],
    "t": [b"", "é".encode(), b"z"],
}


def check(found):
    assert set(found) == set(EXPECTED)
    for name, expected in EXPECTED.items():
        np.testing.assert_array_equal(found[name].numpy(), np.array(expected), err_msg=name)


def test_columns_become_dense_tensors():
    check(tensors.to_tensors(BATCH, FEATURES))


def test_packing_and_unpacking_change_nothing():
    import tensorflow as tf

    encoded = tensors.encode_text(BATCH, FEATURES)
    packed = tensors.pack(encoded, FEATURES)
    assert set(packed) == {"n", "raw", "v", tensors.NUMBERS, tensors.WORDS, tensors.INDICES}
    unpack = tf.function(
        lambda given: tensors.unpack(given, FEATURES),
        input_signature=[tensors.packed_specs(FEATURES)],
    )
    check(unpack(packed))
    check(unpack(tensors.pack(tensors.encode_text(encoded, FEATURES), FEATURES)))


def test_a_slice_packs_its_own_rows():
    features = pa.schema([FEATURES.field("s"), FEATURES.field("x")])
    encoded = tensors.encode_text(BATCH, features).slice(1, 1)
    found = tensors.unpack(tensors.pack(encoded, features), features)
    assert found["s"].numpy().tolist() == ["é".encode()]
    assert np.isnan(found["x"].numpy()).tolist() == [True]


def test_specs_have_the_types_of_the_schema():
    import tensorflow as tf

    found = tensors.tensor_specs(FEATURES)
    assert found["v"] == tf.TensorSpec([None, 2], tf.float32, "v")
    assert found["raw"] == tf.TensorSpec([None], tf.string, "raw")
    assert found["n"] == tf.TensorSpec([None], tf.int64, "n")


@pytest.mark.parametrize("kind", [pa.float64(), pa.bool_()])
def test_a_type_that_no_feature_can_have_is_named(kind):
    with pytest.raises(UsageError, match=f"feature f has type {kind}"):
        tensors.feature_spec(pa.schema([("f", kind)]))


def test_lists_for_tfx_hold_the_values():
    features = pa.schema([FEATURES.field(name) for name in ("x", "v", "s")])
    found = tensors.to_list_batch(BATCH.select(["x", "v", "s"]), features)
    assert found.column("v").to_pylist() == [[1, 2], [3, 4], [5, 6]]
    assert found.column("s").to_pylist() == [[b"a"], ["é".encode()], [b"a"]]
    assert found.column("x").to_pylist()[2] == [2.5]


def test_outputs_become_flat_lists():
    found = tensors.from_tensors({"m": np.arange(8).reshape(2, 2, 2), "b": np.array([b"x", b"y"])})
    assert found.column("m").to_pylist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert found.column("b").to_pylist() == [[b"x"], [b"y"]]


def test_labels_by_type():
    def values(data, kind, classes=()):
        column = pa.chunked_array([pa.array(data, kind)])
        return tensors.label_values(column, pa.field("y", kind), classes)

    assert values([True, False], pa.bool_()).tolist() == [1.0, 0.0]
    assert values(["b", "a", "new"], pa.string(), ("a", "b")).tolist() == [1, 0, -1]
    assert values([1.5], pa.float32()).dtype == np.float32
    with pytest.raises(UsageError, match="label y has type int8"):
        values([1], pa.int8())


def test_dictionaries_of_bytes_give_the_same_tensors():
    place = FEATURES.get_field_index("raw")
    encoded = BATCH.set_column(place, "raw", BATCH.column("raw").dictionary_encode())
    assert pa.types.is_dictionary(encoded.column("raw").type)
    check(tensors.to_tensors(encoded, FEATURES))
    whole = encoded.slice(0, 1)  # without nulls it is not decoded
    assert tensors.to_tensors(whole, FEATURES)["raw"].numpy().tolist() == [b"\0\1"]

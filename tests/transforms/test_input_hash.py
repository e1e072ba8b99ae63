import subprocess
import sys

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
from hypothesis import given

from transforms.input_hash import hash_rows, mix64

EXAMPLE = (
    "import pyarrow as pa; from transforms.input_hash import hash_rows;"
    "print(hash_rows(pa.record_batch({'a': pa.array([1.5, None], pa.float32()),"
    " 'b': ['é', None], 'c': pa.array([7, 8])})).tolist())"
)
KNOWN = [3818842968176681786, -8489105583435471216]


def one(**columns):
    return hash_rows(pa.record_batch(columns)).tolist()


def test_the_hash_is_the_same_in_every_process():
    found = [
        subprocess.run(
            [sys.executable, "-c", EXAMPLE], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert found == [str(KNOWN)] * 2


def test_values_and_columns_matter():
    hashes = [
        *one(a=[1.0], b=[2.0]),
        *one(a=[2.0], b=[1.0]),
        *one(a=[1.0], c=[2.0]),
        *one(a=[1.0], b=pa.array([None], pa.float64())),
        *one(a=["1"], b=["2"]),
    ]
    assert len(set(hashes)) == len(hashes)
    assert one(a=[1.0], b=[2.0]) == one(b=[2.0], a=[1.0])  # their order does not


def test_missing_is_one_value_and_zero_has_no_sign():
    nan = np.array([np.nan, -np.nan], np.float32)
    payload = np.array([0x7FC00001], np.uint32).view(np.float32)
    missing = {
        *one(a=pa.array([None], pa.float32())),
        *one(a=nan),
        *one(a=payload),
    }
    assert len(missing) == 1
    assert one(a=[0.0]) == one(a=[-0.0])


def test_every_way_of_holding_text_hashes_alike():
    text = pa.array(["x", None, "é"])
    kinds = [pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()]
    hashes = [one(a=text), one(a=text.dictionary_encode()), *(one(a=text.cast(k)) for k in kinds)]
    assert all(found == hashes[0] for found in hashes)


def test_lists_hash_by_position():
    kind = pa.list_(pa.float32(), 3)
    found = one(a=pa.array([[1, 2, 3], [3, 2, 1], [1, 2, 3]], kind))
    assert found[0] == found[2] != found[1]


@given(
    st.lists(st.tuples(st.floats(width=32), st.text(max_size=3), st.integers(-9, 9)), min_size=1),
    st.integers(0, 20),
)
def test_a_row_hashes_alike_wherever_it_stands(rows, cut):
    floats, texts, numbers = zip(*rows, strict=True)
    batch = pa.record_batch(
        {"a": pa.array(floats, pa.float32()), "b": pa.array(texts), "c": pa.array(numbers)}
    )
    cut = min(cut, len(rows))
    parts = [*hash_rows(batch.slice(0, cut)), *hash_rows(batch.slice(cut))]
    assert hash_rows(batch).tolist() == parts


def test_similar_rows_do_not_collide():
    grid = np.arange(300, dtype=np.float32)
    a, b = np.meshgrid(grid, grid)
    found = one(a=a.ravel(), b=b.ravel())
    assert len(set(found)) == 90_000


def test_mix64_is_a_bijection_that_spreads_bits():
    values = np.arange(10_000, dtype=np.uint64)
    mixed = mix64(values)
    assert len(np.unique(mixed)) == 10_000
    flipped = mix64(values ^ np.uint64(1)) ^ mixed
    bits = np.unpackbits(flipped.view(np.uint8)).mean()
    assert abs(bits - 0.5) < 0.01

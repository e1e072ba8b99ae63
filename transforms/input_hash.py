"""A stable 64-bit hash of every row of a table, computed column by column.

It depends on the names and values of the columns alone: not on the process, the machine, the
versions of libraries, or how rows are cut into batches. Equal rows have equal hashes; missing
values (null, NaN) are all the same value.

Source: the finaliser of SplitMix64, https://prng.di.unimi.it/splitmix64.c; XXH64 for bytes,
https://github.com/Cyan4973/xxHash
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

UInt64 = npt.NDArray[np.uint64]

_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_MISSING = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0x9FB21C651E98DF25)
_FOLD = np.uint64(32)
_ALL = 2**64 - 1
_TEXT = (
    *(pa.string(), pa.large_string(), pa.string_view()),
    *(pa.binary(), pa.large_binary(), pa.binary_view()),
)


def mix64(values: UInt64) -> UInt64:
    """A bijection of uint64 that spreads every bit over all bits.

    >>> int(mix64(np.array([1], np.uint64))[0])
    6238072747940578789
    """
    mixed = values ^ (values >> _SHIFTS[0])
    mixed *= _MULTIPLIERS[0]
    mixed ^= mixed >> _SHIFTS[1]
    mixed *= _MULTIPLIERS[1]
    mixed ^= mixed >> _SHIFTS[2]
    return mixed


def hash_rows(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Rows -> int64 hashes, one for each.

    Columns are numbers, booleans, strings, binary, timestamps, dictionaries of strings, or
    fixed-size lists of numbers.

    >>> batch = pa.record_batch({"a": [1.0, 1.0, None], "b": ["x", "x", "y"]})
    >>> first, second, third = hash_rows(batch).tolist()
    >>> first == second != third
    True
    """
    rows = batch.num_rows
    state, scratch = np.zeros(rows, np.uint64), np.empty(rows, np.uint64)
    pair = np.zeros((rows, 2), np.uint32)
    seed, filled = 0, 0
    names = sorted(batch.schema.names)
    for name in names:
        key = xxhash.xxh64_intdigest(name.encode())
        for number, bits in enumerate(_column_bits(batch.column(name))):
            seed = (seed * 31 + key + number) & _ALL
            if bits.dtype == np.uint32:
                # Two narrow columns share a round.
                pair[:, filled] = bits
                filled += 1
                if filled == 2:
                    _round(state, pair.view(np.uint64)[:, 0], seed, scratch)
                    filled = 0
            else:
                _round(state, bits, seed, scratch)
    if filled:
        pair[:, 1] = 0
        _round(state, pair.view(np.uint64)[:, 0], seed, scratch)
    return mix64(state).view(np.int64)


def _round(
    state: UInt64, bits: npt.NDArray[np.unsignedinteger], seed: int, scratch: UInt64
) -> None:
    """Takes one column into the state; in place, as this is where the time goes."""
    np.bitwise_xor(bits, np.uint64(seed), out=scratch)
    state ^= scratch
    state *= _STEP
    np.right_shift(state, _FOLD, out=scratch)
    state ^= scratch


def _column_bits(column: pa.Array) -> list[npt.NDArray[np.unsignedinteger]]:
    kind = column.type
    if pa.types.is_fixed_size_list(kind):
        flat = _number_bits(column.flatten())
        return list(flat.reshape(len(column), kind.list_size).T)
    if pa.types.is_dictionary(kind):
        return [_dictionary_bits(column)]
    if kind in _TEXT:
        return [_dictionary_bits(column.cast(pa.large_binary()).dictionary_encode())]
    return [_number_bits(column)]


def _number_bits(column: pa.Array) -> npt.NDArray[np.unsignedinteger]:
    """Bit patterns: uint32 of float32, uint64 of everything else."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if pa.types.is_floating(column.type):
        values = column.to_numpy(zero_copy_only=False)
        bits = (values + values.dtype.type(0)).view(f"u{values.dtype.itemsize}")  # -0.0 is 0.0
        missing = np.isnan(values)
        if missing.any():
            np.copyto(bits, np.iinfo(bits.dtype).max, where=missing)
        return bits
    if column.null_count:
        values = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
        missing = pc.is_null(column).to_numpy(zero_copy_only=False)
        return np.where(missing, _MISSING, values.astype(np.int64).view(np.uint64))
    return column.to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64)


def _dictionary_bits(column: pa.DictionaryArray) -> UInt64:
    """XXH64 of the bytes of each row's value, computed once for each distinct one."""
    values = column.dictionary
    if not len(values):
        return np.full(len(column), _MISSING)
    hashes = np.fromiter(
        (xxhash.xxh64_intdigest(value.as_buffer()) for value in values), np.uint64, len(values)
    )
    bits = hashes[pc.fill_null(column.indices, 0).to_numpy(zero_copy_only=False)]
    if column.null_count:
        bits[pc.is_null(column).to_numpy(zero_copy_only=False)] = _MISSING
    return bits

"""Fields of FEATURES, with the unit and meaning that each must state."""

import pyarrow as pa


def field(name: str, dtype: pa.DataType, unit: str, meaning: str) -> pa.Field:
    """A field whose metadata say its unit (UCUM, or what it counts) and meaning.

    >>> field("age_years", pa.float32(), "a", "age").metadata
    {b'unit': b'a', b'meaning': b'age'}
    """
    return pa.field(name, dtype, metadata={"unit": unit, "meaning": meaning})


def quantity(name: str, unit: str, meaning: str) -> pa.Field:
    """A float32, NaN where it is missing."""
    return field(name, pa.float32(), unit, meaning)


def category(name: str, meaning: str) -> pa.Field:
    """A string, "" where it is missing."""
    return field(name, pa.string(), "category", meaning)

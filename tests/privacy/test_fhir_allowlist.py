"""The allow-list of FHIR says exactly what the structs read."""

from collections.abc import Iterator

import pytest
from msgspec import UnsetType, inspect

from transforms.fhir import datatypes
from transforms.fhir.allowlist import ELEMENTS
from transforms.fhir.kinds import MAPPED, Bundle
from transforms.schemas import TABLES

_STRUCTS = {**MAPPED, "Bundle": Bundle}
_DATA_TYPES = {
    found
    for found in vars(datatypes).values()
    if isinstance(found, type) and issubclass(found, datatypes.Element)
} - {datatypes.Element, datatypes.Resource, datatypes.Meta}


def elements_of(
    found: inspect.Type, path: str = "", inside: frozenset[type] = frozenset()
) -> Iterator[tuple[str, inspect.Type]]:
    """Paths that a struct reads, down to the data types; an element within itself once."""
    if isinstance(found, inspect.UnionType):
        for one in found.types:
            yield from elements_of(one, path, inside)
    elif isinstance(found, inspect.VarTupleType):
        yield from elements_of(found.item_type, path, inside)
    elif isinstance(found, inspect.StructType) and found.cls not in _DATA_TYPES:
        if found.cls in inside or (inside and issubclass(found.cls, datatypes.Resource)):
            return
        for field in found.fields:
            below = f"{path}.{field.encode_name}".lstrip(".")
            yield from elements_of(field.type, below, inside | {found.cls})
    elif not isinstance(found, inspect.NoneType) and getattr(found, "cls", None) is not UnsetType:
        yield path, found


@pytest.mark.parametrize("name", _STRUCTS)
def test_list_and_struct_name_the_same_elements(name):
    read = {path for path, _ in elements_of(inspect.type_info(_STRUCTS[name]))}
    assert read - {"entry.resource"} == ELEMENTS[name].keys()


def test_every_mapped_type_is_listed():
    assert ELEMENTS.keys() == _STRUCTS.keys()


@pytest.mark.parametrize("name", _STRUCTS)
def test_the_parts_that_are_kept_are_read(name):
    found = dict(elements_of(inspect.type_info(_STRUCTS[name])))
    for path, use in ELEMENTS[name].items():
        for part in filter(None, use.kept):
            kind = found[path]
            for step in part.split("."):
                if isinstance(kind, inspect.VarTupleType):
                    kind = kind.item_type
                fields = {field.encode_name: field.type for field in kind.fields}
                kind = fields[step]
                if isinstance(kind, inspect.UnionType):
                    kind = next(t for t in kind.types if not isinstance(t, inspect.NoneType))


@pytest.mark.parametrize("name", ELEMENTS)
def test_columns_are_those_of_the_table_and_each_use_says_why(name):
    columns = {*TABLES["events"].schema.names, *TABLES["molecules"].schema.names}
    for use in ELEMENTS[name].values():
        assert use.why
        for kept in use.kept.values():
            assert set(kept) <= columns

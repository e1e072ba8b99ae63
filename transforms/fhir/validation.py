"""Conformance of whole resources, by the R4B classes of `fhir.resources`.

Source: https://github.com/nazrulworld/fhir.resources
"""

import enum
import functools
import importlib
import json
import re

import msgspec
import pydantic
from pydantic_core import ErrorDetails

from transforms.errors import InputError

SAMPLE = 256

_HEAD_BYTES = 256  # of `{"resourceType": …, "id":` with white space between
_SCANNER = json.JSONDecoder()


class Validation(enum.StrEnum):
    """How much is validated whole: a sample of 1 in 256 by id hash, only counted, or everything."""

    PROJECTION = "projection"
    FULL = "full"


class NonConformant(InputError):
    """A resource that its R4B class refuses."""


@functools.cache
def _model(resource_type: str) -> type[pydantic.BaseModel]:
    """Class of the resource type; imported when first needed, since each takes a while."""
    module = importlib.import_module(f"fhir.resources.R4B.{resource_type.lower()}")
    model: type[pydantic.BaseModel] = getattr(module, resource_type)
    return model


def problems(raw: bytes, resource_type: str) -> list[str]:
    """JSON of a resource -> `path: kind of problem` for each one found, without values."""
    try:
        _model(resource_type).model_validate(msgspec.json.decode(raw))
    except pydantic.ValidationError as error:
        return [
            f"{'.'.join([resource_type, *_path(item)])}: {item['type']}"
            for item in error.errors(include_url=False, include_context=False, include_input=False)
        ]
    return []


def _path(problem: ErrorDetails) -> list[str]:
    """Where it is; the name of an element that FHIR does not have may be any text."""
    path = [str(step) for step in problem["loc"]]
    return [*path[:-1], "(unknown)"] if problem["type"] == "extra_forbidden" else path


def locate(unit: bytes, resource_type: str, resource_id: str) -> bytes | None:
    """The resource within a Bundle's bytes, if it begins with its type and id, as most do.

    It saves a second pass over the Bundle; None means that the pass is needed.
    """
    quoted = msgspec.json.encode(resource_id)
    head = re.compile(rb'\{\s*"resourceType"\s*:\s*"%s"\s*,\s*"id"\s*:\s*' % resource_type.encode())
    at = unit.find(quoted)
    while at >= 0:
        # Looked for nearby alone, since the quoted text may stand in many thousand places.
        start = unit.rfind(b"{", max(0, at - _HEAD_BYTES), at)
        if start >= 0 and head.fullmatch(unit, start, at):
            return _object_at(unit, start)
        at = unit.find(quoted, at + 1)
    return None


def _object_at(unit: bytes, start: int) -> bytes | None:
    """The JSON object that begins at `start`; None, when Python's own parser does not take it."""
    for length in (1 << 14, 1 << 18, len(unit)):
        # A character cut in two at the end is left out: the object ends before it, or is cut too.
        text = unit[start : start + length].decode(errors="ignore")
        try:
            _, end = _SCANNER.raw_decode(text)
        except json.JSONDecodeError:  # cut short
            continue
        except (ValueError, RecursionError):  # a number of thousands of digits, too deep
            return None
        return text[:end].encode()
    return None

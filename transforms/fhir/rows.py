"""What reading FHIR gives: plain tuples in the order of the warehouse's tables."""

import dataclasses
from collections import Counter
from typing import Any

from transforms.errors import InputError

Fact = tuple[int | None, str, float | None, str | None, str | None, list[str] | None]
"""time (microseconds UTC; None: when the resource was last updated), code, numeric value, text
value, unit, further codes."""

Facts = list[Fact] | str
"""What a resource says, or the reason why it is left out."""

FEW_FACTS = 16
MAX_REPEATED = 1 << 24
"""Characters that the facts of one resource may repeat: each has the resource's own codes and
version, so that a resource of a few MB could otherwise become many GB."""

ENTERED_IN_ERROR = "entered in error"
"""Reason to leave a resource out; like any reason that a status gives, it withdraws the resource's
earlier version."""


def check_repeated(facts: list[Fact], version_id: str | None) -> None:
    """Refuses many facts with long codes.

    Raises: InputError, beyond MAX_REPEATED characters.
    """
    size = len(facts) * len(version_id or "")
    size += sum(sum(map(len, fact[5])) for fact in facts if fact[5])
    if size > MAX_REPEATED:
        raise InputError(f"its {len(facts)} facts repeat {size} characters of codes and version")


@dataclasses.dataclass
class FhirRows:
    """Rows of one or more units, until the caller takes and clears them.

    events: schemas.EVENTS without bucket and ingest_run, times in microseconds.
    pending: an event whose link is not in the unit, then subject_keys (link keys of identifiers
        that name the patient, or None), medication_key (link key of the Medication that gives the
        code, or None) and, where the patient is open, the resource's JSON, in the first event of
        the resource alone. The open subject_id is None; an open code is `<resource type>//UNKNOWN`.
    links, crosswalk, deletions: their schemas without bucket and ingest_run.
    molecules: schemas.MOLECULES without bucket and ingest_run.
    quarantine: schemas.QUARANTINE without run_date and run_id.
    read: resources by type, "?" where it is unknown. skipped: resources by reason.
    validated, conformant: resources by type checked whole against fhir.resources.
    """

    events: list[tuple[Any, ...]] = dataclasses.field(default_factory=list)
    pending: list[tuple[Any, ...]] = dataclasses.field(default_factory=list)
    links: list[tuple[Any, ...]] = dataclasses.field(default_factory=list)
    crosswalk: list[tuple[Any, ...]] = dataclasses.field(default_factory=list)
    deletions: list[tuple[Any, ...]] = dataclasses.field(default_factory=list)
    molecules: list[tuple[Any, ...]] = dataclasses.field(default_factory=list)
    quarantine: list[tuple[Any, ...]] = dataclasses.field(default_factory=list)
    read: Counter[str] = dataclasses.field(default_factory=Counter)
    skipped: Counter[str] = dataclasses.field(default_factory=Counter)
    validated: Counter[str] = dataclasses.field(default_factory=Counter)
    conformant: Counter[str] = dataclasses.field(default_factory=Counter)

    def clear(self) -> None:
        """Empty every list and counter, keeping the objects."""
        for field in dataclasses.fields(self):
            getattr(self, field.name).clear()

"""FHIR JSON, as files or NDJSON lines, to rows of the warehouse.

Every resource ends in exactly one of: written (events, pending events, a row of molecules or, for
a Medication, a link), quarantined, or skipped for a stated reason. A Bundle is a container and is
not counted; an entry without resource, such as a DELETE, is counted in its resource's place.

A unit is decoded in one pass. Only when something in it fails are its entries decoded one by
one, so that the broken one is refused alone.
"""

import contextlib
import gc
import hashlib
from collections.abc import Iterator
from typing import Any

from transforms.errors import InputError, Unresolved
from transforms.fhir.datatypes import Resource
from transforms.fhir.imaging import ImagingStudy, study_instance_uid
from transforms.fhir.kinds import KINDS, UNMAPPED, Bundle, Entry, Kind, decode_resource
from transforms.fhir.linker import Subject
from transforms.fhir.medication import Medication, drug_from_medication
from transforms.fhir.molecules import Molecule
from transforms.fhir.names import known_type
from transforms.fhir.patient import Patient, facts_from_patient
from transforms.fhir.references import Target, id_from_url, parse_reference
from transforms.fhir.rows import FEW_FACTS, FhirRows, check_repeated
from transforms.fhir.times import last_moment_us
from transforms.fhir.units import (
    UNREADABLE,
    BundleUnit,
    LinesUnit,
    ResourceUnit,
    read_head,
    too_long,
)
from transforms.fhir.validation import SAMPLE, NonConformant, Validation, problems
from transforms.fhir.versions import describe, explain
from transforms.keys import Keys
from transforms.limits import DEFAULT_LIMITS

STAGE = "read_fhir"
_BOM = b"\xef\xbb\xbf"

UNDATED = "undated"
MAX_NESTED = 8  # Bundles in one another

Unit = LinesUnit | BundleUnit
Version = tuple[int | None, str | None, int, int]
"""version_time, version_id, source_id, position."""


class FhirReader:
    """Reads FHIR R4 and R4B JSON into FhirRows.

    With Validation.FULL every mapped resource must also be accepted whole by its R4B class; by
    default 1 in 256, chosen by the hash of its id, is only counted. A resource of more than
    `longest` bytes is refused.
    """

    def __init__(
        self,
        keys: Keys,
        validation: Validation = Validation.PROJECTION,
        longest: int = DEFAULT_LIMITS.resource_bytes,
    ):
        self._keys = keys
        self._longest = longest
        self._full = validation is Validation.FULL

    def read_json(self, data: bytes, source_id: int, rows: FhirRows) -> None:
        """One file, a Bundle or a single resource; positions count the entries from 0."""
        with _collector_paused():
            self._read(data, 0, ResourceUnit(data, source_id, 0, self._keys), rows)

    def read_lines(self, data: bytes, source_id: int, offset: int, rows: FhirRows) -> None:
        """Whole NDJSON lines; the position of a resource is the byte offset of its line.

        `offset` is that of `data` in the file. A line may be a Bundle: its entries count on from
        the position of the line.
        """
        unit = LinesUnit(data, source_id, offset, self._keys)
        take, position = self._take, offset
        with _collector_paused():
            for line in data.split(b"\n"):
                try:
                    resource: Any = decode_resource(line)
                except UNREADABLE:  # also a blank line, a BOM
                    if line and not line.isspace():
                        self._read(line, position, unit, rows)
                else:
                    if type(resource) is Bundle:
                        self._read(line, position, unit, rows)
                    else:
                        take(resource, None, position, unit, rows)
                position += len(line) + 1

    def _read(self, data: bytes, position: int, unit: LinesUnit, rows: FhirRows) -> None:
        """One JSON document: decoded in one pass, and piece by piece if that fails."""
        data = data.removeprefix(_BOM)
        if len(data) > self._longest:
            self._read_piecewise(data, position, unit, rows)
            return
        try:
            resource: Any = decode_resource(data)
        except UNREADABLE:
            self._read_piecewise(data, position, unit, rows)
            return
        if type(resource) is Bundle:
            self._read_bundle(
                BundleUnit(data, resource, unit.source_id, position, self._keys), rows
            )
        else:
            self._take(resource, None, position, unit, rows)

    def _read_piecewise(self, data: bytes, position: int, unit: Unit, rows: FhirRows) -> None:
        """A document of which something does not decode, or which may hold too long a resource."""
        name, logical_id = read_head(data)
        if name != "Bundle":
            rows.read[name or "?"] += 1
            reason = too_long(data, self._longest) or explain(data)
            _quarantine(rows, unit, position, name, logical_id, reason, data)
            return
        try:
            bundle = BundleUnit(data, None, unit.source_id, position, self._keys, self._longest)
        except UNREADABLE as error:
            rows.read["?"] += 1
            _quarantine(rows, unit, position, name, logical_id, describe("Bundle", error), data)
            return
        self._read_bundle(bundle, rows)

    def _read_bundle(self, bundle: BundleUnit, rows: FhirRows) -> None:
        """Every entry of a Bundle."""
        for position, entry in enumerate(bundle.entries, bundle.first):
            request, resource = entry.request, entry.resource
            if type(resource) is Bundle:
                self._read_nested(resource, position, bundle, rows)
            elif resource is not None and (request is None or request.method != "DELETE"):
                self._take(resource, entry, position, bundle, rows)
            elif position - bundle.first in bundle.refused:
                name, logical_id, reason = bundle.refused[position - bundle.first]
                if name == "Bundle":
                    self._read_nested(None, position, bundle, rows)
                else:
                    rows.read[name or "?"] += 1
                    _quarantine(rows, bundle, position, name, logical_id, reason)
            elif request is not None and request.method == "DELETE":
                self._delete(entry, bundle, position, rows)
            else:
                rows.read["?"] += 1
                rows.skipped["entry without resource"] += 1

    def _take(
        self, resource: Any, entry: Entry | None, position: int, unit: Unit, rows: FhirRows
    ) -> None:
        """One decoded resource: counted, and written, skipped or quarantined."""
        kind = KINDS.get(type(resource))
        if kind is None:
            name = UNMAPPED[type(resource)]
            rows.read[name] += 1
            rows.skipped[f"type {name}"] += 1
            return
        rows.read[kind.name] += 1
        try:
            left_out = self._write(kind, resource, entry, position, unit, rows)
        except InputError as error:
            _quarantine(rows, unit, position, kind.name, resource.id, error)
        except ValueError as error:
            reason = InputError(str(error))
            _quarantine(rows, unit, position, kind.name, resource.id, reason)
        else:
            if left_out is not None:
                rows.skipped[left_out] += 1

    def _write(
        self,
        kind: Kind,
        resource: Any,
        entry: Entry | None,
        position: int,
        unit: Unit,
        rows: FhirRows,
    ) -> str | None:
        """The rows of one mapped resource, or the reason why it has none.

        Raises: InputError or ValueError, when it cannot be used; nothing is written then.
        """
        name, linker, logical_id = kind.name, unit.linker, resource.id
        if logical_id is None:
            logical_id = _substitute_id(entry, unit, position)
        resource_id = self._keys.hash(f"{name}/{logical_id}")
        if resource_id % SAMPLE == 0 or self._full:
            self._validate(name, logical_id, position, unit, rows)
        meta = resource.meta
        version: Version = (None, None, unit.source_id, position)
        if (
            meta is not None and (meta.last_updated is not None or meta.version_id is not None)
        ) or (entry is not None and entry.response is not None):
            version = (*_version(name, resource, entry), unit.source_id, position)
        if resource.status in kind.left_out:
            rows.deletions.append((name, resource_id, *version))
            return kind.left_out[resource.status]
        if type(resource) is Patient:
            self._write_patient(resource, logical_id, resource_id, version, rows)
            return None
        if type(resource) is Medication:
            drug = drug_from_medication(resource, name)
            key = self._keys.medication_link(logical_id)
            rows.links.append((key, "medication", None, drug.code, drug.codes or None, *version))
            return None
        reference = resource.subject
        subject: Subject | None = None
        if reference is not None:
            subject = linker.subjects.get(reference.reference)
        if subject is None:
            if kind.molecule is not None:  # asked here, where few resources come by
                molecule = kind.molecule(resource)
                return _write_molecule(molecule, name, logical_id, resource_id, version, rows)
            subject = linker.subject(reference, resource)
            if isinstance(subject, str):
                return subject
        medication_key = None
        if kind.takes_drug:
            drug = linker.drug(resource, name)
            medication_key = drug.key
            facts = kind.facts(resource, drug)
        else:
            facts = kind.facts(resource)
        if isinstance(facts, str):
            rows.deletions.append((name, resource_id, *version))
            return facts
        if len(facts) > FEW_FACTS:
            check_repeated(facts, version[1])
        if facts[0][0] is None:
            if version[0] is None:
                return UNDATED
            facts = [(version[0], *fact[1:]) for fact in facts]
        reference = resource.encounter
        encounter_id = None
        if name == "Encounter":
            encounter_id = resource_id
            if entry is not None:
                linker.encounters[entry.full_url] = resource_id
        elif reference is not None:
            text = reference.reference
            encounter_id = linker.encounters.get(text) or linker.encounter(reference)
        tail = (encounter_id, name, resource_id, *version)
        if type(subject) is int and medication_key is None:
            of_subject, add = (subject,), rows.events.append
            for fact in facts:
                add(of_subject + fact + tail)
        else:
            open_subject = None if isinstance(subject, int) else subject
            raw = None if open_subject is None else unit.raw(position)
            given = subject if isinstance(subject, int) else None
            for fact in facts:
                rows.pending.append((given, *fact, *tail, open_subject, medication_key, raw))
                raw = None  # once is enough: facts times bytes would fill the memory
        if type(resource) is ImagingStudy and isinstance(subject, int):
            uid = study_instance_uid(resource)
            if uid is not None:
                link = self._keys.study_link(uid)
                rows.links.append((link, "study", subject, None, None, *version))
        return None

    def _write_patient(
        self,
        patient: Patient,
        patient_id: str,
        resource_id: int,
        version: Version,
        rows: FhirRows,
    ) -> None:
        """Events of a Patient; its identifiers as links and, with its id, in the crosswalk."""
        subject_id = self._keys.subject_id(patient_id)
        tail = (None, "Patient", resource_id, *version)
        rows.events += [(subject_id, *fact, *tail) for fact in facts_from_patient(patient)]
        identifiers = [
            {"system": identifier.system, "value": identifier.value}
            for identifier in patient.identifier
            if identifier.value
        ]
        rows.crosswalk.append((subject_id, patient_id, identifiers, *version))
        links = {
            self._keys.identifier_link(system, identifier["value"] or "")
            for identifier in identifiers
            for system in (identifier["system"] or "", "")
        }
        rows.links += [
            (link, "identifier", subject_id, None, None, *version) for link in sorted(links)
        ]

    def _validate(
        self, name: str, logical_id: str, position: int, unit: Unit, rows: FhirRows
    ) -> None:
        """Count whether the whole resource conforms; under FULL, refuse it if not."""
        raw = unit.raw(position) if self._full else unit.sample(position, name, logical_id)
        found = problems(raw, name)
        rows.validated[name] += 1
        if not found:
            rows.conformant[name] += 1
        elif self._full:
            raise NonConformant("; ".join(found))

    def _read_nested(
        self, nested: Bundle | None, position: int, bundle: BundleUnit, rows: FhirRows
    ) -> None:
        """A Bundle within a Bundle: its entries take the positions after all others."""
        raw = bundle.raw(position)
        try:
            if bundle.depth == MAX_NESTED:
                raise InputError(f"Bundle within {MAX_NESTED} others")
            unit = BundleUnit(raw, nested, bundle.source_id, bundle.free, self._keys)
        except (InputError, *UNREADABLE) as error:
            rows.read["?"] += 1
            reason = error if isinstance(error, InputError) else describe("Bundle", error)
            _quarantine(rows, bundle, position, "Bundle", None, reason, raw)
            return
        unit.depth = bundle.depth + 1
        self._read_bundle(unit, rows)
        bundle.free = unit.free

    def _delete(self, entry: Entry, bundle: BundleUnit, position: int, rows: FhirRows) -> None:
        """A DELETE entry: withdraws the resource that its URL names."""
        request = entry.request
        try:
            target = parse_reference("" if request is None else request.url)
            if not isinstance(target, Target):
                raise ValueError("expected type and id, got a search")
            version_time, version_id = _version(target.type, None, entry)
            if version_time is None and bundle.timestamp is not None:
                version_time = last_moment_us(bundle.timestamp, "Bundle.timestamp")
        except (Unresolved, ValueError) as error:
            rows.read["?"] += 1
            reason = InputError(f"Bundle.entry.request of a DELETE: {error}")
            _quarantine(rows, bundle, position, None, None, reason)
            return
        rows.read[target.type if known_type(target.type) else "?"] += 1
        rows.skipped["deleted"] += 1
        resource_id = self._keys.resource_id(target.type, target.id)
        rows.deletions.append(
            (target.type, resource_id, version_time, version_id, bundle.source_id, position)
        )


def _write_molecule(
    molecule: Molecule | str,
    name: str,
    logical_id: str,
    resource_id: int,
    version: Version,
    rows: FhirRows,
) -> str | None:
    """The row of a molecule, named after the resource where it has no name of its own.

    One that is left out, for the reason given, withdraws its earlier version.
    """
    if isinstance(molecule, str):
        rows.deletions.append((name, resource_id, *version))
        return molecule
    known_as = molecule.name or f"{name}/{logical_id}"
    rows.molecules.append(
        (
            resource_id,
            molecule.kind,
            known_as,
            molecule.smiles,
            molecule.sequence,
            version[0],
            *version,
        )
    )
    return None


def _substitute_id(entry: Entry | None, unit: Unit, position: int) -> str:
    """Id of a resource that has none: that of its fullUrl, else a hash of its content."""
    found = None if entry is None else id_from_url(entry.full_url)
    return found or hashlib.sha256(unit.raw(position)).hexdigest()


def _version(
    name: str, resource: Resource | None, entry: Entry | None
) -> tuple[int | None, str | None]:
    """Time (microseconds UTC) and id of the version; a history has them in `entry.response`."""
    updated = version_id = None
    if resource is not None and resource.meta is not None:
        updated, version_id = resource.meta.last_updated, resource.meta.version_id
    if entry is not None and entry.response is not None:
        updated = updated or entry.response.last_modified
        if version_id is None and entry.response.etag:
            version_id = entry.response.etag.removeprefix("W/").strip('"')
    return None if updated is None else last_moment_us(
        updated, f"{name}.meta.lastUpdated"
    ), version_id


def _quarantine(
    rows: FhirRows,
    unit: Unit,
    position: int,
    name: str | None,
    logical_id: str | None,
    reason: InputError,
    raw: bytes | None = None,
) -> None:
    """One refused resource with its bytes."""
    if raw is None:
        raw = unit.raw(position)
    error_class = type(reason).__name__
    rows.quarantine.append(
        (unit.source_id, position, STAGE, name, logical_id, error_class, str(reason), raw)
    )


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Reading makes no cyclic garbage, so that looking for it would be time lost."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

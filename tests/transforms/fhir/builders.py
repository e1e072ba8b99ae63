"""FHIR resources for the tests, and what reading them gives."""

import datetime
import json
from typing import Any

from transforms.fhir.kinds import KINDS, decode_resource
from transforms.fhir.medication import Drug
from transforms.fhir.reader import FhirReader
from transforms.fhir.rows import Fact, Facts, FhirRows
from transforms.fhir.validation import Validation
from transforms.keys import Keys

KEYS = Keys(b"a key that is used in tests alone")
PATIENT = {"reference": "Patient/p1"}
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"

Json = dict[str, Any]


def us(text: str) -> int:
    """ISO time in UTC -> microseconds since 1970, by datetime's own reckoning."""
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(
        microseconds=1
    )


def last_us(day: str) -> int:
    """ISO day -> its last microsecond."""
    return us(day) + 86_400_000_000 - 1


def concept(system: str | None, code: str, *more: tuple[str, str], text: str = "") -> Json:
    codings = [{"system": system, "code": code}] if system else [{"code": code}]
    codings += [{"system": other, "code": value} for other, value in more]
    return {"coding": codings, **({"text": text} if text else {})}


def patient(**elements: Any) -> Json:
    return {"resourceType": "Patient", "id": "p1", **elements}


def encounter(**elements: Any) -> Json:
    return {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "class": {"code": "IMP"},
        "subject": PATIENT,
        "period": {"start": "2020-03-01T08:00:00Z", "end": "2020-03-04T12:00:00Z"},
        **elements,
    }


def condition(**elements: Any) -> Json:
    return {
        "resourceType": "Condition",
        "id": "c1",
        "subject": PATIENT,
        "code": concept(SNOMED, "44054006"),
        "onsetDateTime": "2020-03-01T08:00:00Z",
        **elements,
    }


def observation(**elements: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "subject": PATIENT,
        "code": concept(LOINC, "8302-2"),
        "effectiveDateTime": "2020-03-01T08:00:00Z",
        **elements,
    }


def procedure(**elements: Any) -> Json:
    return {
        "resourceType": "Procedure",
        "id": "pr1",
        "status": "completed",
        "subject": PATIENT,
        "code": concept(SNOMED, "80146002"),
        "performedDateTime": "2020-03-01T08:00:00Z",
        **elements,
    }


def medication_request(**elements: Any) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "subject": PATIENT,
        "medicationCodeableConcept": concept(RXNORM, "748879"),
        "authoredOn": "2020-03-01T08:00:00Z",
        **elements,
    }


def medication(**elements: Any) -> Json:
    return {
        "resourceType": "Medication",
        "id": "med1",
        "code": concept(RXNORM, "313782", (SNOMED, "387517004")),
        **elements,
    }


def bundle(*resources: Json, kind: str = "collection", **elements: Any) -> Json:
    """A Bundle; a resource gets its fullUrl from `_url` if it has one."""
    entries = []
    for resource in resources:
        url = resource.pop("_url", None)
        entries.append(({"fullUrl": url} if url else {}) | {"resource": resource})
    return {"resourceType": "Bundle", "type": kind, "entry": entries, **elements}


def facts(resource: Json) -> list[Fact]:
    """The facts of one resource, by its own function."""
    found = outcome(resource)
    assert not isinstance(found, str)
    return found


def outcome(resource: Json, drug: Drug | None = None) -> Facts:
    """The facts of one resource, or the reason why it has none."""
    decoded = decode_resource(json.dumps(resource))
    kind = KINDS[type(decoded)]
    return kind.facts(decoded, drug) if kind.takes_drug else kind.facts(decoded)


def codes(found: list[Fact]) -> list[str]:
    return [fact[1] for fact in found]


def read(
    document: Any, *, validation: Validation = Validation.PROJECTION, source_id: int = 9
) -> FhirRows:
    """What reading one JSON document gives, with its account checked."""
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    rows = FhirRows()
    FhirReader(KEYS, validation).read_json(data, source_id, rows)
    check_account(rows)
    return rows


def read_lines(data: bytes, *, offset: int = 0) -> FhirRows:
    """What reading NDJSON lines gives, with its account checked."""
    rows = FhirRows()
    FhirReader(KEYS).read_lines(data, 9, offset, rows)
    check_account(rows)
    return rows


def check_account(rows: FhirRows) -> None:
    """Every resource read is written, quarantined or skipped, and only one of these."""
    written = {(row[12], row[13]) for row in rows.events + rows.pending}
    written |= {(row[7], row[8]) for row in rows.links if row[1] == "medication"}
    written |= {(row[8], row[9]) for row in rows.molecules}
    refused = {(row[0], row[1]) for row in rows.quarantine}
    assert len(refused) == len(rows.quarantine)
    assert not written & refused
    assert rows.read.total() == len(written) + len(rows.quarantine) + rows.skipped.total()


def errors(rows: FhirRows) -> list[tuple[str, str]]:
    """Class and message of what was quarantined."""
    return [(row[5], row[6]) for row in rows.quarantine]

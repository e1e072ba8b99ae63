import gc
import json
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.fhir.reader import FhirReader
from transforms.fhir.rows import FhirRows

from .builders import (
    KEYS,
    PATIENT,
    bundle,
    concept,
    condition,
    encounter,
    errors,
    medication,
    medication_request,
    observation,
    patient,
    read,
    read_lines,
    us,
)

P1 = KEYS.subject_id("p1")
CLAIM = {"resourceType": "Claim", "id": "x", "status": "active"}


def line(resource: dict[str, Any]) -> bytes:
    return json.dumps(resource).encode()


def test_event_row_in_full() -> None:
    resource = observation(
        encounter={"reference": "Encounter/e1"},
        meta={"lastUpdated": "2021-01-01T00:00:00Z", "versionId": "3"},
        category=[concept("http://x", "lab")],
        valueQuantity={"value": 1.5, "unit": "mg"},
    )
    assert read(bundle(patient(), resource), source_id=77).events[1:] == [
        (
            P1,
            us("2020-03-01T08:00:00"),
            "LOINC//8302-2",
            1.5,
            None,
            "mg",
            ["http://x//lab"],
            KEYS.resource_id("Encounter", "e1"),
            "Observation",
            KEYS.resource_id("Observation", "o1"),
            us("2021-01-01T00:00:00"),
            "3",
            77,
            1,
        )
    ]


def test_patient_goes_to_links_and_crosswalk() -> None:
    identifiers = [{"system": "http://h.org", "value": "12"}, {"value": "13"}, {"system": "x"}]
    rows = read(patient(identifier=identifiers, name=[{"family": "Doe"}]))
    keys = {("http://h.org", "12"), ("", "12"), ("", "13")}
    assert {row[0] for row in rows.links} == {KEYS.identifier_link(*key) for key in keys}
    assert {row[1:] for row in rows.links} == {("identifier", P1, None, None, None, None, 9, 0)}
    assert rows.crosswalk == [
        (
            P1,
            "p1",
            [{"system": "http://h.org", "value": "12"}, {"system": None, "value": "13"}],
            None,
            None,
            9,
            0,
        )
    ]


@pytest.mark.parametrize(
    "kind",
    ["transaction", "batch", "collection", "searchset", "history", "document", "message"],
)
def test_bundle_of_every_type(kind: str) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": []}
    rows = read(bundle(patient(), condition(), CLAIM, outcome, kind=kind))
    assert rows.read == {"Patient": 1, "Condition": 1, "Claim": 1, "OperationOutcome": 1}
    assert rows.skipped == {"type Claim": 1, "type OperationOutcome": 1}
    assert [row[13] for row in rows.events] == [0, 1]


def test_bundle_without_entries_is_empty() -> None:
    assert read(bundle()) == FhirRows()
    assert read({"resourceType": "Bundle", "type": "batch"}) == FhirRows()


def test_resource_type_need_not_come_first() -> None:
    resource = condition()
    del resource["resourceType"]
    assert len(read(resource | {"resourceType": "Condition"}).events) == 1


def test_byte_order_mark_is_no_content() -> None:
    assert len(read(b"\xef\xbb\xbf" + line(condition())).events) == 1
    assert [row[13] for row in read_lines(b"\xef\xbb\xbf" + line(condition())).events] == [0]


def test_lines_have_their_byte_offset_as_position() -> None:
    first, second = line(condition()), line(observation(valueString="é"))
    data = first + b"\r\n\r\n  \n" + second + b"\n\n" + first
    rows = read_lines(data, offset=1000)
    starts = [1000, 1000 + len(first) + 7, 1000 + len(first) + 7 + len(second) + 2]
    assert [row[13] for row in rows.events] == starts
    assert rows.read == {"Condition": 2, "Observation": 1}
    assert rows.quarantine == []


def test_line_may_be_a_bundle() -> None:
    data = line(bundle(patient(), condition())) + b"\n" + line(observation())
    rows = read_lines(data, offset=50)
    assert [row[13] for row in rows.events] == [50, 51, 50 + data.index(b"\n") + 1]


def test_nested_bundles_have_positions_of_their_own() -> None:
    inner = bundle(condition(id="c2"), bundle(condition(id="c3")), condition(id="c4"))
    rows = read(bundle(condition(), inner, observation()))
    assert rows.read == {"Condition": 4, "Observation": 1}
    positions = [row[13] for row in rows.events]
    assert len(set(positions)) == 5
    assert positions[0] == 0
    assert positions[-1] == 2


def test_broken_resource_is_refused_alone_with_its_bytes() -> None:
    data = json.dumps(bundle(patient(), condition(code=[1]), observation()), indent=1).encode()
    rows = read(data)
    assert {row[8] for row in rows.events} == {"Patient", "Observation"}
    ((source, position, stage, name, logical_id, error, message, raw),) = rows.quarantine
    assert (source, position, stage, name, logical_id) == (9, 1, "read_fhir", "Condition", "c1")
    assert (error, message) == (
        "InputError",
        "Condition.code: Expected `object | null`, got `array`",
    )
    assert raw in data
    assert json.loads(raw) == condition(code=[1])


def test_unreadable_date_is_refused_alone_with_its_bytes() -> None:
    rows = read(bundle(condition(onsetDateTime="then"), observation()))
    assert errors(rows) == [("InputError", "Condition.onset[x]: expected a FHIR date or dateTime")]
    assert json.loads(rows.quarantine[0][7]) == condition(onsetDateTime="then")
    assert len(rows.events) == 1


def test_broken_line_is_refused_alone_with_its_bytes() -> None:
    broken = b'{"resourceType": "Condition", "id": "c1", "subject": '
    data = broken + b"\r\n" + line(observation(status="fine")) + b"\n" + line(condition())
    rows = read_lines(data)
    assert rows.read == {"?": 1, "Observation": 1, "Condition": 1}
    assert [(row[1], row[3], row[6]) for row in rows.quarantine] == [
        (0, None, "Input data was truncated"),
        (len(broken) + 2, "Observation", "Observation.status: Invalid enum value (value)"),
    ]
    assert rows.quarantine[0][7].rstrip() == broken.rstrip()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "Input data was truncated"),
        (b"not JSON", "JSON is malformed: invalid character (byte 4)"),
        (b'{"resourceType": "Bundle", "entry": [', "Input data was truncated"),
        (
            b'{"resourceType": "Bundle", "entry": {}}',
            "Bundle.entry: Expected `array`, got `object`",
        ),
        (b"[" * 100_000, "JSON nested too deeply"),
        (b'{"resourceType": "Patient"} {}', "JSON is malformed: trailing characters (byte 29)"),
    ],
)
def test_unreadable_file_is_one_refusal(data: bytes, message: str) -> None:
    rows = read(data)
    assert rows.read == {"?": 1}
    assert [row[6] for row in rows.quarantine] == [message]
    assert rows.quarantine[0][7] == data


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (7, "Bundle.entry: Expected `object`, got `int`"),
        (
            {"fullUrl": 7, "resource": condition()},
            "Bundle.entry.fullUrl: Expected `str | null`, got `int`",
        ),
        ({"resource": 7}, "expected a resource as a JSON object"),
        ({"resource": {"id": "1"}}, "resourceType: missing, but required"),
        ({"resource": {"resourceType": "Jane"}}, "resourceType: expected a type of FHIR R4 or R4B"),
    ],
)
def test_broken_entry_is_refused_alone(entry: object, message: str) -> None:
    document = bundle(observation())
    document["entry"].insert(0, entry)
    rows = read(document)
    assert [row[6] for row in rows.quarantine] == [message]
    assert [row[13] for row in rows.events] == [1]


def test_delete_entry_withdraws_the_resource() -> None:
    document = bundle(kind="history", timestamp="2022-01-01T00:00:00Z")
    document["entry"] = [
        {
            "request": {"method": "DELETE", "url": "Observation/o1"},
            "response": {"status": "204", "lastModified": "2021-06-01T00:00:00Z", "etag": 'W/"4"'},
        },
        {"request": {"method": "DELETE", "url": "http://server/fhir/Claim/7/_history/2"}},
        {"request": {"method": "DELETE", "url": "Patient?identifier=a|b"}},
        {"request": {"method": "GET", "url": "Patient/1"}},
    ]
    rows = read(document)
    assert rows.deletions == [
        ("Observation", KEYS.resource_id("Observation", "o1"), us("2021-06-01"), "4", 9, 0),
        ("Claim", KEYS.resource_id("Claim", "7"), us("2022-01-01"), None, 9, 1),
    ]
    assert rows.read == {"Observation": 1, "Claim": 1, "?": 2}
    assert rows.skipped == {"deleted": 2, "entry without resource": 1}
    assert errors(rows) == [
        ("InputError", "Bundle.entry.request of a DELETE: expected type and id, got a search")
    ]


def test_history_has_its_versions_in_the_response() -> None:
    document = bundle(condition(), kind="history")
    document["entry"][0]["response"] = {
        "status": "200",
        "lastModified": "2021-06-01T00:00:00Z",
        "etag": 'W/"2"',
    }
    (row,) = read(document).events
    assert row[10:12] == (us("2021-06-01"), "2")


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (observation(status="entered-in-error"), "entered in error"),
        (observation(status="cancelled"), "status cancelled"),
        (encounter(status="planned"), "status planned"),
        (condition(verificationStatus=concept("x", "refuted")), "status refuted"),
        (medication_request(doNotPerform=True), "do not perform"),
        (medication_request(status="draft"), "status draft"),
    ],
)
def test_what_did_not_happen_is_skipped_and_withdraws_its_earlier_version(
    resource: dict[str, Any], reason: str
) -> None:
    rows = read(resource | {"meta": {"versionId": "2"}})
    assert rows.skipped == {reason: 1}
    name, logical_id = resource["resourceType"], resource["id"]
    assert rows.deletions == [(name, KEYS.resource_id(name, logical_id), None, "2", 9, 0)]


def test_time_falls_back_to_the_update_and_is_never_null() -> None:
    undated = observation()
    del undated["effectiveDateTime"]
    assert read(undated).skipped == {"undated": 1}
    updated = undated | {"meta": {"lastUpdated": "2021-01-01T00:00:00.5Z"}}
    assert read(updated).events[0][1] == us("2021-01-01T00:00:00.500000")


def test_resource_without_id_gets_one_from_its_url_or_content() -> None:
    resource = condition()
    del resource["id"]
    (row,) = read(bundle(resource | {"_url": "urn:uuid:aa-bb"})).events
    assert row[9] == KEYS.resource_id("Condition", "aa-bb")
    (by_content,) = read(resource).events
    (again,) = read(resource, source_id=3).events
    (other,) = read(resource | {"onsetDateTime": "2019"}).events
    assert by_content[9] == again[9] != other[9]


def test_medication_counts_as_written_by_its_link() -> None:
    rows = read(medication())
    assert rows.read == {"Medication": 1}
    assert rows.links == [
        (
            KEYS.medication_link("med1"),
            "medication",
            None,
            "RXNORM//313782",
            ["SNOMED//387517004"],
            None,
            None,
            9,
            0,
        )
    ]


def test_rows_add_up_over_units_until_cleared() -> None:
    rows, reader = FhirRows(), FhirReader(KEYS)
    reader.read_json(line(condition()), 1, rows)
    reader.read_json(line(observation(status=1)), 2, rows)
    reader.read_lines(line(CLAIM), 3, 0, rows)
    assert (len(rows.events), len(rows.quarantine), rows.skipped.total()) == (1, 1, 1)
    rows.clear()
    assert rows == FhirRows()


def test_collector_is_left_as_it_was() -> None:
    assert gc.isenabled()
    read(condition())
    assert gc.isenabled()


def test_reader_can_be_pickled() -> None:
    assert isinstance(pickle.loads(pickle.dumps(FhirReader(KEYS))), FhirReader)  # noqa: S301


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)
valid = [
    patient(birthDate="1950", identifier=[{"value": "1"}]),
    encounter(),
    condition(),
    observation(valueInteger=1),
    medication_request(),
    medication(),
    CLAIM,
    {"resourceType": "Group"},
]
elements = ["resourceType", "id", "meta", "status", "subject", "code", "class", "period", "text"]
damaged = st.builds(
    lambda resource, element, value: resource | {element: value},
    st.sampled_from(valid),
    st.sampled_from(elements),
    anything,
)
resources = st.sampled_from(valid) | damaged
documents = st.recursive(
    resources | st.lists(resources, max_size=4).map(lambda found: bundle(*map(dict, found))),
    lambda inner: st.lists(inner, max_size=3).map(lambda found: bundle(*map(dict, found))),
    max_leaves=6,
)


def count(document: Any) -> int:
    """Resources in a document, Bundles being none."""
    if isinstance(document, dict) and document.get("resourceType") == "Bundle":
        return sum(count(entry["resource"]) for entry in document["entry"])
    return 1


@settings(deadline=None)  # the first sampled resource imports its R4B class
@given(documents)
def test_every_resource_is_accounted_for(document: dict[str, Any]) -> None:
    assert read(document).read.total() == count(document)


@settings(deadline=None)  # the first sampled resource imports its R4B class
@given(st.lists(documents, max_size=4), st.integers(0, 1 << 40))
def test_every_line_is_accounted_for(found: list[dict[str, Any]], offset: int) -> None:
    rows = read_lines(b"\n".join(map(line, found)), offset=offset)
    assert rows.read.total() == sum(map(count, found))


@settings(deadline=None)  # the first sampled resource imports its R4B class
@given(st.permutations([patient(), encounter(), condition(), observation(), CLAIM]))
def test_order_within_a_bundle_does_not_matter(found: list[dict[str, Any]]) -> None:
    expected = read(bundle(patient(), encounter(), condition(), observation(), CLAIM))
    rows = read(bundle(*found))
    assert sorted(row[:13] for row in rows.events if row[1] is not None) == sorted(
        row[:13] for row in expected.events if row[1] is not None
    )


@settings(deadline=None)  # the first sampled resource imports its R4B class
@given(st.data())
def test_lines_may_be_cut_anywhere_between(data: st.DataObject) -> None:
    lines = [line(condition(id=f"c{number}")) + b"\n" for number in range(6)]
    whole = b"".join(lines)
    at = sum(map(len, lines[: data.draw(st.integers(0, 6))]))
    rows = FhirRows()
    for start, part in ((0, whole[:at]), (at, whole[at:])):
        FhirReader(KEYS).read_lines(part, 9, start, rows)
    assert rows == read_lines(whole)


def test_subject_is_the_patients_own() -> None:
    assert PATIENT == {"reference": "Patient/p1"}
    (event,) = read(condition()).events
    assert event[0] == read(patient()).events[0][0]


def test_facts_that_wait_keep_the_bytes_once() -> None:
    component = {"code": {"text": "c"}, "valueString": "v"}
    resource = observation(subject={"reference": "Patient?identifier=x"}, component=[component] * 3)
    raws = [row[-1] for row in read(resource).pending]
    assert len(raws) == 3
    assert raws[1:] == [None] * 2
    assert json.loads(raws[0]) == resource


def test_a_resource_that_would_repeat_its_codes_without_end_is_refused() -> None:
    component = {"code": {"text": "c"}, "valueString": "v"}
    resource = observation(component=[component] * 1700, category=[concept("x", "k" * 10_000)])
    message = "Observation.component: too many, with too many codes to repeat in each"
    assert errors(read(resource)) == [("InputError", message)]
    assert len(read(resource | {"component": [component] * 1600}).events) == 1600


def test_a_resource_that_would_repeat_its_version_without_end_is_refused() -> None:
    component = {"code": {"text": "c"}, "valueString": "v"}
    meta = {"versionId": "v" * 10_000}
    refused = read(observation(component=[component] * 1700, meta=meta))
    assert [error for error, _ in errors(refused)] == ["InputError"]
    assert not refused.events
    assert len(read(observation(component=[component] * 1600, meta=meta)).events) == 1600

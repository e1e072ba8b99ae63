import json

import pytest

from transforms.fhir.validation import Validation, locate, problems

from .builders import bundle, errors, observation, patient, read


def test_problems_name_paths_and_no_values() -> None:
    broken = json.dumps(patient(birthDate="7 June 1950", contact=[{"gender": 7}])).encode()
    found = problems(broken, "Patient")
    assert [problem.split(":")[0] for problem in found] == [
        "Patient.birthDate",
        "Patient.contact.0.gender",
    ] or [problem.split(":")[0] for problem in found] == [
        "Patient.contact.0.gender",
        "Patient.birthDate",
    ]
    assert "June" not in str(found)
    unknown = json.dumps(patient(contact=[{"Jane Doe": "x"}])).encode()
    assert problems(unknown, "Patient") == ["Patient.contact.0.(unknown): extra_forbidden"]
    assert problems(json.dumps(patient()).encode(), "Patient") == []


def test_full_validation_refuses_what_is_not_read_but_wrong() -> None:
    document = bundle(patient(contact="Jane Doe"), observation(valueInteger=1))
    assert errors(read(document)) == []
    rows = read(document, validation=Validation.FULL)
    ((error_class, message),) = errors(rows)
    assert error_class == "NonConformant"
    assert message.startswith("Patient.contact: ")
    assert "Jane" not in message
    assert {row[8] for row in rows.events} == {"Observation"}
    assert rows.validated == {"Patient": 1, "Observation": 1}
    assert rows.conformant == {"Observation": 1}


def test_sample_is_chosen_by_id_and_only_counted() -> None:
    many = [observation(id=f"o{number}", note="wrong") for number in range(1000)]
    first, again = read(bundle(*many)), read(bundle(*reversed(many)))
    assert first.validated == again.validated
    assert 0 < first.validated["Observation"] < 20
    assert first.conformant["Observation"] == 0
    assert errors(first) == []


@pytest.mark.parametrize("indent", [None, 2])
def test_resource_is_located_by_type_and_id(indent: int | None) -> None:
    wanted = observation(id="b", valueString='brace } and "quote"', text={"div": "\\"})
    decoy = observation(id="a", valueString="b", note=[{"text": "b"}])
    data = json.dumps(bundle(patient(id="b"), decoy, wanted), indent=indent).encode()
    found = locate(data, "Observation", "b")
    assert found is not None
    assert json.loads(found) == wanted
    assert locate(data, "Observation", "c") is None


@pytest.mark.parametrize("size", [10, 1 << 15, 1 << 19])
def test_resource_of_any_size_is_located(size: int) -> None:
    resource = {"resourceType": "Observation", "id": "b", "note": 'é"}{' * (size // 4)}
    data = json.dumps([resource, {"resourceType": "Observation", "id": "c"}], ensure_ascii=False)
    found = locate(data.encode(), "Observation", "b")
    assert found is not None
    assert json.loads(found) == resource


def test_resource_that_the_second_parser_does_not_take_is_not_located() -> None:
    data = b'{"resourceType": "Observation", "id": "b", "x": ' + b"1" * 5000 + b"}"
    assert locate(data, "Observation", "b") is None


def test_resource_is_looked_for_near_its_id_alone() -> None:
    """Else a list of as many equal texts would be searched backwards from each of them."""
    near, far = (b'{"resourceType":"Observation",' + b" " * n + b'"id":"b"}' for n in (50, 300))
    assert locate(near, "Observation", "b") == near
    assert locate(far, "Observation", "b") is None

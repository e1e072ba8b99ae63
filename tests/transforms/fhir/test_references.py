import pytest

from transforms.errors import Unresolved
from transforms.fhir.references import Search, Target, id_from_url, parse_reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient/1", Target("Patient", "1")),
        ("Patient/1/_history/2", Target("Patient", "1")),
        ("/Patient/a-b.c_d", Target("Patient", "a-b.c_d")),
        ("https://server:8080/fhir/r4/Patient/1", Target("Patient", "1")),
        ("https://server/fhir/Patient/1/_history/2#part", Target("Patient", "1")),
        ("Patient?identifier=http://h.org/mrn|12", Search("Patient", "http://h.org/mrn", "12")),
        ("Patient?identifier=http%3A%2F%2Fh.org%7C1%202", Search("Patient", "http://h.org", "1 2")),
        ("Patient?identifier=12", Search("Patient", "", "12")),
        ("Patient?identifier=|12", Search("Patient", "", "12")),
        ("https://server/Patient?identifier=a|b", Search("Patient", "a", "b")),
    ],
)
def test_reference_names_its_target(text: str, expected: Target | Search) -> None:
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
        "urn:oid:1.2.3",
        "Patient?name=doe",
        "Patient?identifier=a|b&active=true",
        "http://somewhere.org/yeah",
    ],
)
def test_reference_that_leads_nowhere_is_unresolved(text: str) -> None:
    with pytest.raises(Unresolved) as caught:
        parse_reference(text)
    assert text not in str(caught.value)


@pytest.mark.parametrize("text", ["", "1", "patient/1", "Patient/", "Patient/a b"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a FHIR reference$"):
        parse_reference(text)


def test_id_from_url() -> None:
    assert id_from_url("urn:oid:1.2.3") == "1.2.3"
    assert id_from_url("http://server/fhir/Patient/1/_history/4") == "1"
    assert id_from_url("http://server") is None
    assert id_from_url(None) is None

import pytest

from transforms.fhir.codes import (
    SHORT_NAMES,
    code_text,
    coding_texts,
    label,
    prefixed,
    read_concept,
)
from transforms.fhir.datatypes import CodeableConcept, Coding


@pytest.mark.parametrize(
    ("system", "name"),
    [
        ("http://loinc.org", "LOINC"),
        ("http://loinc.org/", "LOINC"),
        ("https://loinc.org", "LOINC"),
        ("http://www.snomed.info/sct", "SNOMED"),
        ("urn:oid:2.16.840.1.113883.6.96", "SNOMED"),
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "RXNORM"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "ICD10CM"),
        ("http://hl7.org/fhir/sid/cvx", "CVX"),
        ("http://www.whocc.no/atc", "ATC"),
        ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "v3-ActCode"),
        ("http://hl7.org/fhir/v3/ActCode", "v3-ActCode"),
        ("http://hl7.org/fhir/v2/0203", "v2-0203"),
        ("http://hl7.org/fhir/observation-status", "observation-status"),
        ("http://hospital.org/lab", "http://hospital.org/lab"),
        (None, ""),
        ("", ""),
    ],
)
def test_system_has_a_short_name_or_keeps_its_uri(system: str | None, name: str) -> None:
    assert code_text(system, "1") == f"{name}//1"
    assert code_text(system, "1") == f"{name}//1"  # as remembered


def test_short_names_are_no_uris() -> None:
    assert not [name for name in SHORT_NAMES.values() if "/" in name or ":" in name]


def test_first_coding_is_the_code_and_the_rest_are_kept() -> None:
    concept = CodeableConcept(
        (Coding("http://loinc.org", "1"), Coding(None, None, "shown"), Coding("http://x", "2"))
    )
    assert read_concept(concept, "Observation") == ("LOINC//1", None, ["http://x//2"])
    assert coding_texts((concept,)) == ["LOINC//1", "http://x//2"]


@pytest.mark.parametrize(
    ("concept", "expected"),
    [
        (None, ("Condition//UNKNOWN", None, [])),
        (CodeableConcept(), ("Condition//UNKNOWN", None, [])),
        (CodeableConcept(text="gout"), ("Condition//TEXT", "gout", [])),
        (CodeableConcept((Coding(display="gout"),)), ("Condition//TEXT", "gout", [])),
        (CodeableConcept((Coding("http://x", "7"),), "gout"), ("http://x//7", None, [])),
    ],
)
def test_concept_without_code_keeps_its_text(
    concept: CodeableConcept | None, expected: tuple[str, str | None, list[str]]
) -> None:
    assert read_concept(concept, "Condition") == expected


def test_label_prefers_text_then_display_then_code() -> None:
    assert label(CodeableConcept((Coding(None, "7", "seven"),), "VII")) == "VII"
    assert label(CodeableConcept((Coding(None, "7", "seven"),))) == "seven"
    assert label(CodeableConcept((Coding(None, "7"),))) == "7"
    assert label(CodeableConcept()) is None


def test_prefixed_without_code_is_unknown() -> None:
    assert prefixed("RACE", None) == "RACE//UNKNOWN"

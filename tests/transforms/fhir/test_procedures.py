import pytest

from .builders import SNOMED, concept, facts, last_us, procedure, us

TIME = us("2020-03-01T08:00:00")
CVX = "http://hl7.org/fhir/sid/cvx"


def immunization(**elements: object) -> dict[str, object]:
    return {
        "resourceType": "Immunization",
        "status": "completed",
        "patient": {"reference": "Patient/p1"},
        "vaccineCode": concept(CVX, "140", ("http://hl7.org/fhir/sid/ndc", "49281")),
        **elements,
    }


def test_procedure_keeps_its_codes() -> None:
    found = facts(
        procedure(
            category=concept("http://x", "surgical"),
            reasonCode=[concept("http://x", "pain")],
            bodySite=[concept(SNOMED, "66754008")],
            outcome=concept("http://x", "ok"),
        )
    )
    further = ["http://x//surgical", "http://x//pain", "SNOMED//66754008", "http://x//ok"]
    assert found == [(TIME, "SNOMED//80146002", None, None, None, further)]


def test_procedure_is_known_as_it_begins() -> None:
    timed = procedure(performedPeriod={"start": "2020-03-01T08:00:00Z", "end": "2020-03-09"})
    del timed["performedDateTime"]
    assert facts(timed)[0][0] == TIME
    told = procedure(performedString="in youth")
    del told["performedDateTime"]
    assert facts(told)[0][0] is None


def test_immunization_is_known_when_recorded() -> None:
    given = immunization(
        occurrenceDateTime="2020-03-01T08:00:00Z",
        site=concept("http://x", "LA"),
        route=concept("http://x", "IM"),
        reasonCode=[concept("http://x", "travel")],
    )
    further = ["NDC//49281", "http://x//travel", "http://x//LA", "http://x//IM"]
    assert facts(given) == [(TIME, "CVX//140", None, None, None, further)]
    assert facts(given | {"recorded": "2021-01-01"})[0][0] == last_us("2021-01-01")
    assert facts(immunization(occurrenceString="as a child"))[0][0] is None


def test_immunization_without_occurrence_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Immunization\.occurrence\[x\]: missing"):
        facts(immunization())

import pytest

from .builders import SNOMED, concept, condition, facts, last_us, outcome, us

ONSET = us("2020-03-01T08:00:00")


def test_condition_has_its_code_at_onset_and_an_end_at_abatement() -> None:
    found = facts(
        condition(
            code=concept(SNOMED, "44054006", ("http://hl7.org/fhir/sid/icd-10-cm", "E11.9")),
            category=[concept("http://x", "problem")],
            severity=concept(SNOMED, "24484000"),
            bodySite=[concept(SNOMED, "1")],
            abatementDateTime="2021-01-01",
        )
    )
    further = ["ICD10CM//E11.9", "http://x//problem", "SNOMED//1", "SNOMED//24484000"]
    assert found == [
        (ONSET, "SNOMED//44054006", None, None, None, further),
        (
            last_us("2021-01-01"),
            "CONDITION_END//SNOMED//44054006",
            None,
            None,
            None,
            ["ICD10CM//E11.9"],
        ),
    ]


def test_condition_is_not_seen_before_it_was_recorded() -> None:
    late = condition(recordedDate="2022-05-05", abatementDateTime="2021-01-01")
    assert [fact[0] for fact in facts(late)] == [last_us("2022-05-05")] * 2
    early = condition(recordedDate="2019-05-05")
    assert facts(early)[0][0] == ONSET


def test_onset_without_date_leaves_recorded_then_abatement_then_open() -> None:
    undated = condition(onsetAge={"value": 50, "unit": "a"})
    del undated["onsetDateTime"]
    assert facts(undated)[0][0] is None
    abated = undated | {"abatementPeriod": {"start": "2021-01-01"}}
    assert [fact[0] for fact in facts(abated)] == [last_us("2021-01-01")] * 2
    recorded = abated | {"recordedDate": "2020-01-01"}
    assert [fact[0] for fact in facts(recorded)] == [last_us("2020-01-01"), last_us("2021-01-01")]


def test_clinical_status_is_not_kept_since_it_tells_the_future() -> None:
    resolved = condition(clinicalStatus=concept("http://x", "resolved"))
    assert facts(resolved) == facts(condition())


@pytest.mark.parametrize(
    ("status", "expected"),
    [("refuted", "status refuted"), ("entered-in-error", "entered in error")],
)
def test_what_is_not_held_is_left_out(status: str, expected: str) -> None:
    assert outcome(condition(verificationStatus=concept("http://x", status))) == expected
    assert isinstance(
        outcome(condition(verificationStatus=concept("http://x", "provisional"))), list
    )


def test_allergy_keeps_its_codes() -> None:
    allergy = {
        "resourceType": "AllergyIntolerance",
        "patient": {"reference": "Patient/p1"},
        "code": concept(SNOMED, "91935009"),
        "type": "allergy",
        "category": ["food", None],
        "criticality": "high",
        "recordedDate": "2020-03-01T08:00:00Z",
        "onsetDateTime": "1999",
        "reaction": [
            {"substance": concept("http://x", "s"), "manifestation": [concept(SNOMED, "247472004")]}
        ],
    }
    assert facts(allergy) == [
        (
            ONSET,
            "SNOMED//91935009",
            None,
            None,
            None,
            [
                "allergy-intolerance-type//allergy",
                "allergy-intolerance-category//food",
                "allergy-intolerance-criticality//high",
                "http://x//s",
                "SNOMED//247472004",
            ],
        )
    ]


def test_relatives_condition_is_never_the_patients() -> None:
    history = {
        "resourceType": "FamilyMemberHistory",
        "status": "completed",
        "patient": {"reference": "Patient/p1"},
        "date": "2020-03-01T08:00:00Z",
        "name": "Jane Doe",
        "relationship": concept("http://x", "MTH", text="mother"),
        "condition": [
            {"code": concept(SNOMED, "44054006", ("http://x", "b"))},
            {"code": {"text": "stroke"}},
        ],
    }
    assert facts(history) == [
        (
            ONSET,
            "FAMILY_HISTORY//SNOMED//44054006",
            None,
            "mother",
            None,
            ["FAMILY_HISTORY//http://x//b", "http://x//MTH"],
        ),
        (ONSET, "FAMILY_HISTORY//TEXT", None, "mother: stroke", None, ["http://x//MTH"]),
    ]
    del history["condition"]
    assert facts(history) == [(ONSET, "FAMILY_HISTORY", None, "mother", None, ["http://x//MTH"])]

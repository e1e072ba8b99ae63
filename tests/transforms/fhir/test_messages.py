import base64
from typing import Any

import pytest

from .builders import LOINC, concept, facts, last_us, us

TIME = us("2020-03-01T08:00:00")


def communication(**elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Communication",
        "status": "completed",
        "sent": "2020-03-01T08:00:00Z",
        **elements,
    }


def response(*items: dict[str, Any], **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": "http://x/Questionnaire/q|2.0",
        "authored": "2020-03-01T08:00:00Z",
        "item": list(items),
        **elements,
    }


def test_message_has_one_fact_per_text() -> None:
    note = base64.b64encode(b"attached").decode()
    found = facts(
        communication(
            topic=concept("http://x", "symptoms"),
            category=[concept("http://x", "alert")],
            reasonCode=[concept("http://x", "why")],
            medium=[concept("http://x", "WRITTEN")],
            payload=[
                {"contentString": "I cough"},
                {"contentAttachment": {"contentType": "text/plain", "data": note}},
                {"contentReference": {"reference": "Binary/1"}},
            ],
        )
    )
    further = ["http://x//alert", "http://x//why", "http://x//WRITTEN"]
    assert found == [
        (TIME, "http://x//symptoms", None, "I cough", None, further),
        (TIME, "http://x//symptoms", None, "attached", None, further),
    ]


@pytest.mark.parametrize(
    ("sender", "code"),
    [
        ({"reference": "Practitioner/7"}, "SENDER//Practitioner"),
        ({"reference": "http://x/fhir/RelatedPerson/7/_history/2"}, "SENDER//RelatedPerson"),
        ({"reference": "urn:uuid:7", "type": "Device"}, "SENDER//Device"),
        ({"reference": "urn:uuid:7"}, None),
        ({"reference": "Nobody/7"}, None),
    ],
)
def test_a_message_says_what_sort_of_sender_it_has(sender: Any, code: str | None) -> None:
    ((*_, further),) = facts(communication(sender=sender, payload=[{"contentString": "hi"}]))
    assert further == ([code] if code else None)


def test_message_without_code_or_text() -> None:
    assert facts(communication(payload=[{"contentString": "hi"}])) == [
        (TIME, "Communication//TEXT", None, "hi", None, None)
    ]
    received = communication(topic={"text": "greeting"}, received="2020-03-02")
    del received["sent"]
    assert facts(received) == [
        (last_us("2020-03-02"), "Communication//TEXT", None, "greeting", None, None)
    ]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"valueBoolean": True}, (1.0, "true", None, None)),
        ({"valueDecimal": 2.5}, (2.5, None, None, None)),
        ({"valueInteger": 3}, (3.0, None, None, None)),
        ({"valueDate": "2019"}, (None, "2019", None, None)),
        ({"valueDateTime": "2019-01-01"}, (None, "2019-01-01", None, None)),
        ({"valueTime": "08:00:00"}, (None, "08:00:00", None, None)),
        ({"valueString": "cough"}, (None, "cough", None, None)),
        ({"valueUri": "urn:a"}, (None, "urn:a", None, None)),
        (
            {"valueAttachment": {"contentType": "text/plain", "data": "SGVsbG8="}},
            (None, "Hello", None, None),
        ),
        (
            {"valueCoding": {"system": LOINC, "code": "LA33-6", "display": "Yes"}},
            (None, "Yes", None, ["LOINC//LA33-6"]),
        ),
        ({"valueQuantity": {"value": 2, "unit": "d"}}, (2.0, None, "d", None)),
        ({"valueReference": {"reference": "Patient/2"}}, (None, None, None, None)),
    ],
)
def test_every_kind_of_answer(answer: dict[str, Any], expected: tuple[object, ...]) -> None:
    assert facts(response({"linkId": "1", "answer": [answer]})) == [
        (TIME, "http://x/Questionnaire/q//1", *expected)
    ]


def test_nested_answers_are_found_in_order() -> None:
    found = facts(
        response(
            {
                "linkId": "g",
                "item": [
                    {
                        "linkId": "1",
                        "text": "Do you cough?",
                        "answer": [
                            {
                                "valueBoolean": True,
                                "item": [{"linkId": "1.1", "answer": [{"valueInteger": 3}]}],
                            },
                            {"valueBoolean": False},
                        ],
                    }
                ],
            },
            {"linkId": "2", "answer": [{"valueString": "x"}]},
            questionnaire="#contained",
        )
    )
    assert [fact[1:3] for fact in found] == [
        ("QuestionnaireResponse//1", 1.0),
        ("QuestionnaireResponse//1.1", 3.0),
        ("QuestionnaireResponse//1", 0.0),
        ("QuestionnaireResponse//2", None),
    ]
    assert not [fact for fact in found if "cough" in str(fact)]


def test_response_without_answers_says_its_status() -> None:
    assert facts(response({"linkId": "1"})) == [
        (TIME, "QuestionnaireResponse//completed", None, None, None, None)
    ]


def test_answer_too_large_for_float32_is_refused() -> None:
    with pytest.raises(ValueError, match="within float32"):
        facts(response({"linkId": "1", "answer": [{"valueDecimal": -1e39}]}))

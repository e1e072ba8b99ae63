import base64
from typing import Any

import pytest

from .builders import LOINC, concept, facts, last_us, outcome, us

TIME = us("2020-03-01T08:00:00")


def attached(text: str, content_type: str = "text/plain") -> dict[str, str]:
    return {"contentType": content_type, "data": base64.b64encode(text.encode()).decode()}


def report(**elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": concept(LOINC, "58410-2"),
        "effectiveDateTime": "2020-03-01T08:00:00Z",
        **elements,
    }


def document(*attachments: dict[str, str], **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": concept(LOINC, "34117-2"),
        "date": "2020-03-01T08:00:00Z",
        "content": [{"attachment": attachment} for attachment in attachments],
        **elements,
    }


def test_report_without_text_is_its_code() -> None:
    found = facts(report(category=[concept("http://x", "LAB")], issued="2020-03-02"))
    assert found == [(last_us("2020-03-02"), "LOINC//58410-2", None, None, None, ["http://x//LAB"])]


def test_report_has_one_fact_per_text() -> None:
    found = facts(
        report(
            conclusion="normal",
            conclusionCode=[concept("http://x", "N")],
            presentedForm=[attached("Full report"), attached("normal"), {"url": "http://x/1.pdf"}],
        )
    )
    assert found == [
        (TIME, "LOINC//58410-2", None, "normal", None, ["http://x//N"]),
        (TIME, "LOINC//58410-2", None, "Full report", None, ["http://x//N"]),
    ]


def test_document_has_one_fact_per_different_text() -> None:
    found = facts(
        document(
            attached("Note"),
            attached("<p>Note</p>", "text/html"),
            attached("%PDF", "application/pdf"),
            category=[concept("http://x", "clinical-note")],
        )
    )
    assert found == [(TIME, "LOINC//34117-2", None, "Note", None, ["http://x//clinical-note"])]


def test_document_without_text_is_its_code() -> None:
    elsewhere = {"contentType": "text/plain", "url": "http://server/Binary/1"}
    assert facts(document(elsewhere)) == [(TIME, "LOINC//34117-2", None, None, None, None)]
    named = document(elsewhere, type={"text": "Discharge letter"})
    assert facts(named)[0][1:4] == ("DocumentReference//TEXT", None, "Discharge letter")


def test_document_is_known_from_the_care_if_that_is_later() -> None:
    context = {
        "period": {"start": "2020-04-01", "end": "2020-05-01"},
        "event": [concept("http://x", "event")],
        "practiceSetting": concept("http://x", "ward"),
    }
    found = facts(document(attached("a"), context=context))
    assert found[0][0] == last_us("2020-04-01")
    assert found[0][5] == ["http://x//event", "http://x//ward"]


def test_document_entered_in_error_is_left_out() -> None:
    assert outcome(document(attached("a"), docStatus="entered-in-error")) == "entered in error"


def test_broken_attachment_is_refused() -> None:
    broken = {"contentType": "text/plain", "data": "%%%"}
    with pytest.raises(ValueError, match=r"^Attachment\.data: "):
        facts(document(broken))

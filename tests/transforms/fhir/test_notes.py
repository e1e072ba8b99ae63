import base64

import pytest

from transforms.fhir.datatypes import Attachment
from transforms.fhir.notes import note_text


def attached(content_type: str | None, content: bytes) -> Attachment:
    return Attachment(content_type, base64.b64encode(content).decode())


@pytest.mark.parametrize(
    ("content_type", "content", "expected"),
    [
        ("text/plain", "Größe\r\nzwei".encode(), "Größe\nzwei"),
        ("text/plain; charset=iso-8859-1", "Größe".encode("latin-1"), "Größe"),
        ('TEXT/PLAIN;charset="UTF-8"', "Größe".encode(), "Größe"),
        ("text/plain; charset=unheard-of", "Größe".encode(), "Größe"),
        ("text/plain", b"\xef\xbb\xbfnote", "note"),
        ("text/plain", "note".encode("utf-16"), "note"),
        ("text/plain", b"a\x92b", "a\u2019b"),  # Windows-1252, as unlabelled notes often are
        ("text/markdown", b"# Plan", "# Plan"),
        (
            "text/html",
            b"<html><head><title>t</title><style>p{}</style></head>"
            b"<p>Dear &amp; <b>ill</b></p><script>x()</script><p>two</p></html>",
            "Dear & ill\ntwo",
        ),
        (
            "application/xhtml+xml",
            b"<div>one<br/>two<ul><li>a</li><li>b</li></ul></div>",
            "one\ntwo\na\nb",
        ),
        ("application/rtf", rb"{\rtf1\ansi Chest \b pain\b0\par next}", "Chest pain\nnext"),
        ("text/rtf", rb"{\rtf1\ansi caf\'e9}", "café"),
        ("application/pdf", b"%PDF-1.4", None),
        ("text/xml", b"<ClinicalDocument/>", None),
        (None, b"text", None),
        ("text/plain", b"   ", None),
    ],
)
def test_text_of_attachment(content_type: str | None, content: bytes, expected: str | None) -> None:
    assert note_text(attached(content_type, content)) == expected


def test_attachment_by_url_has_no_text() -> None:
    assert note_text(Attachment("text/plain", None)) is None


def test_white_space_within_base64_is_allowed() -> None:
    assert note_text(Attachment("text/plain", "SGVs\n bG8=")) == "Hello"


@pytest.mark.parametrize("data", ["%%%2@()()", "SGVsbG8", "Grüße"])
def test_data_that_is_no_base64_is_refused(data: str) -> None:
    with pytest.raises(ValueError, match="expected base64"):
        note_text(Attachment("text/plain", data))

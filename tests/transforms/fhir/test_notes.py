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
        ("text/html", b"a<!-- b <!-- c --> d <!-- e", "a d e"),
        ("text/html", b"<p title='a>b'>x</p><p it's>y<script/>z<script>no", "x\nyz"),
        ("text/html", b"<body><title>t</body>a<div><title>t</div>b</p>c", "a\nbc"),
        ("text/html", b"<![if x]>a<![CDATA[b]]>&#xD800;", "ab\ufffd"),
        ("text/rtf", rb"{\rtf1\ansi \u-10179?\u-8704? \u-8704?}", "\U0001f600 \ufffd"),
        ("text/plain; charset=utf-7", b"a+2AA-", "a\ufffd"),
        ("text/plain; charset=rot13", b"abc", "abc"),
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


def test_rtf_with_a_number_beyond_every_character_is_refused() -> None:
    with pytest.raises(ValueError, match="RTF that cannot be read"):
        note_text(attached("text/rtf", rb"{\rtf1 \u99999999999 a}"))


@pytest.mark.parametrize("piece", [b"<div>", b"<!--", b"<a x='", b"<", b"<![CDATA[", b"</a", b"<?"])
def test_time_to_read_html_grows_with_its_length_alone(piece: bytes) -> None:
    """With a tree, or a search for every end, this would take most of an hour."""
    assert (note_text(attached("text/html", piece * 300_000 + b"<p>end</p>")) or "").endswith("end")

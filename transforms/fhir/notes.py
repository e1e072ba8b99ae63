"""Text of notes, out of FHIR attachments, scrubbed.

Plain text, HTML and RTF are read; other formats (PDF, images, CDA) and attachments that only
give a URL have no text here.

Source: https://hl7.org/fhir/R4/datatypes.html#Attachment
"""

import base64
import binascii
import codecs
import re

from bs4 import BeautifulSoup
from striprtf.striprtf import rtf_to_text

from transforms.fhir.datatypes import Attachment
from transforms.fhir.scrub import scrub

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:+-]+)", re.IGNORECASE)
_BLOCKS = [
    "br",
    "dd",
    "div",
    "dt",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "li",
    "p",
    "pre",
    "td",
    "th",
    "tr",
]
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_RTF = frozenset({"application/rtf", "text/rtf", "application/x-rtf", "text/richtext"})
_OTHER_TEXT = frozenset({"text/xml", "text/calendar", "text/css", "text/javascript"})


def note_text(attachment: Attachment) -> str | None:
    """Attachment -> its text without identifiers, None where it carries none that can be read.

    The charset of the content type counts, else a byte order mark, else UTF-8; bytes that are
    not UTF-8 and have no charset are read as Windows-1252.

    Raises: ValueError, when the data is not base64.

    >>> note_text(Attachment("text/plain", "SGVsbG8="))
    'Hello'
    """
    if not attachment.data or not attachment.content_type:
        return None
    media_type = attachment.content_type.split(";")[0].strip().lower()
    is_html, is_rtf = media_type in _HTML, media_type in _RTF
    is_plain = media_type.startswith("text/") and media_type not in _OTHER_TEXT
    if not (is_html or is_rtf or is_plain):
        return None
    text = _decode(_unpack(attachment.data), attachment.content_type)
    if is_rtf:
        text = str(rtf_to_text(text, errors="ignore"))
    elif is_html:
        text = _html_text(text)
    return scrub(text.strip()) or None


def _unpack(data: str) -> bytes:
    """base64Binary -> bytes; white space within is allowed."""
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("Attachment.data: expected base64") from None


def _decode(content: bytes, content_type: str) -> str:
    """Bytes -> text, with a line feed as the only line break."""
    if match := _CHARSET.search(content_type):
        try:
            encoding = codecs.lookup(match.group(1)).name
        except LookupError:
            encoding = "utf-8"
    elif content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        encoding = "utf-8"
    if encoding == "utf-8":
        encoding = "utf-8-sig"
    try:
        text = content.decode(encoding)
    except ValueError:
        text = content.decode("windows-1252", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _html_text(html: str) -> str:
    """HTML -> its text, one line per block, without scripts and styles."""
    soup = BeautifulSoup(html, "html.parser")
    for tag in soup(["script", "style", "head", "title"]):
        tag.decompose()
    for tag in soup(_BLOCKS):
        tag.insert_before("\n")
        tag.append("\n")
    lines = (" ".join(line.split()) for line in soup.get_text().split("\n"))
    return "\n".join(line for line in lines if line)

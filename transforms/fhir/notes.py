"""Text of notes, out of FHIR attachments, scrubbed.

Plain text, HTML and RTF are read; other formats (PDF, images, CDA) and attachments that only
give a URL have no text here.

Source: https://hl7.org/fhir/R4/datatypes.html#Attachment
"""

import base64
import binascii
import codecs
import re
from collections import Counter
from html import unescape

from striprtf.striprtf import rtf_to_text

from transforms.fhir.datatypes import Attachment
from transforms.fhir.scrub import scrub

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:+-]+)", re.IGNORECASE)
_BLOCKS = frozenset(
    {
        *("br", "dd", "div", "dt", "h1", "h2", "h3", "h4", "h5", "h6"),
        *("li", "p", "pre", "td", "th", "tr"),
    }
)
_UNSEEN = frozenset({"script", "style", "head", "title"})
_VOID = frozenset(
    {
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta"),
        *("source", "track", "wbr"),
    }
)
# A tag or declaration; a `>` may stand in quotes. No alternative can pass a `<`, so that the time
# grows with the length alone.
_TAG = re.compile(
    r"""<(/?)([a-z][^\s<>/]*)(?:(?:[^<>"']|"[^"<]*"|'[^'<]*')*+|[^<>]*)>|<[!?][^<>]*>""",
    re.IGNORECASE,
)
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_RTF = frozenset({"application/rtf", "text/rtf", "application/x-rtf", "text/richtext"})
_OTHER_TEXT = frozenset({"text/xml", "text/calendar", "text/css", "text/javascript"})


def note_text(attachment: Attachment) -> str | None:
    """Attachment -> its text without identifiers, None where it carries none that can be read.

    The charset of the content type counts, else a byte order mark, else UTF-8; bytes that are
    not UTF-8 and have no charset are read as Windows-1252.

    Raises: ValueError, when the data is not base64, or is RTF that cannot be read.

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
        text = _rtf_text(text)
    elif is_html:
        text = _html_text(text)
    return scrub(_without_surrogates(text).strip()) or None


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
    except (ValueError, LookupError):  # LookupError: a codec, yet not of text
        text = content.decode("windows-1252", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _without_surrogates(text: str) -> str:
    """Halves of characters, which RTF and UTF-7 may hold: joined, or U+FFFD where one is alone."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _rtf_text(rtf: str) -> str:
    try:
        return str(rtf_to_text(rtf, errors="ignore"))
    except (LookupError, OverflowError, RecursionError, TypeError):
        raise ValueError("Attachment.data: RTF that cannot be read") from None


def _html_text(html: str) -> str:
    """HTML -> its text, one line per block, without scripts and styles.

    Tags are taken as they come, each character looked at a few times only: parsers that build a
    tree, or look for the end of each open tag, take hours for a few MB of `<div>` or `<!--`.
    """
    html = _without_comments(html).replace("<![CDATA[", "").replace("]]>", "")
    shown, at = _Shown(), 0
    for tag in _TAG.finditer(html):
        shown.text(unescape(html[at : tag.start()]))
        at = tag.end()
        slash, name = tag.group(1), (tag.group(2) or "").lower()
        if name and not slash:
            shown.start(name)
        if name and (slash or tag.group().endswith("/>")):
            shown.end(name)
    shown.text(unescape(html[at:]))
    lines = (" ".join(line.split()) for line in "".join(shown.parts).split("\n"))
    return "\n".join(line for line in lines if line)


def _without_comments(html: str) -> str:
    """What stands outside comments; one that never ends is text."""
    first, *rest = html.split("<!--")
    kept: list[str] = [first]
    inside: list[str] = []
    for part in rest:
        comment, end, after = part.partition("-->")
        if end:
            kept.append(after)
            inside.clear()
        else:
            inside.append(comment)
    return "".join(kept + inside)


class _Shown:
    """The text that is shown, with line breaks around blocks.

    An end tag also closes what was opened within its element and left open.
    """

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._open: list[str] = []
        self._counts: Counter[str] = Counter()
        self._unseen = 0  # how many of the open elements show nothing

    def start(self, name: str) -> None:
        if name in _BLOCKS:
            self.text("\n")
        if name not in _VOID:
            self._open.append(name)
            self._counts[name] += 1
            self._unseen += name in _UNSEEN

    def end(self, name: str) -> None:
        if not self._counts[name]:
            return
        closed = ""
        while closed != name:
            closed = self._open.pop()
            self._counts[closed] -= 1
            self._unseen -= closed in _UNSEEN
            if closed in _BLOCKS:
                self.text("\n")

    def text(self, text: str) -> None:
        if not self._unseen:
            self.parts.append(text)

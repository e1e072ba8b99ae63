"""Mutations that keep the form of the input, so that what is behind the parser is reached too."""

import base64
import copy
import json
import random
import re
import struct
from typing import Any

DEEP = 600
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 0.1, 1e308, 2**63, -(2**63) - 1, 10**400, float("nan")),
    *(float("inf"), "", " ", "\0", "\ud800", "x" * 3000, "é́", [], {}, [[]], [None], [{}]),
    *("2020", "2020-02", "2020-02-30", "0000-01-01", "9999-12-31", "2020-01-01T24:00:00Z"),
    *("2020-01-01T10:00:00+14:00", "9999-12-31T23:59:59.9999999999-12:00", "10:00", "-2020"),
    *("2020-06-30T23:59:60Z", "0001-01-01T00:00:00+14:00", "12020-01-01", "2020-13-01"),
    *("Patient/p1", "Patient/", "/Patient/p1", "#p1", "urn:uuid:", "urn:oid:1.2", "http://x/y"),
    *("Patient?identifier=a|b", "Patient?identifier=|", "Patient?x=1&y=2", "Bundle/1"),
    *("Patient", "Bundle", "Observation", "Medication", "Claim", "NoSuchType"),
    *("entered-in-error", "DELETE", "PUT", "final", "<div>", "%00", "&#xD800;", "e30="),
    {"reference": "Patient?identifier=x"},
    {"reference": "#"},
    {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient"}}]},
    {"resourceType": "Medication", "id": "m"},
    {"value": 1e39, "unit": "mg", "code": "mg", "system": "http://unitsofmeasure.org"},
)

_NOTE_PARTS = (
    *(
        b"<div>",
        b"</div>",
        b"<!--",
        b"-->",
        b"<script>",
        b"</script",
        b"<![CDATA[",
        b"]]>",
        b"<a '",
    ),
    *(b"<![if x]>", b"<?", b"&#xD800;", b"&#99999999999;", b"&amp", b"<br/>", b"word", b"\xff\xfe"),
    *(
        rb"{\rtf1",
        rb"\u-10179?",
        rb"\u99999999999 ",
        rb"\'zz",
        rb"\bin9",
        rb"\ansicpg9",
        b"{",
        b"}",
    ),
    *(b"+2AA-", b"\r\n", b"\0", b"\xe9", rb"\uc9 ", rb"\fonttbl{\f0\fcharset999 x;}\f0"),
)
_NOTE_TYPES = (
    *("text/html", "text/rtf", "text/plain", "application/xhtml+xml; charset=utf-16", "text/x"),
    *("text/plain; charset=utf-7", "text/plain; charset=rot13", "text/rtf; charset=undefined"),
)
_NUMBERS = (0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 127, 128, 255, 256, 4096, 32768, 65535)
_SHORT_TAGS = tuple(
    struct.pack("<HH", 0x0028, element)
    for element in (2, 4, 6, 8, 0x10, 0x11, 0x100, 0x101, 0x102, 0x103, 0x106, 0x120, 0x121)
)
_SYNTAXES = tuple(
    b"1.2.840.10008.1.2" + end
    for end in (
        *(b"", b".1", b".2", b".1.99", b".5", b".4.50", b".4.51", b".4.57", b".4.70", b".4.80"),
        *(b".4.81", b".4.90", b".4.91", b".4.201", b".4.202", b".4.203", b".4.999"),
    )
)
_SYNTAX = re.compile(rb"1\.2\.840\.10008\.1\.2[.0-9]*")
_SYNTAX_WINDOW = 1000


def any_bytes(data: bytes, rng: random.Random) -> bytes:
    """Flips, cuts, repeats, or overwrites a few bytes."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out) + 1)
        end = min(len(out), at + rng.choice((1, 2, 4, 8, 64)))
        match rng.randrange(6):
            case 0:
                out[at:end] = rng.randbytes(end - at)
            case 1:
                del out[at:end]
            case 2:
                out[at:at] = out[at:end] * rng.choice((1, 2, 30))
            case 3:
                out[at:end] = rng.choice((b"\xff", b"\0", b"\x80", b"\x7f")) * (end - at)
            case 4 if out:
                out[at % len(out)] ^= 1 << rng.randrange(8)
            case 5 if rng.random() < 0.2:
                del out[at:]
    return bytes(out)


def fhir(data: bytes, rng: random.Random) -> bytes:
    """A JSON document, or lines of them, with a few values, keys or types changed."""
    if rng.random() < 0.15:
        return any_bytes(data, rng)
    lines = data.split(b"\n")
    at = 0 if len(lines) == 1 else rng.randrange(len(lines))
    try:
        whole = json.loads(data)
        lines, at = [b""], 0
    except (ValueError, RecursionError):
        try:
            whole = json.loads(lines[at])
        except (ValueError, RecursionError):
            return any_bytes(data, rng)
    try:
        for _ in range(rng.randint(1, 3)):
            whole = _mutate_json(whole, rng)
        lines[at] = json.dumps(whole, ensure_ascii=rng.random() < 0.5).encode(
            "utf-8", rng.choice(("surrogatepass", "replace"))
        )
    except RecursionError:
        return data
    if rng.random() < 0.1:
        lines[at] = _repeat_a_key(lines[at], rng)
    if rng.random() < 0.05:
        lines[at] = any_bytes(lines[at], rng)
    if rng.random() < 0.05:
        lines.insert(
            rng.randrange(len(lines) + 1), rng.choice((b"", b" ", b"\xef\xbb\xbf{}", b"[]"))
        )
    return b"\n".join(lines)


def _note(rng: random.Random) -> dict[str, str]:
    """An Attachment of markup in pieces."""
    content = b"".join(rng.choice(_NOTE_PARTS) for _ in range(rng.randint(1, 9)))
    content = content * rng.choice((1, 1, 1, 50)) if rng.random() < 0.3 else content
    data = base64.b64encode(content).decode()
    return {"contentType": rng.choice(_NOTE_TYPES), "data": data}


def _mutate_json(whole: Any, rng: random.Random) -> Any:
    """The document with one place of it changed, each place being as likely as any other."""
    places = list(_places(whole))
    if not places:
        return copy.deepcopy(rng.choice(_ODD))
    holder, key = rng.choice(places)
    value = holder[key]
    if key == "attachment" or key == "presentedForm":
        holder[key] = _note(rng) if key == "attachment" else [_note(rng)]
        return whole
    match rng.randrange(8):
        case 0:
            del holder[key]
        case 1:
            holder[key] = [value]
        case 2:
            holder[key] = copy.deepcopy(rng.choice(places)[0])
        case 3 if rng.random() < 0.1:
            for _ in range(rng.choice((5, 40, DEEP))):
                value = rng.choice(({"extension": [value]}, [value]))
            holder[key] = value
        case 4 if isinstance(holder, list):
            holder[key:key] = [value] * rng.choice((1, 2, 20))
        case 4 if isinstance(value, str) and value:
            holder[key] = value[: rng.randrange(len(value))] + rng.choice(("", "\u2028", "Z", "/"))
        case 5 if isinstance(holder, dict):
            other = rng.choice(places)[1]
            holder[other if isinstance(other, str) else "id"] = holder.pop(key)
        case _:
            holder[key] = copy.deepcopy(rng.choice(_ODD))
    return whole


def _places(whole: Any) -> list[tuple[Any, Any]]:
    """Every (holder, key) of a document."""
    found, waiting = [], [whole]
    while waiting:
        holder = waiting.pop()
        if isinstance(holder, dict):
            inner = holder.items()
        elif isinstance(holder, list):
            inner = enumerate(holder)
        else:
            continue
        for key, value in inner:
            found.append((holder, key))
            waiting.append(value)
    return found


def _repeat_a_key(data: bytes, rng: random.Random) -> bytes:
    """The object with one of its keys written a second time."""
    keys = re.findall(rb'"\w+": ', data)
    if not keys or not data.endswith(b"}"):
        return data
    value = json.dumps(rng.choice(_ODD)).encode("utf-8", "replace")
    return data[:-1] + b", " + rng.choice(keys) + value + b"}"


def dicom(data: bytes, rng: random.Random) -> bytes:
    """A file of which lengths, image description, syntax or fragments lie."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        match rng.randrange(7):
            case 0:
                return any_bytes(bytes(out), rng)
            case 1:
                _set_short(out, rng)
            case 2:
                _set_syntax(out, rng)
            case 3:
                _set_length(out, rng)
            case 4:  # a fragment's length, or what is in it
                at = out.rfind(b"\xfe\xff\x00\xe0", 0, rng.randrange(len(out) + 1))
                if at >= 0:
                    at += rng.choice((0, 4, 8, 16, 40))
                    out[at : at + 4] = rng.choice(
                        (rng.randbytes(4), b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f")
                    )
            case 5:
                at = out.find(b"\x28\0\x08\0")
                if at >= 0:
                    out[at + 8 : at + 10] = rng.choice(
                        (b"0 ", b"99", b"-1", b"1E", b"\xff\0", b" 2")
                    )
            case 6:
                del out[rng.randrange(len(out) + 1) :]
    return bytes(out)


def _set_short(out: bytearray, rng: random.Random) -> None:
    """Rows, Columns, BitsStored and the like, in explicit or implicit VR."""
    at = out.find(rng.choice(_SHORT_TAGS))
    if at >= 0:
        out[at + 8 : at + 10] = struct.pack("<H", rng.choice(_NUMBERS))


def _set_syntax(out: bytearray, rng: random.Random) -> None:
    """Another transfer syntax, in the space of the stated one."""
    match = _SYNTAX.search(out, 0, _SYNTAX_WINDOW)
    if match:
        syntax = rng.choice(_SYNTAXES)[: len(match[0])]
        out[match.start() : match.end()] = syntax.ljust(len(match[0]), b"\0")


def _set_length(out: bytearray, rng: random.Random) -> None:
    """The length of some element whose VR can be found."""
    matches = list(re.finditer(rb"(SQ|OB|OW|UN|UT)\0\0|(CS|DS|IS|LO|UI|US|UL|FD|SS)", out[:8192]))
    if matches:
        match = rng.choice(matches)
        new = rng.choice((rng.randbytes(4), b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xf0\xff\xff\xff"))
        out[match.end() : match.end() + (4 if match[1] else 2)] = new[: 4 if match[1] else 2]


MUTATORS = {"fhir_json": fhir, "fhir_lines": fhir, "dicom_header": dicom, "dicom_pixels": dicom}

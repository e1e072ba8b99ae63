"""FHIR R4 data types, reduced to what the engine reads.

A field that is not named here is skipped while decoding and never becomes a Python object;
what becomes of those that are is in `allowlist`, and a test holds the two together. Names,
telecom, street, city, narrative and the display text of references are left out on purpose.

Source: https://hl7.org/fhir/R4/datatypes.html
"""

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

NotInR4 = UnsetType
"""Type of an element that R4 does not have: its presence fails the decoding, at no cost."""


class Element(Struct, gc=False, rename="camel"):
    """Base of the data types: `last_updated` here is `lastUpdated` in FHIR."""


class Coding(Element):
    """One code of one code system."""

    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(Element):
    """A concept as codings, as text, or as both."""

    coding: tuple[Coding, ...] = ()
    text: str | None = None


class PlainCoding(Coding):
    """A Coding where R5 has a CodeableConcept."""

    coding: NotInR4 = UNSET


class SiteCoding(Coding):
    """A Coding where R5 has a CodeableReference."""

    concept: NotInR4 = UNSET
    reference: NotInR4 = UNSET


class PlainConcept(CodeableConcept):
    """A CodeableConcept where R5 has a CodeableReference."""

    concept: NotInR4 = UNSET
    reference: NotInR4 = UNSET


class Identifier(Element):
    """A business identifier."""

    system: str | None = None
    value: str | None = None


class Reference(Element):
    """A link to another resource; its display text is not read."""

    reference: str | None = None
    type: str | None = None
    identifier: Identifier | None = None


class Period(Element):
    """Start and end, each a dateTime."""

    start: str | None = None
    end: str | None = None


class Quantity(Element):
    """A number with its unit."""

    value: float | None = None
    comparator: Literal["<", "<=", ">=", ">"] | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Range(Element):
    """Two quantities as limits."""

    low: Quantity | None = None
    high: Quantity | None = None


class Ratio(Element):
    """Numerator and denominator."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None


class SampledData(Element):
    """A series of measurements as one string."""

    origin: Quantity
    data: str | None = None


class Attachment(Element):
    """Content; only what is inline is read."""

    content_type: str | None = None
    data: str | None = None


class Meta(Element):
    """Version of a resource."""

    last_updated: str | None = None
    version_id: str | None = None


class Resource(Element, kw_only=True, tag_field="resourceType", tag=True):
    """What every mapped resource has; subclasses add their own elements.

    `subject` and `encounter` are filled from the element that carries them in that type.
    """

    id: str | None = None
    meta: Meta | None = None
    contained: tuple[Raw, ...] = ()
    status: str | None = None
    subject: Reference | None = None
    encounter: Reference | None = None

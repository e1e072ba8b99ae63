"""ServiceRequest, Specimen and Device: what was ordered, sampled and used.

Source: https://hl7.org/fhir/R4/servicerequest.html
"""

from typing import Literal

from msgspec import UNSET, field

from transforms.fhir.codes import coding_texts, read_concept
from transforms.fhir.datatypes import (
    CodeableConcept,
    Element,
    NotInR4,
    Period,
    PlainConcept,
    Quantity,
    Reference,
    Resource,
)
from transforms.fhir.rows import Facts
from transforms.fhir.times import begun_us, known_us
from transforms.fhir.values import read_quantity


class ServiceRequest(Resource, kw_only=True):
    """What is kept of a ServiceRequest."""

    status: Literal[
        "draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"
    ]
    intent: Literal[
        "proposal",
        "plan",
        "directive",
        "order",
        "original-order",
        "reflex-order",
        "filler-order",
        "instance-order",
        "option",
    ]
    subject: Reference
    do_not_perform: bool | None = None
    category: tuple[CodeableConcept, ...] = ()
    code: PlainConcept | None = None
    order_detail: tuple[CodeableConcept, ...] = ()
    quantity_quantity: Quantity | None = None
    occurrence_date_time: str | None = None
    occurrence_period: Period | None = None
    authored_on: str | None = None
    reason_code: tuple[CodeableConcept, ...] = ()
    body_site: tuple[CodeableConcept, ...] = ()
    body_structure: NotInR4 = UNSET
    focus: NotInR4 = UNSET
    reason: NotInR4 = UNSET


class Collection(Element):
    """How and when a specimen was taken."""

    collected_date_time: str | None = None
    collected_period: Period | None = None
    method: CodeableConcept | None = None
    body_site: PlainConcept | None = None


class Specimen(Resource, kw_only=True):
    """What is kept of a Specimen."""

    status: Literal["available", "unavailable", "unsatisfactory", "entered-in-error"] | None = None
    type: CodeableConcept | None = None
    received_time: str | None = None
    collection: Collection | None = None
    condition: tuple[CodeableConcept, ...] = ()
    combined: NotInR4 = UNSET
    feature: NotInR4 = UNSET
    role: NotInR4 = UNSET
    treatment: NotInR4 = UNSET


class Device(Resource, kw_only=True):
    """What is kept of a Device; its serial numbers and identifiers are not."""

    status: Literal["active", "inactive", "entered-in-error", "unknown"] | None = None
    subject: Reference | None = field(name="patient", default=None)
    type: CodeableConcept | None = None
    availability_status: NotInR4 = UNSET
    biological_source_event: NotInR4 = UNSET
    category: NotInR4 = UNSET
    conforms_to: NotInR4 = UNSET
    display_name: NotInR4 = UNSET
    model: NotInR4 = UNSET
    name: NotInR4 = UNSET
    udi: NotInR4 = UNSET


def facts_from_service_request(request: ServiceRequest) -> Facts:
    """ServiceRequest -> its code when it was ordered, else when it is to take place.

    Source: https://hl7.org/fhir/R4/servicerequest.html
    Raises: ValueError, when a time cannot be read or the quantity does not fit float32.
    """
    if request.do_not_perform:
        return "do not perform"
    time = known_us(None, request.authored_on, "ServiceRequest.authoredOn")
    if time is None:
        time = begun_us(
            request.occurrence_date_time,
            request.occurrence_period,
            "ServiceRequest.occurrence[x]",
        )
    code, text, codes = read_concept(request.code, "ServiceRequest")
    for concepts in (
        request.category,
        request.order_detail,
        request.reason_code,
        request.body_site,
    ):
        codes += coding_texts(concepts)
    number = unit = None
    if request.quantity_quantity is not None:
        element = "ServiceRequest.quantityQuantity"
        number, _, unit = read_quantity(request.quantity_quantity, element)
    return [(time, code, number, text, unit, codes or None)]


def facts_from_specimen(specimen: Specimen) -> Facts:
    """Specimen -> its type when it was collected, else received; method and site beside it.

    Source: https://hl7.org/fhir/R4/specimen.html
    Raises: ValueError, when a time cannot be read.
    """
    code, text, codes = read_concept(specimen.type, "Specimen")
    time = None
    if specimen.collection is not None:
        collection = specimen.collection
        time = begun_us(
            collection.collected_date_time,
            collection.collected_period,
            "Specimen.collection.collected[x]",
        )
        for concept in (collection.method, collection.body_site):
            if concept is not None:
                codes += coding_texts((concept,))
    if time is None:
        time = begun_us(specimen.received_time, None, "Specimen.receivedTime")
    codes += coding_texts(specimen.condition)
    return [(time, code, None, text, None, codes or None)]


def facts_from_device(device: Device) -> Facts:
    """Device -> its type; the time is left open, since R4 does not say when a patient got it.

    Source: https://hl7.org/fhir/R4/device.html
    """
    code, text, codes = read_concept(device.type, "Device")
    return [(None, code, None, text, None, codes or None)]

"""Communication and QuestionnaireResponse: what was written and answered.

Source: https://hl7.org/fhir/R4/communication.html
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import UNSET

from transforms.fhir.codes import code_text, coding_texts, read_concept
from transforms.fhir.datatypes import (
    Attachment,
    CodeableConcept,
    Coding,
    Element,
    NotInR4,
    Quantity,
    Reference,
    Resource,
)
from transforms.fhir.names import known_type
from transforms.fhir.notes import note_text
from transforms.fhir.rows import Facts
from transforms.fhir.scrub import scrub
from transforms.fhir.times import begun_us, known_us
from transforms.fhir.values import FLOAT32_MAX, read_quantity

_TYPE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[^/]+(?:/_history/[^/]+)?$")


class Payload(Element):
    """One part of a message; a reference to another resource has no text."""

    content_string: str | None = None
    content_attachment: Attachment | None = None
    content_codeable_concept: NotInR4 = UNSET


class Communication(Resource, kw_only=True):
    """What is kept of a Communication."""

    status: Literal[
        "preparation",
        "in-progress",
        "not-done",
        "on-hold",
        "stopped",
        "completed",
        "entered-in-error",
        "unknown",
    ]
    category: tuple[CodeableConcept, ...] = ()
    medium: tuple[CodeableConcept, ...] = ()
    topic: CodeableConcept | None = None
    sent: str | None = None
    received: str | None = None
    sender: Reference | None = None
    reason_code: tuple[CodeableConcept, ...] = ()
    payload: tuple[Payload, ...] = ()
    context: NotInR4 = UNSET
    definition: NotInR4 = UNSET
    not_done: NotInR4 = UNSET
    not_done_reason: NotInR4 = UNSET
    reason: NotInR4 = UNSET

    def __post_init__(self) -> None:
        """A message without subject that a patient sent is about that patient."""
        sender = self.sender
        if self.subject is None and sender is not None and "Patient/" in (sender.reference or ""):
            self.subject = sender


class Answer(Element):
    """One answer, with the questions that it leads to."""

    value_boolean: bool | None = None
    value_decimal: float | None = None
    value_integer: int | None = None
    value_date: str | None = None
    value_date_time: str | None = None
    value_time: str | None = None
    value_string: str | None = None
    value_uri: str | None = None
    value_attachment: Attachment | None = None
    value_coding: Coding | None = None
    value_quantity: Quantity | None = None
    item: tuple["Item", ...] = ()


class Item(Element):
    """A question or a group of them."""

    link_id: str
    answer: tuple[Answer, ...] = ()
    item: tuple["Item", ...] = ()


class QuestionnaireResponse(Resource, kw_only=True):
    """What is kept of a QuestionnaireResponse; the questions' wording is not."""

    status: Literal["in-progress", "completed", "amended", "entered-in-error", "stopped"]
    questionnaire: str | None = None
    authored: str | None = None
    item: tuple[Item, ...] = ()
    context: NotInR4 = UNSET
    group: NotInR4 = UNSET
    parent: NotInR4 = UNSET


def facts_from_communication(communication: Communication) -> Facts:
    """Communication -> its topic (else category, else reason), once per text, when sent.

    A message without `sent` counts from when it was received. Further codes say what sort of sender
    it has, where the reference tells: `SENDER//Patient`.

    Source: https://hl7.org/fhir/R4/communication.html
    Raises: ValueError, when a time or an attachment cannot be read.
    """
    time = begun_us(communication.sent or communication.received, None, "Communication.sent")
    topics = [communication.topic] if communication.topic is not None else []
    codes = coding_texts([*topics, *communication.category, *communication.reason_code])
    code = codes[0] if codes else "Communication//TEXT"
    further = codes[1:] + coding_texts(communication.medium) + _sender(communication.sender)
    texts: list[str | None] = []
    for part in communication.payload:
        if part.content_string:
            texts.append(scrub(part.content_string))
        if part.content_attachment is not None:
            texts.append(note_text(part.content_attachment))
    if not codes and not any(texts):
        named = [*topics, *communication.category, *communication.reason_code]
        code, text, _ = read_concept(named[0] if named else None, "Communication")
        texts = [text]
    return [(time, code, None, text, None, further or None) for text in texts if text] or [
        (time, code, None, None, None, further or None)
    ]


def _sender(sender: Reference | None) -> list[str]:
    """What sort of resource sent a message, as a code; nothing where only its id is given."""
    if sender is None:
        return []
    found = _TYPE.search(sender.reference or "")
    kind = sender.type or (found.group(1) if found else "")
    return [f"SENDER//{kind}"] if known_type(kind) else []


def facts_from_response(response: QuestionnaireResponse) -> Facts:
    """QuestionnaireResponse -> one fact per answer, `<questionnaire>//<linkId>`.

    The questionnaire is its canonical URL without version, `QuestionnaireResponse` where it is
    not named. Without any answer there is one `QuestionnaireResponse//<status>`.

    Source: https://hl7.org/fhir/R4/questionnaireresponse.html
    Raises: ValueError, when the time or an attachment cannot be read or a number does not fit.
    """
    time = known_us(None, response.authored, "QuestionnaireResponse.authored")
    system = (response.questionnaire or "").split("|")[0]
    if not system or system.startswith("#"):
        system = "QuestionnaireResponse"
    facts = [
        (time, code_text(system, link_id), *_answer_value(answer))
        for link_id, answer in _answers(response.item)
    ]
    return facts or [(time, f"QuestionnaireResponse//{response.status}", None, None, None, None)]


def _answers(items: Iterable[Item]) -> Iterator[tuple[str, Answer]]:
    """Every answer with the linkId of its question, in document order."""
    for item in items:
        for answer in item.answer:
            yield item.link_id, answer
            yield from _answers(answer.item)
        yield from _answers(item.item)


def _answer_value(
    answer: Answer,
) -> tuple[float | None, str | None, str | None, list[str] | None]:
    """Answer -> number, text, unit, codes."""
    element = "QuestionnaireResponse.item.answer.value[x]"
    if answer.value_quantity is not None:
        return (*read_quantity(answer.value_quantity, element), None)
    if answer.value_coding is not None:
        codes = coding_texts((CodeableConcept((answer.value_coding,)),))
        return None, answer.value_coding.display or answer.value_coding.code, None, codes or None
    if answer.value_boolean is not None:
        return float(answer.value_boolean), str(answer.value_boolean).lower(), None, None
    number = answer.value_decimal if answer.value_integer is None else answer.value_integer
    if number is not None:
        if not -FLOAT32_MAX <= number <= FLOAT32_MAX:
            raise ValueError(f"{element}: expected a number within float32")
        return float(number), None, None, None
    if answer.value_attachment is not None:
        return None, note_text(answer.value_attachment), None, None
    if answer.value_string:
        return None, scrub(answer.value_string), None, None
    text = answer.value_date_time or answer.value_date or answer.value_time
    return None, text or answer.value_uri, None, None

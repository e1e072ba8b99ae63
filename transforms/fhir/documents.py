"""DiagnosticReport and DocumentReference: reports and notes.

Source: https://hl7.org/fhir/R4/diagnosticreport.html
"""

from collections.abc import Iterable
from typing import Literal

from msgspec import UNSET, field

from transforms.fhir.codes import coding_texts, read_concept
from transforms.fhir.datatypes import (
    Attachment,
    CodeableConcept,
    Element,
    NotInR4,
    Period,
    Reference,
    Resource,
)
from transforms.fhir.notes import note_text
from transforms.fhir.rows import ENTERED_IN_ERROR, Facts
from transforms.fhir.scrub import scrub
from transforms.fhir.times import begun_us, ended_us, known_us


class DiagnosticReport(Resource, kw_only=True):
    """What is kept of a DiagnosticReport."""

    status: Literal[
        "registered",
        "partial",
        "preliminary",
        "final",
        "amended",
        "corrected",
        "appended",
        "cancelled",
        "entered-in-error",
        "unknown",
    ]
    category: tuple[CodeableConcept, ...] = ()
    code: CodeableConcept
    effective_date_time: str | None = None
    effective_period: Period | None = None
    issued: str | None = None
    conclusion: str | None = None
    conclusion_code: tuple[CodeableConcept, ...] = ()
    presented_form: tuple[Attachment, ...] = ()
    coded_diagnosis: NotInR4 = UNSET
    composition: NotInR4 = UNSET
    context: NotInR4 = UNSET
    image: NotInR4 = UNSET
    note: NotInR4 = UNSET
    study: NotInR4 = UNSET
    supporting_info: NotInR4 = UNSET


class Content(Element):
    """One form of a document."""

    attachment: Attachment
    profile: NotInR4 = UNSET


class DocumentContext(Element):
    """When and during which Encounter the documented care took place."""

    encounter: tuple[Reference, ...] = ()
    event: tuple[CodeableConcept, ...] = ()
    period: Period | None = None
    facility_type: CodeableConcept | None = None
    practice_setting: CodeableConcept | None = None


class DocumentReference(Resource, kw_only=True):
    """What is kept of a DocumentReference."""

    status: Literal["current", "superseded", "entered-in-error"]
    doc_status: str | None = None
    type: CodeableConcept | None = None
    category: tuple[CodeableConcept, ...] = ()
    date: str | None = None
    content: tuple[Content, ...]
    context: DocumentContext | None = None
    attester: NotInR4 = UNSET
    based_on: NotInR4 = UNSET
    body_site: NotInR4 = UNSET
    class_: NotInR4 = field(name="class", default=UNSET)
    created: NotInR4 = UNSET
    event: NotInR4 = UNSET
    facility_type: NotInR4 = UNSET
    indexed: NotInR4 = UNSET
    modality: NotInR4 = UNSET
    period: NotInR4 = UNSET
    practice_setting: NotInR4 = UNSET
    version: NotInR4 = UNSET

    def __post_init__(self) -> None:
        """Show the first Encounter where other resources have it."""
        if self.context is not None and self.context.encounter:
            self.encounter = self.context.encounter[0]


def facts_from_report(report: DiagnosticReport) -> Facts:
    """DiagnosticReport -> its code, once per text: the conclusion and each presented form.

    Coded conclusions go to the further codes. The time is the end of the effective period or,
    if later, `issued`.

    Source: https://hl7.org/fhir/R4/diagnosticreport.html
    Raises: ValueError, when a time or an attachment cannot be read.
    """
    time = ended_us(
        report.effective_date_time, report.effective_period, "DiagnosticReport.effective[x]"
    )
    time = known_us(time, report.issued, "DiagnosticReport.issued")
    code, name, codes = read_concept(report.code, "DiagnosticReport")
    codes += coding_texts(report.category)
    if report.conclusion_code:
        codes += coding_texts(report.conclusion_code)
    if report.conclusion is None and not report.presented_form:
        return [(time, code, None, name, None, codes or None)]
    conclusion = scrub(report.conclusion) if report.conclusion else None
    texts = [conclusion, *(note_text(form) for form in report.presented_form)]
    return _one_per_text(time, code, name, texts, codes)


def facts_from_document(document: DocumentReference) -> Facts:
    """DocumentReference -> the code of its type, once per attachment with text, else once.

    The time is when the document was made (`date`) or, if later, when the care it describes began.

    Source: https://hl7.org/fhir/R4/documentreference.html
    Raises: ValueError, when a time or an attachment cannot be read.
    """
    if document.doc_status == "entered-in-error":
        return ENTERED_IN_ERROR
    context = document.context
    time = None
    code, name, codes = read_concept(document.type, "DocumentReference")
    codes += coding_texts(document.category)
    if context is not None:
        time = begun_us(None, context.period, "DocumentReference.context.period")
        codes += coding_texts(context.event)
        for concept in (context.facility_type, context.practice_setting):
            if concept is not None:
                codes += coding_texts((concept,))
    time = known_us(time, document.date, "DocumentReference.date")
    texts = [note_text(content.attachment) for content in document.content]
    return _one_per_text(time, code, name, texts, codes)


def _one_per_text(
    time: int | None, code: str, name: str | None, texts: Iterable[str | None], codes: list[str]
) -> Facts:
    """One fact per different text; the name of an uncoded document stands where there is none."""
    different = dict.fromkeys(text for text in texts if text)
    return [(time, code, None, text, None, codes or None) for text in different] or [
        (time, code, None, name, None, codes or None)
    ]

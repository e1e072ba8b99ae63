"""What is scrubbed from free text, what is not, and that any text survives it."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scrub_notes import DEVELOPMENT, note
from tests.model_defs.test_note_patterns import patterns_in, unbounded
from transforms.fhir import scrub as module
from transforms.fhir import scrub_people
from transforms.fhir.datatypes import Attachment, CodeableConcept, Coding
from transforms.fhir.documents import DiagnosticReport, facts_from_report
from transforms.fhir.messages import (
    Answer,
    Communication,
    Item,
    Payload,
    QuestionnaireResponse,
    facts_from_communication,
    facts_from_response,
)
from transforms.fhir.notes import note_text
from transforms.fhir.observation import Component, read_value
from transforms.fhir.scrub import LONGEST, find_identifiers, scrub


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("Seen by Dr. Okonkwo and Mrs. van der Berg.", "Seen by Dr. [NAME] and Mrs. [NAME]."),
        ("PATIENT: OKONKWO, NGOZI A\nPLAN: rest", "PATIENT: [NAME]\nPLAN: rest"),
        ("cc: Ann Li, M.D.\n    Bo Ek, D.O.\n", "cc: [NAME], M.D.\n    [NAME], D.O.\n"),
        ("her daughter Xochitl, 12, coughs", "her daughter [NAME], 12, coughs"),
        ("my name is Ngozi Abara and i cough", "my name is [NAME] and i cough"),
        ("tell dr kowalczyk thanks", "tell dr [NAME] thanks"),
        ("Thanks,\nXochitl", "Thanks,\n[NAME]"),
        ("Bjorn Ek, RN called", "[NAME], RN called"),
        ("Then Patricia O'Malley fell.", "Then [NAME] fell."),
        ("Robert270 Smith67 is 4.", "[NAME] is 4."),
        ("Dr. Parkinson's letter", "Dr. [NAME]'s letter"),
        ("discussed with J. Abara", "discussed with [NAME]"),
        (
            "call 555-010-1234, (555) 010-1234 or +44 20 7946 0958",
            "call [PHONE], [PHONE] or [PHONE]",
        ),
        ("office 555-0123 ext. 4411", "office [PHONE] ext. [PHONE]"),
        ("MRN: 004417, SSN 123-45-6789, acct # A-99812", "MRN: [ID], SSN [ID], acct # [ID]"),
        ("write to a.b+c@x.example.org", "write to [URL]"),
        ("see https://x.example/p?id=7, please", "see [URL], please"),
        ("12 N. Maple Dr., Apt 3B, St. Paul, MN 55101-0002", "[ADDRESS], [ADDRESS]"),
        ("P.O. Box 12, lives in Lake Forest.", "[ADDRESS], lives in [ADDRESS]"),
        ("i live at 77 maple street", "i live at [ADDRESS]"),
        ("2008-06-04, 6/4/2008 and June 4th, 2008", "[DATE 2008], [DATE 2008] and [DATE 2008]"),
        ("06-04-08, 4.6.2008, 4 June, June 2008", "[DATE], [DATE 2008], [DATE], [DATE 2008]"),
        ("seen 6/4, 14-Jul-1978 and 20080604", "seen [DATE], [DATE 1978] and [DATE 2008]"),
    ],
)
def test_an_identifier_is_replaced_by_its_kind(text, scrubbed):
    assert scrub(text) == scrubbed


@pytest.mark.parametrize(
    "text",
    [
        "Parkinson disease, Crohn's disease, a Baker's cyst and a Foley catheter.",
        "Kelly clamps, Jackson-Pratt drain, Russell body, Graham Steell murmur.",
        "The Mercer ward was full. Ranson criteria 3.",
        "Strength 5/5, pain 4/10, BP 120/80, vision 20/40, Norco 10/325, reflexes 2+/4.",
        "Platelets 150-400, sodium 136-145, pH 7.35, 3.5-5.0, q4-6h, 1-2 tablets.",
        "The patient may march in may. She will see the doctor about the miss of a dose.",
        "Plavix 75 mg, Zoloft, Lasix, Humalog; T2 N1 Mx. Stage Ta Nx Mx transitional cell.",
        "the dr said it was fine, dr visits help. MR Brain, MS Contin",
        "HISTORY: The patient is a 54-year-old man. FATHER DIED OF LUNG CANCER.",
        "2 prior CT scans, 10 days ago, 3 views. 4 mg at the drive in.",
    ],
)
def test_what_only_looks_like_an_identifier_stays(text):
    assert scrub(text) == text


def test_nothing_of_a_labelled_identifier_is_left_where_the_rules_know_its_sign():
    for seed in range(40):
        text, labels = note(seed, DEVELOPMENT)
        spans = find_identifiers(text)
        for begin, end, kind in labels:
            if not text[begin:end].islower():  # of names in lower case only listed ones are known
                assert any(s.begin <= begin and end <= s.end for s in spans), (seed, kind)


SIGNS = (
    *("Dr. ", "Mary ", "J. ", "Smith, ", "MD ", "12 Main St", "MRN: ", "555-010-", "6/4/", "May "),
    *("@", "x.org", "www.", "\n    ", "lives in ", "son ", "\u0130", "(", "+1 ", "PO Box 1"),
)


@given(st.lists(st.sampled_from(SIGNS) | st.text(max_size=8), max_size=30).map("".join))
def test_any_text_survives_and_all_but_the_identifiers_stays(text):
    spans = find_identifiers(text)
    begins, ends = [s.begin for s in spans], [s.end for s in spans]
    kept = list(zip([0, *ends], [*begins, len(text)], strict=True))
    assert all(begin <= end for begin, end in kept)  # in order, none within another
    assert all(begin < end for begin, end in zip(begins, ends, strict=True))
    scrubbed, place = scrub(text), 0
    assert len(scrubbed) <= LONGEST * len(text)
    for begin, end in kept:
        place = scrubbed.index(text[begin:end], place) + end - begin
    if not spans:
        assert scrubbed == text


@given(st.text(alphabet="abcdefgh \n.,;:-", max_size=200))
def test_text_without_capitals_digits_and_signs_stays(text):
    assert scrub(text) == text


def test_every_free_text_is_scrubbed_where_it_enters():
    text, scrubbed = "Dr. Okonkwo, MRN 1234567", "Dr. [NAME], MRN [ID]"
    concept = CodeableConcept((Coding(code="x"),))
    attached = Attachment("text/plain", base64.b64encode(text.encode()).decode())
    report = DiagnosticReport(status="final", code=concept, issued="2020-01-01", conclusion=text)
    message = Communication(status="completed", payload=(Payload(text), Payload(None, attached)))
    assert note_text(attached) == scrubbed
    assert [fact[3] for fact in facts_from_report(report)] == [scrubbed]
    assert {fact[3] for fact in facts_from_communication(message)} == {scrubbed}
    response = QuestionnaireResponse(
        status="completed", item=(Item("1", answer=(Answer(value_string=text),)),)
    )
    assert [fact[3] for fact in facts_from_response(response)] == [scrubbed]
    assert read_value(Component(code=concept, value_string=text), "Observation")[1] == scrubbed


@pytest.mark.parametrize("rules", [module, scrub_people], ids=lambda rules: rules.__name__)
def test_every_repetition_is_bounded(rules):
    from re import _parser as parser

    patterns = list(patterns_in(list(vars(rules).values())))
    assert len(patterns) > 5
    for pattern in patterns:
        assert not list(unbounded(parser.parse(pattern.pattern, pattern.flags))), pattern

"""Sections and sentences: worked examples, and what holds for every text."""

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from model_defs._note_sections import find_sentences, kind_of, split_note

NOTE = (
    "CHIEF COMPLAINT: Cough.\n"
    "Past Medical History:\n"
    "1. Asthma.\n"
    "2. Seen by Dr. Smith on 5 mg, e.g. daily. No fever\n"
    "since May.\n"
    "\n"
    "VITAL SIGNS: BP: 120/80. LUNGS: Clear.\n"
    "# Plan\n"
    "- Rest\n"
    "- Return in 2 weeks\n"
    "IMPRESSION\n"
    "Bronchitis."
)


def sections(text):
    return [
        (s.heading, s.kind, [text[t.begin : t.end] for t in s.sentences]) for s in split_note(text)
    ]


def test_a_note_in_its_sections_and_sentences():
    assert sections(NOTE) == [
        ("CHIEF COMPLAINT", "history", ["Cough."]),
        (
            "Past Medical History",
            "history",
            [
                "1. Asthma.",
                "2. Seen by Dr. Smith on 5 mg, e.g. daily.",
                "No fever\nsince May.",
            ],
        ),
        ("VITAL SIGNS", "examination", ["BP: 120/80."]),
        ("LUNGS", "examination", ["Clear."]),
        ("Plan", "plan", ["- Rest", "- Return in 2 weeks"]),
        ("IMPRESSION", "assessment", ["Bronchitis."]),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("S: Cough.\nP: Rest.", [("S", "history", ["Cough."]), ("P", "plan", ["Rest."])]),
        ("He said: Rest. Vitamin C: no.", [("", "", ["He said: Rest.", "Vitamin C: no."])]),
        ("HGB: 12.3 g/dL", [("", "", ["HGB: 12.3 g/dL"])]),  # a measurement, not a heading
        ("ÄRZTLICHE ANAMNESE: Husten.", [("ÄRZTLICHE ANAMNESE", "", ["Husten."])]),
        ("咳嗽。发热。", [("", "", ["咳嗽。", "发热。"])]),
        ("PLAN:", [("PLAN", "plan", [])]),
        (" \n", [("", "", [])]),
        ("", []),
    ],
)
def test_headings(text, expected):
    assert sections(text) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two.", 2),
        ("Seen at 3 p.m. today. Well.", 2),
        ("Seen in two wks. then stop.", 1),
        ("Two lines that go\non here.", 1),
        ("Dose was\n500 mg daily.", 1),
        ("Well\n2. Ill", 2),
        ("Well.\n500 mg", 2),
        ("Is it? Yes! No.", 3),
        ("One line\n\nanother", 2),
        ("value of 1.5 mg", 1),
        ('He said "well." Then he left.', 2),
    ],
)
def test_where_sentences_end(text, count):
    assert len(list(find_sentences(text, 0, len(text)))) == count


@pytest.mark.parametrize(
    ("heading", "above", "kind"),
    [
        ("POSTOPERATIVE DIAGNOSIS", "", "assessment"),
        ("INDICATIONS FOR PROCEDURE", "", "history"),
        ("OPERATIVE FINDINGS", "", "findings"),
        ("POSTOPERATIVE PLAN", "", "plan"),
        ("CURRENT MEDICATIONS", "", "medication"),
        ("ASSESSMENT AND PLAN", "", ""),  # both: says neither
        ("HEART", "findings", "findings"),
        ("HEART", "plan", "examination"),
        ("XYZ", "plan", ""),
    ],
)
def test_what_a_heading_says(heading, above, kind):
    assert kind_of(heading, above)[0] == kind


TEXTS = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="AB.c: \n#1-,!?\"'/。", max_size=200),
    st.lists(
        st.sampled_from(["PLAN:", "Exam:", " ", "\n", ". ", "He", "1. ", "- ", "Dr.", "é"])
    ).map("".join),
)


@settings(deadline=None)
@given(text=TEXTS)
@example(text=NOTE)
def test_sections_are_the_whole_text_and_only_space_lies_between_sentences(text):
    found = split_note(text)
    assert "".join(text[s.begin : s.end] for s in found) == text
    for section in found:
        assert section.begin <= section.body <= section.end
        at = section.body
        for sentence in section.sentences:
            assert not text[at : sentence.begin].strip()
            words = text[sentence.begin : sentence.end]
            assert words == words.strip() != ""
            at = sentence.end
        assert at <= section.end
        assert not text[at : section.end].strip()

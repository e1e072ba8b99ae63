"""Dates, measurements and medications: exact values, what always holds, and how many are found."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from model_defs._note_dates import find_dates
from model_defs._note_items import items_of
from model_defs._note_measures import MEASURES, find_measurements, ucum
from model_defs._note_medications import find_medications, ingredient_of
from model_defs._note_sections import split_note


def items(text):
    return list(items_of(text, split_note(text), []))


def dates(text):
    return [(text[d.begin : d.end], d.iso) for d in find_dates(text, 0, len(text))]


def values(text):
    return [
        (text[m.begin : m.end], m.value, m.unit, m.code.removeprefix("LOINC//"))
        for m in find_measurements(text, 0, len(text))
    ]


def drugs(text):
    return [
        (text[m.begin : m.end], m.name, m.dose, m.unit, m.route, m.frequency)
        for m in find_medications(text, 0, len(text))
    ]


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2008-06-04", "2008-06-04"),
        ("06/04/2008", "2008-06-04"),
        ("6-4-08", "2008-06-04"),
        ("25/06/2008", "2008-06-25"),  # only the second can be the month
        ("3/15/71", "1971-03-15"),
        ("June 4, 2008", "2008-06-04"),
        ("Jun. 4th 2008", "2008-06-04"),
        ("4th of June 2008", "2008-06-04"),
        ("MAY 2008", "2008-05"),
        ("February of 2006", "2006-02"),
    ],
)
def test_a_date(text, iso):
    assert dates(f"Seen {text}, well.") == [(text, iso)]


@pytest.mark.parametrize(
    "text",
    [
        "31/02/2008",
        "\u017fep 4, 2008",
        "dose \u017fept 2008",
        "May 0000",
        "2008-13-01",
        "120/80",
        "1/2/3",
        "06/04-08",
        "5-10-15-20",
        "may 12",
        "v1.2.2008",
    ],
)
def test_no_date(text):
    assert dates(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hemoglobin 12.3 g/dL", [("hemoglobin 12.3 g/dL", 12.3, "g/dL", "718-7")]),
        ("Hgb of 12.3,", [("Hgb of 12.3", 12.3, "g/dL", "718-7")]),
        ("Hgb of 123,", []),  # out of range: some other unit
        (
            "BP118/66.",
            [("BP118", 118, "mm[Hg]", "8480-6"), ("66", 66, "mm[Hg]", "8462-4")],
        ),
        (
            "blood pressure is 120 over 80 mmHg",
            [
                ("blood pressure is 120", 120, "mm[Hg]", "8480-6"),
                ("80 mmHg", 80, "mm[Hg]", "8462-4"),
            ],
        ),
        ("BP 400/80 or 80/120", []),
        ("temp 98.6", [("temp 98.6", 98.6, "[degF]", "8310-5")]),
        ("T 36.8", [("T 36.8", 36.8, "Cel", "8310-5")]),
        ("Temperature: 37 °C", [("Temperature: 37 °C", 37, "Cel", "8310-5")]),
        ("temp of 37 degrees", [("temp of 37 degrees", 37, "Cel", "8310-5")]),
        ("bent by 37 degrees", [("37 degrees", 37, "deg", "")]),
        ("weight 1,250 grams", [("weight 1,250 grams", 1250, "g", "29463-7")]),
        ("a 2 x 3 cm mass", [("2", 2, "cm", ""), ("3 cm", 3, "cm", "")]),
        ("30-35 mmHg", [("30", 30, "mm[Hg]", ""), ("35 mmHg", 35, "mm[Hg]", "")]),
        ("WBC 5.2 x 10^9/L", [("WBC 5.2 x 10^9/L", 5.2, "10*3/uL", "6690-2")]),
        ("a 5-mm stone", [("5-mm", 5, "mm", "")]),
        ("hemoglobin and hematocrit 10.5 and 32.8", []),  # which is which?
        ("pulse 3 times", []),
        ("for 3 weeks, 2 days, T11, C5-C6, #4", []),
    ],
)
def test_measurements(text, expected):
    assert values(text) == expected


@pytest.mark.parametrize(
    ("written", "code"),
    [
        *[("mm Hg", "mm[Hg]"), ("gm/dl", "g/dL"), ("mg%", "mg/dL"), ("mEq/L", "meq/L")],
        *[("K/uL", "10*3/uL"), ("µg", "ug"), ("µmol/L", "umol/L"), ("cc", "mL")],
        *[("lbs", "[lb_av]"), ("x10^9/L", "10*3/uL")],
        *[("F", "[degF]"), ("°C", "Cel"), ("L", "L"), ("kg/m²", "kg/m2"), ("breaths/min", "/min")],
        *[("French", "[Ch]"), ("percent", "%"), ("furlongs", "furlongs")],
    ],
)  # fmt: skip
def test_units_are_ucum_where_known_else_as_written(written, code):
    assert ucum(written) == code


def test_every_measure_has_one_code_and_every_name_one_measure():
    codes = [measure.loinc for measure in MEASURES]
    assert len(codes) == len(set(codes))
    names = [name for measure in MEASURES for name in measure.names.split("|")]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Plavix 75 mg p.o. daily",
            ("Plavix 75 mg p.o. daily", "clopidogrel", 75, "mg", "oral", "daily"),
        ),
        (
            "lisinopril (10 mg q.d.",
            ("lisinopril (10 mg q.d.", "lisinopril", 10, "mg", "", "daily"),
        ),
        (
            "5 to 10 mg of Coumadin daily",
            ("5 to 10 mg of Coumadin daily", "warfarin", 5, "mg", "", "daily"),
        ),
        ("2 g of Ancef IV", ("2 g of Ancef IV", "cefazolin", 2, "g", "intravenous", "")),
        (
            "heparin 5,000 units SQ q8h",
            (
                *("heparin 5,000 units SQ q8h", "heparin", 5000, "[IU]"),
                *("subcutaneous", "every 8 hours"),
            ),
        ),
        (
            "albuterol 2 puffs q.i.d. p.r.n.",
            ("albuterol 2 puffs q.i.d.", "albuterol", 2, "{puff}", "", "four times a day"),
        ),
        ("0.25% Marcaine", ("0.25% Marcaine", "bupivacaine", 0.25, "%", "", "")),
        (
            "Zonegran 25 mg twice daily",
            ("Zonegran 25 mg twice daily", "zonegran", 25, "mg", "", "twice a day"),
        ),
        ("on Coumadin since", ("Coumadin", "warfarin", None, "", "", "")),
    ],
)  # fmt: skip
def test_a_medication(text, expected):
    assert drugs(text) == [expected]


@pytest.mark.parametrize(
    "text", ["In April 2008", "a cephalad angle", "cholesterol 200 mg/dL", "Stone 5 mg"]
)
def test_no_medication(text):
    assert drugs(text) == []


def test_the_dose_of_the_next_drug_is_not_that_of_this_one():
    found = [d[:3] for d in drugs("given 5 mg of Versed, 20 mg of Demerol")]
    assert found == [("5 mg of Versed", "midazolam", 5), ("20 mg of Demerol", "meperidine", 20)]


def test_ingredients():
    assert [ingredient_of(w) for w in ("Lasix", "METFORMIN", "Xyzpril", "April", "knee")] == [
        "furosemide",
        "metformin",
        "xyzpril",
        "",
        "",
    ]


def test_items_with_section_sentence_and_place():
    text = "MEDICATIONS:\n1. Aspirin 81 mg daily.\nPLAN: See on 06/04/08. Check INR 2.1 then."
    found = list(items_of(text, split_note(text), ["medication", "plan"]))
    rows = [(i.section, i.sentence, i.sentence_class, i.kind, i.text, i.value) for i in found]
    assert rows == [
        ("MEDICATIONS", 0, "medication", "sentence", "1. Aspirin 81 mg daily.", None),
        ("MEDICATIONS", 0, "medication", "medication", "Aspirin 81 mg daily", 81.0),
        ("PLAN", 1, "plan", "sentence", "See on 06/04/08.", None),
        ("PLAN", 1, "plan", "date", "06/04/08", None),
        ("PLAN", 2, None, "sentence", "Check INR 2.1 then.", None),  # no class was given
        ("PLAN", 2, None, "measurement", "INR 2.1", 2.1),
    ]
    codes = [item.code for item in found if item.kind != "sentence"]
    assert codes == ["RXNORM//1191", "ISO8601//2008-06-04", "LOINC//6301-6"]


def test_the_dose_of_a_drug_is_no_measurement_and_a_date_no_value():
    assert [i.kind for i in items("Lasix 40 mg.")] == ["sentence", "medication"]
    assert [i.kind for i in items("creatinine 06/04/2008.")] == ["sentence", "date"]


PIECES = st.sampled_from(
    [
        *("BP 120/80", "Hgb 12.3", " 5 cm", "06/04/08", "Plavix 75 mg", "May 2008", "T36.8C"),
        *(" ", "\n", ". ", ", ", "x", "-", "/", "1", "mg ", "q8h ", "of ", "PLAN:"),
        *("é", "😀", "Ω", "\u0130"),
    ]
)  # fmt: skip


@settings(deadline=None)
@given(text=st.one_of(st.text(max_size=120), st.lists(PIECES, max_size=25).map("".join)))
def test_items_lie_in_their_sentence_apart_and_say_what_the_text_says(text):
    found = items(text)
    sentences = [item for item in found if item.kind == "sentence"]
    assert [item.sentence for item in sentences] == list(range(len(sentences)))
    at = 0
    for item in found:
        assert 0 <= item.begin < item.end <= len(text)
        assert text[item.begin : item.end] == item.text
        if item.kind == "sentence":
            at = item.begin
            continue
        around = sentences[item.sentence]
        assert around.begin <= item.begin
        assert item.end <= around.end
        assert at <= item.begin  # not within the item before
        at = item.end


DATES = [
    ("06/04/2008", "2008-06-04"),
    ("March 3, 1999", "1999-03-03"),
    ("2011-12-30", "2011-12-30"),
]
LABS = [
    ("sodium of {}", (128, 150), "mmol/L"), ("creatinine was {} mg/dL", (0.5, 4), "mg/dL"),
    ("heart rate {} bpm", (50, 140), "/min"),
    ("temperature {} degrees Fahrenheit", (97, 103), "[degF]"),
    ("a {} cm lesion", (1, 9), "cm"), ("urine output of {} mL", (20, 900), "mL"),
    ("O2 sat {}% on air", (85, 99), "%"), ("BMI is {}", (18, 45), "kg/m2"),
]  # fmt: skip
DRUGS = ["lisinopril", "Lasix", "metoprolol succinate", "Vancomycin", "Glucophage", "Lipitor"]
WAYS = ["p.o. daily", "IV q12h", "b.i.d.", "at bedtime", ""]
FILLERS = [
    "He was seen in clinic.", "The patient is a 54-year-old man.", "Pain for 3 weeks at L4-L5.",
    "Two sutures of 2-0 Vicryl.", "No change x 2 days.",
    "Follow up in 6 months.", "Grade 2/6 murmur.",
    "The wound was closed in 3 layers.", "Room 12, chart 4481.",
]  # fmt: skip


def labelled_note(rng):
    """A note from templates -> its text and the items in it: (kind, value or day, unit)."""

    def choose(options):
        return options[rng.integers(len(options))]

    lines, truth = [], []
    for _ in range(30):
        what = choose(["date", "measurement", "medication", "filler", "filler"])
        if what == "date":
            written, iso = choose(DATES)
            lines.append(choose(["Seen on {}.", "Admitted {} with pain."]).format(written))
            truth.append((what, f"ISO8601//{iso}", None))
        elif what == "measurement":
            words, (low, high), unit = choose(LABS)
            value = round(float(rng.uniform(low, high)), 1)
            lines.append(f"There was {words.format(value)}.")
            truth.append((what, value, unit))
        elif what == "medication":
            dose = choose([5, 12.5, 40, 500])
            lines.append(f"Takes {choose(DRUGS)} {dose} mg {choose(WAYS)}".strip() + ".")
            truth.append((what, float(dose), "mg"))
        else:
            lines.append(choose(FILLERS))
    return " ".join(lines), truth


@pytest.mark.parametrize("kind", ["date", "measurement", "medication"])
def test_precision_and_recall_on_notes_from_templates(kind):
    rng = np.random.default_rng(1)
    right = found = there = 0
    for _ in range(40):
        text, truth = labelled_note(rng)
        wanted = [(v, u) for k, v, u in truth if k == kind]
        got = [
            (i.code if kind == "date" else round(i.value, 4), i.unit)
            for i in items(text)
            if i.kind == kind and (kind == "date" or i.value is not None)
        ]
        there, found = there + len(wanted), found + len(got)
        for one in got:
            if one in wanted:
                wanted.remove(one)
                right += 1
    assert there > 150
    assert right / found >= 0.98  # precision
    assert right / there >= 0.98  # recall

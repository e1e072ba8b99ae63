import datetime

import numpy as np
import polars as pl
import pytest

from model_defs._messages import DIAGNOSED_WITHIN
from model_defs._triage import parse_rules, read_rules
from model_defs.assistant import Config, examples, to_predictions
from tests.model_defs.cases_assistant import AS_OF, day, fact, label, message, tables_of
from transforms.errors import UsageError
from transforms.prediction_rows import Outputs

MICROSECOND = datetime.timedelta(microseconds=1)
FORM = "http://hospital.example/form"


def found(rows, labels=None, *, as_of=AS_OF, config=None):
    return examples(tables_of(rows, labels), as_of, config or Config())


def one(rows, labels=None, **options):
    (row,) = found(rows, labels, **options).to_dicts()
    return row


def answer(question, text, time=1, **columns):
    return fact(
        f"{FORM}//{question}",
        time,
        "QuestionnaireResponse",
        text_value=text,
        resource_id=5,
        **columns,
    )


def test_a_message_is_one_example_a_microsecond_after_it():
    row = one([message("My chest hurts", 3, 7)])
    assert row["subject_id"] == 1
    assert row["entity_id"] == 7
    assert row["prediction_time"] == day(3) + MICROSECOND
    assert row["text"] == "My chest hurts"
    assert row["condition"] is None
    assert row["sex"] is None
    assert row["age_years"] is None or np.isnan(row["age_years"])


def test_parts_and_answers_are_joined_in_a_stable_order():
    parts = [message("b second", 3), message("a first", 3)]
    assert one(parts)["text"] == one(parts[::-1])["text"] == "a first\nb second"
    answers = [answer("2", "since Monday"), answer("1", "a rash")]
    assert one(answers)["text"] == one(answers[::-1])["text"] == "a rash\nsince Monday"


def test_what_is_not_in_the_patients_words_is_left_out():
    rows = [
        answer("1", "a rash"),
        answer("2", "true", numeric_value=1.0),
        answer("3", "Fever", codes=["SNOMED//386661006"]),
        answer("4", "2023-05-01"),
        answer("5", "http://hospital.example/photo"),
        answer("7", "urn:uuid:abcd"),
        answer("6", None),
    ]
    assert one(rows)["text"] == "a rash"
    assert not len(found([*rows[1:], message("...", 1, 9), message("39.2", 1, 10)]))


@pytest.mark.parametrize("text", ["\u75c7\u72b6:\u80f8\u75db", "Help:bleeding"])
def test_a_colon_makes_no_address(text):
    assert one([message(text, 1)])["text"] == text


def test_only_what_the_patients_side_sent_is_a_message():
    rows = [
        message("from the patient", 1, 1, codes=["SENDER//Patient"]),
        message("from the mother", 1, 2, codes=["SENDER//RelatedPerson"]),
        message("from the nurse", 1, 3, codes=["v3//X", "SENDER//Practitioner"]),
        message("from nobody named", 1, 4, codes=["v3//X"]),
        fact("LOINC//11506-3", 1, "DocumentReference", text_value="a note", resource_id=5),
    ]
    assert found(rows)["entity_id"].to_list() == [1, 2, 4]


def test_a_message_at_the_day_asked_for_is_not_known_yet():
    assert not len(found([message("a rash", 1)], as_of=day(1)))
    assert len(found([message("a rash", 1)], as_of=day(1) + MICROSECOND)) == 1


def test_vital_signs_are_the_last_of_the_week_in_the_units_of_the_features():
    def sign(loinc, time, value, unit):
        return fact(f"LOINC//{loinc}", time, numeric_value=value, unit=unit, resource_id=2)

    row = one(
        [
            message("fever", 10),
            sign("8310-5", 8, 36.0, "Cel"),
            sign("8310-5", 9, 102.2, "[degF]"),
            sign("8310-5", 9.5, 400.0, "mK"),
            sign("8867-4", 9, 120, "/min"),
            sign("9279-1", 9, 28, "{breaths}/min"),
            sign("2708-6", 2.9, 80, "%"),
            sign("8480-6", 11, 60, "mm[Hg]"),
        ]
    )
    assert row["temperature"] == pytest.approx(39.0, abs=1e-4)
    assert row["heart_rate"] == 120
    assert row["respiratory_rate"] == 28
    assert np.isnan(row["oxygen_saturation"])  # older than a week
    assert np.isnan(row["systolic_pressure"])  # later


def test_age_sex_race_and_history_stand_beside_the_words():
    row = one(
        [
            message("short of breath", 10),
            fact("MEDS_BIRTH", 10 - 365.25 * 40, "Patient"),
            fact("SEX//female", None, "Patient"),
            fact("RACE//2106-3", None, "Patient"),
            fact("ICD10CM//J44.9", 1, "Condition"),
            fact("ICD10CM//E11.9", 11, "Condition"),
        ]
    )
    assert row["age_years"] == pytest.approx(40, abs=1e-3)
    assert (row["sex"], row["race"]) == ("female", "2106-3")
    assert row["condition_chronic_pulmonary"] == 1
    assert row["condition_diabetes"] == 0
    assert row["red_flag"] == pytest.approx(0.65)


def condition(code, time, **columns):
    return fact(code, time, "Condition", resource_id=9, **columns)


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ([condition("ICD10CM//J18.9", 5)], "Pneumonia"),
        ([condition("ICD10CM//J18.9", 5), condition("ICD10CM//J00", 4)], "Common Cold"),
        ([condition("SNOMED//37796009", 3 + 13.9)], "Migraine"),
        ([condition("SNOMED//37796009", 3 + 14.1)], None),
        ([condition("ICD10CM//J18.9", 2)], None),
        ([condition("CONDITION_END//SNOMED//1", 5, codes=["ICD10CM//J18.9"])], None),
        ([condition("ICD10CM//S72.0", 5)], None),
        ([condition("ICD10CM//J18.9", 5, subject_id=2)], None),
        ([fact("ICD10CM//J18.9", 5, "Observation")], None),
    ],
)
def test_the_label_is_the_first_known_condition_of_the_days_after(later, expected):
    assert DIAGNOSED_WITHIN.days == 14
    rows = [message("cough", 3), *later]
    assert one(rows)["condition"] == expected
    assert one(rows, config=Config(derive=False))["condition"] is None


def test_a_given_label_decides_and_the_later_of_two():
    rows = [message("cough", 3), condition("ICD10CM//J18.9", 5)]
    assert one(rows, [label("Flu")])["condition"] == "Flu"
    assert one(rows, [label("Flu", time=1), label("Cold", time=2)])["condition"] == "Cold"
    assert one(rows, [label("Flu", number=2)])["condition"] == "Pneumonia"
    assert one(rows, [label("Flu", time=10_000)])["condition"] == "Pneumonia"  # after as_of


def test_two_messages_of_a_patient_have_a_label_each():
    rows = [
        message("cough", 3, 1),
        message("itch", 30, 2),
        condition("ICD10CM//J18.9", 5),
        condition("ICD10CM//L40.0", 31),
    ]
    assert found(rows)["condition"].to_list() == ["Pneumonia", "Psoriasis"]


CLASSES = ("Acne", "Malaria", "unheard of")  # urgencies 0.15, 0.75, default 0.5


def judged(probabilities, *, age=40.0, red_flag=0.0, config=None, **signs):
    names = ["temperature", "heart_rate", "respiratory_rate"]
    names += ["oxygen_saturation", "systolic_pressure"]
    row = [age, *[signs.get(name, np.nan) for name in names], red_flag]
    values = {
        "condition": np.array([probabilities], np.float32),
        "judged": np.array([row], np.float32),
    }
    predictions = to_predictions(Outputs(values, CLASSES), config or Config())
    return predictions


def test_urgency_is_that_of_the_conditions_weighted_by_probability():
    predictions = judged([0.5, 0.3, 0.2])
    assert predictions.score == pytest.approx([0.5 * 0.15 + 0.3 * 0.75 + 0.2 * 0.5])
    assert predictions.score.dtype == np.float32
    assert predictions.label.tolist() == [0]
    assert predictions.advice == ["routine"]
    assert (predictions.interval_low[0], predictions.interval_high[0]) == pytest.approx(
        (0.15, 0.75)
    )


@pytest.mark.parametrize(
    ("probabilities", "step"),
    [([1, 0, 0], "self-care"), ([0, 0, 1], "same day"), ([0.6, 0.4, 0], "routine")],
)
def test_the_step_follows_from_the_urgency(probabilities, step):
    assert judged(probabilities).advice == [step]


def test_an_interval_leaves_out_what_is_unlikely():
    predictions = judged([0.97, 0.02, 0.01])
    assert predictions.interval_low == pytest.approx([0.15])
    assert predictions.interval_high == pytest.approx(predictions.score)  # which it holds


def test_who_is_not_understood_is_not_sent_away():
    assert judged([0.39, 0.0, 0.61]).score > 0.3
    rules = read_rules()
    unsure = np.array([[0.38] + [0.62 / 20] * 20], np.float32)
    urgency, low, _ = rules.judge(unsure, ["Acne"] * 21, np.zeros(1, np.float32))
    assert urgency == pytest.approx([0.3])
    assert low == pytest.approx([0.3])


@pytest.mark.parametrize(
    ("signs", "urgency"),
    [
        ({"oxygen_saturation": 91}, 0.9),
        ({"oxygen_saturation": 92}, 0.15),
        ({"heart_rate": 131}, 0.9),
        ({"heart_rate": 131, "age": 8.0}, 0.15),
        ({"heart_rate": 131, "age": np.nan}, 0.15),
        ({"temperature": 38.5}, 0.15),
        ({"temperature": 38.5, "age": 0.2}, 0.9),
        ({"temperature": 39.1}, 0.6),
        ({"respiratory_rate": 8}, 1.0),
        ({"systolic_pressure": 90, "heart_rate": 60}, 0.9),
        ({"red_flag": 1.0}, 1.0),
    ],
)
def test_vital_signs_and_warning_words_raise_the_urgency(signs, urgency):
    predictions = judged([1, 0, 0], **signs)
    assert predictions.score == pytest.approx([urgency])
    assert predictions.interval_low[0] <= predictions.score[0] <= predictions.interval_high[0]


@pytest.mark.parametrize(
    ("text", "urgency"),
    [
        ("I CAN'T   breathe!", 1.0),
        ("I can\u2019t breathe", 1.0),
        ("There is pain in my chest, since noon", 0.85),
        ("no chest pain", 0.0),
        ("without any chest pain", 0.0),
        ("Without any chest pain, but I fainted", 1.0),
        ("Did it stop? No. Chest pain is worse.", 0.85),
        ("No, chest pain is back", 0.85),
        ("no\nchest pain", 0.85),
        ("chest\npain", 0.85),
        ("a seizureless night", 0.0),
        ("my knee hurts", 0.0),
        ("", 0.0),
    ],
)
def test_warning_words_are_whole_words_that_are_not_denied(text, urgency):
    frame = pl.DataFrame({"text": [text]})
    flag = frame.select(read_rules().of_words(pl.col("text")).alias("flag"))["flag"]
    assert flag.dtype == pl.Float32
    assert flag[0] == pytest.approx(urgency)


RULES = """
[next_step]
routine = 0.1
same_day = 0.2
emergency = 0.3
[unsure]
below = 0.5
urgency = 0.1
[urgency]
default = 0.2
Acne = 0.9
[[red_flag]]
means = "wasp"
urgency = 0.7
phrases = ["Wasp sting"]
[[vital_sign]]
name = "temperature"
at_least = 38
urgency = 0.6
"""


def test_a_hospital_replaces_the_rule_by_its_own_file(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    config = Config(rules=str(path))
    assert judged([1, 0, 0], config=config).score == pytest.approx([0.9])
    assert judged([1, 0, 0], config=config).advice == ["emergency"]
    assert one([message("a wasp-sting", 1)], config=config)["red_flag"] == pytest.approx(0.7)
    assert one([message("chest pain", 1)], config=config)["red_flag"] == 0


@pytest.mark.parametrize(
    ("old", "new", "message_part"),
    [
        ("routine = 0.1", "routine = 0.25", r"\[next_step\] must rise"),
        ("routine = 0.1", "weekly = 0.1", r"\[next_step\] has 'weekly'"),
        ("routine = 0.1", "", r"\[next_step\]: routine must be a number"),
        ("Acne = 0.9", "Acne = 9", r"\[urgency\]: acne must be from 0 to 1, not 9"),
        ("Acne = 0.9", "Acne = true", r"\[urgency\]: acne must be a number"),
        ("default = 0.2", "", r"\[urgency\]: default must be a number"),
        ("[unsure]", "[sure]", r"the file has 'sure'"),
        ("below = 0.5", "above = 0.5", r"\[unsure\] has 'above'"),
        ('["Wasp sting"]', "[]", r"\[\[red_flag\]\] 'wasp': needs phrases"),
        ('["Wasp sting"]', '["?!"]', r"needs phrases, each with a letter"),
        ('["Wasp sting"]', '"Wasp sting"', r"phrases must be a list of texts"),
        ('"temperature"', '"fever"', r"\[\[vital_sign\]\] 'fever': name must be one of"),
        ("at_least = 38", "", r"needs either at_most or at_least"),
        ("at_least = 38", "at_least = 38\nat_most = 39", r"needs either at_most or at_least"),
        ("at_least = 38", 'at_least = "38"', r"at_least must be a number, not '38'"),
        ("[[red_flag]]", "[red_flag]", r"red_flag must be written as \[\[red_flag\]\]"),
        ("[next_step]", "[next_step", r"rules own\.toml: "),
    ],
)
def test_a_wrong_rule_is_refused_by_name(old, new, message_part):
    assert old in RULES
    with pytest.raises(UsageError, match=message_part):
        parse_rules(RULES.replace(old, new, 1), "own.toml")


def test_a_rule_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"rules .*nothing\.toml: cannot be read"):
        read_rules(str(tmp_path / "nothing.toml"))


def test_every_condition_that_can_be_derived_has_an_urgency():
    from model_defs._messages import CONDITION_CODES

    assert {name.lower() for name in CONDITION_CODES} <= set(read_rules().urgency)

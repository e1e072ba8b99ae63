import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from model_defs import treatment
from tests.model_defs.cases_treatment import (
    AS_OF,
    WEEKLY,
    day,
    dose,
    dose_label,
    fact,
    label,
    tables,
    tables_of,
)
from transforms.prediction_rows import Outputs

MICROSECOND = datetime.timedelta(microseconds=1)
SECOND_DAYS = 1 / 86_400
FEATURES = treatment.FEATURES.names


def examples(rows, labels=None, as_of=AS_OF, **config):
    return treatment.examples(tables_of(rows, labels), as_of, treatment.Config(**config))


def only(rows, **rest):
    found = examples(rows, **rest)
    assert found.height == 1
    return found.row(0, named=True)


def label_of(*rows, **rest):
    return only(list(rows), **rest)["best_treatment"]


def test_columns_are_those_of_the_contract():
    found = examples([dose("clopidogrel", 5)])

    assert found.columns == [
        "subject_id",
        "entity_id",
        "prediction_time",
        *FEATURES,
        "best_treatment",
    ]
    assert found["entity_id"].to_list() == [1]


def test_without_events_there_are_no_examples():
    assert examples([]).height == 0
    assert examples([]).columns[3:-1] == FEATURES


def test_who_has_neither_genotype_nor_treatment_nor_label_is_no_example():
    assert examples([fact("SNOMED//22298006", 1, "Condition")]).height == 0


def test_the_time_is_that_of_the_first_compared_treatment():
    rows = [dose("prasugrel", 9), dose("clopidogrel", 5), fact("LOINC//79714-2", 1, text_value="")]

    assert only(rows)["prediction_time"] == day(5)


def test_with_a_genotype_alone_it_is_the_day_asked_for():
    found = only([fact("LOINC//79714-2", 1, text_value="Poor metabolizer")])

    assert found["prediction_time"] == AS_OF
    assert found["best_treatment"] is None


def test_a_course_of_90_days_works():
    assert label_of(dose("clopidogrel", 5), as_of=day(95) + MICROSECOND) == "clopidogrel"
    assert label_of(dose("clopidogrel", 5), as_of=day(95)) is None


def test_a_change_within_90_days_gives_the_label_to_the_next_course():
    changed = (dose("clopidogrel", 5), dose("prasugrel", 95))
    assert label_of(*changed) == "prasugrel"

    later = (dose("clopidogrel", 5), dose("prasugrel", 95 + SECOND_DAYS))
    assert label_of(*later) == "clopidogrel"


def test_further_orders_of_the_same_treatment_are_one_course():
    rows = [dose("clopidogrel", 5 + 30 * n) for n in range(4)]

    assert label_of(*rows) == "clopidogrel"


@pytest.mark.parametrize("code", ["SNOMED//22298006", "ICD10CM//I63.9", "ICD9CM//578.9"])
def test_a_failure_within_90_days_ends_a_course(code):
    def failure(time, kind="Condition"):
        return fact(code, time, kind)

    assert label_of(dose("clopidogrel", 5), failure(50)) is None
    assert label_of(dose("clopidogrel", 5), failure(95)) is None
    assert label_of(dose("clopidogrel", 5), failure(95 + SECOND_DAYS)) == "clopidogrel"
    assert label_of(dose("clopidogrel", 5), failure(6)) == "clopidogrel"  # the indication
    assert label_of(dose("clopidogrel", 5), failure(6 + SECOND_DAYS)) is None
    assert label_of(dose("clopidogrel", 5), failure(50, "FamilyMemberHistory")) == "clopidogrel"
    rescued = (dose("clopidogrel", 5), failure(50), dose("ticagrelor", 52))
    assert label_of(*rescued) == "ticagrelor"


def test_a_failure_that_ends_is_not_a_second_one():
    ended = fact("CONDITION_END//SNOMED//22298006", 50, "Condition", codes=["SNOMED//22298006"])

    assert label_of(dose("clopidogrel", 5), ended) == "clopidogrel"


def test_a_death_within_90_days_leaves_no_label():
    assert label_of(dose("clopidogrel", 5), fact("MEDS_DEATH", 95, "Patient")) is None
    late = fact("MEDS_DEATH", 95 + SECOND_DAYS, "Patient")
    assert label_of(dose("clopidogrel", 5), late) == "clopidogrel"


def test_drugs_are_known_by_ingredient_product_and_atc():
    codes = ["RXNORM//32968", "RXNORM//309362", "ATC//B01AC04"]

    assert [label_of(fact(code, 5, "MedicationStatement")) for code in codes] == ["clopidogrel"] * 3


def test_a_given_label_decides_on_the_class_and_the_time():
    found = only([dose("clopidogrel", 5)], labels=[label("low", 200)])

    assert (found["best_treatment"], found["prediction_time"]) == ("low", day(200))
    assert found["drug_antiplatelet"] == 1


def test_a_label_of_the_future_is_left_out():
    assert examples([], labels=[label("low", 200)], as_of=day(100)).height == 0


def test_labels_are_derived_only_when_wanted():
    assert label_of(dose("clopidogrel", 5), derive=False) is None
    assert only([], labels=[label("low", 5)], derive=False)["best_treatment"] == "low"


def test_life_style_and_body_are_read_as_last_known():
    rows = [
        dose("clopidogrel", 100),
        fact("MEDS_BIRTH", 100 - 60 * 365.25, "Patient"),
        fact("SEX//male", None, "Patient"),
        fact("RACE//2106-3", None, "Patient"),
        fact("ETHNICITY//2186-5", None, "Patient"),
        fact("LOINC//29463-7", 1, numeric_value=200.0, unit="[lb_av]"),
        fact("LOINC//8302-2", 1, numeric_value=1.8, unit="m"),
        fact("LOINC//74013-4", 1, numeric_value=2.0),
        fact("LOINC//74013-4", 2, numeric_value=3.0),
        fact("LOINC//72166-2", 3, text_value="Smoker", codes=["SNOMED//449868002"]),
        fact("LOINC//72166-2", 4, text_value="Former smoker"),
        fact("LOINC//72166-2", 5, text_value="Refused"),
        fact("LOINC//72166-2", 100, text_value="Never smoker"),
        fact("RXNORM//703", 99, "MedicationStatement"),
        fact("RXNORM//9384", -300, "MedicationStatement"),
        fact("RXNORM//703", 98, "MedicationRequest"),
        fact("ICD10CM//I48.91", -900, "Condition"),
    ]
    found = only(rows)

    expected = {
        "age_years": pytest.approx(60, abs=1e-4),
        "sex": "male",
        "race": "2106-3",
        "ethnicity": "2186-5",
        "weight": pytest.approx(90.7185, abs=1e-3),
        "height": pytest.approx(180),
        "alcohol_per_day": 3,
        "smoking_status": "former",
        "drug_amiodarone": 1,
        "drug_rifampin": 0,
        "medications_distinct": 2,
        "condition_atrial_fibrillation": 1,
        "condition_heart_failure": 0,
        "conditions_distinct": 1,
    }
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "codes", "status"),
    [
        ("Never smoked tobacco (finding)", None, "never"),
        ("SNOMED//266919005", None, "never"),
        (None, ["SNOMED//8517006"], "former"),
        ("Current every day smoker", None, "current"),
        (None, ["LOINC//LA18976-3"], "current"),
        ("Non-smoker", ["SNOMED//8392000"], "not_current"),
        ("Not currently smoking", None, "not_current"),
        ("unknown", None, None),
    ],
)
def test_smoking_is_read_from_text_and_codes(text, codes, status):
    rows = [fact("LOINC//72166-2", 1, text_value=text, codes=codes), dose("clopidogrel", 5)]

    assert only(rows)["smoking_status"] == status


def test_genotypes_come_from_own_codes_texts_and_components():
    rows = [
        dose("clopidogrel", 100),
        fact("LOINC//46724-1", 1, text_value="*3/*1"),
        fact("LOINC//84413-4", 2, text_value="VKORC1 rs9923231 G/A"),
        fact("LOINC//84413-4", 3, text_value="*2/*2", resource_id=77),
        fact("LOINC//48018-6", 3, text_value="CYP2C19", resource_id=77),
        fact("LOINC//79715-9", 4, text_value=None, codes=["LOINC//LA10315-2"]),
        fact("LOINC//46724-1", 100, text_value="*1/*1"),
    ]
    found = only(rows)

    assert found["genotype_cyp2c9"] == "*1/*3"
    assert found["function_cyp2c9"] == 1
    assert found["genotype_vkorc1"] == "A/G"
    assert found["function_vkorc1"] == 1
    assert found["genotype_cyp2c19"] == "*2/*2"
    assert found["function_cyp2c19"] == 0
    assert found["genotype_cyp2d6"] is None
    assert found["function_cyp2d6"] == 4
    assert np.isnan(found["function_tpmt"])


def test_sites_of_vkorc1_are_told_apart_and_stand_in_for_the_promoter():
    rows = [
        dose("clopidogrel", 100),
        fact("RACE//2106-3", None, "Patient"),
        fact("LOINC//84413-4", 1, text_value="VKORC1 rs8050894 G/C"),
        fact("LOINC//47998-0", 2, text_value="rs7294 A/A"),
        fact("LOINC//84413-4", 3, text_value="G/A", resource_id=78),
        fact("LOINC//81255-2", 3, text_value="rs9934438", resource_id=78),
        fact("LOINC//84413-4", 4, text_value="VKORC1 rs1234567 T/T"),
    ]
    found = only(rows)

    assert found["genotype_rs8050894"] == "C/G"
    assert found["genotype_rs7294"] == "A/A"
    assert found["genotype_rs9934438"] == "C/T"
    assert found["genotype_rs9923231"] is None
    assert found["genotype_vkorc1"] == "A/G"
    assert found["function_vkorc1"] == 1

    measured = only([*rows, fact("LOINC//84413-4", 5, text_value="VKORC1 rs9923231 T/T")])
    assert measured["genotype_rs9923231"] == measured["genotype_vkorc1"] == "A/A"
    assert measured["function_vkorc1"] == 0


def test_the_body_s_size_is_computed_from_weight_and_height():
    rows = [
        dose("clopidogrel", 100),
        fact("LOINC//29463-7", 1, numeric_value=81.0, unit="kg"),
        fact("LOINC//8302-2", 1, numeric_value=180.0, unit="cm"),
    ]
    found = only(rows)
    assert found["body_surface"] == pytest.approx(np.sqrt(81 * 180 / 3600))
    assert found["body_mass_index"] == pytest.approx(25)

    recorded = fact("LOINC//39156-5", 2, numeric_value=27.0, unit="kg/m2")
    assert only([*rows, recorded])["body_mass_index"] == pytest.approx(27)
    assert np.isnan(only(rows[:2])["body_surface"])


@pytest.mark.parametrize("code", ["RXNORM//9384", "ATC//N03AF01", "ATC//N03AB02"])
def test_inducers_count_together(code):
    rows = [dose("clopidogrel", 100), fact(code, 50, "MedicationStatement")]
    assert only(rows)["drug_enzyme_inducer"] == 1
    assert only([rows[0]])["drug_enzyme_inducer"] == 0


def test_a_dose_is_read_from_the_label_s_number():
    typed = fact("LOINC//46724-1", 5, text_value="*1/*3")
    found = only([typed], labels=[dose_label(24.5, 200)], dose_cuts=WEEKLY)

    assert found["dose"] == 24.5
    assert found["prediction_time"] == day(200)
    assert found["genotype_cyp2c9"] == "*1/*3"


def test_a_dose_has_nothing_to_do_with_courses():
    assert examples([dose("clopidogrel", 5)], dose_cuts=WEEKLY).height == 0
    typed = fact("LOINC//46724-1", 5, text_value="*1/*3")
    waiting = only([dose("clopidogrel", 3), typed], dose_cuts=WEEKLY)
    assert (waiting["prediction_time"], waiting["dose"]) == (AS_OF, None)


def test_a_dose_that_is_none_is_no_label():
    assert examples([], labels=[dose_label(0, 200)], dose_cuts=WEEKLY).height == 0
    assert examples([], labels=[label("low", 200)], dose_cuts=WEEKLY).height == 0
    assert examples([], labels=[dose_label(20, 200)]).height == 0


def test_the_label_follows_from_the_config():
    assert treatment.LABEL().name == "best_treatment"
    found = treatment.LABEL(treatment.Config(dose_cuts=WEEKLY))
    assert (found.name, str(found.type)) == ("dose", "float")


def test_cuts_that_do_not_ascend_are_refused():
    with pytest.raises(ValueError, match="ascending numbers above 0, not 49,21"):
        treatment.Config(dose_cuts=("49", "21"))


def test_a_dose_s_score_is_the_square_of_what_the_forest_says():
    values = {"dose": np.float32([5, 8]), "dose/mean": np.float32([6, 6])}
    outputs = Outputs(values, residuals=np.linspace(-20, 20, 199, dtype=np.float32))
    found = treatment.to_predictions(outputs, treatment.Config(dose_cuts=WEEKLY))

    assert found.score.tolist() == [25, 64]
    assert found.label.tolist() == [1, 2]
    assert (found.interval_low < found.score).all()
    assert (found.interval_high > found.score).all()


def test_a_dose_is_learned_as_its_root_by_an_equation_and_a_forest():
    config = treatment.Config(dose_cuts=WEEKLY, trees=20, min_examples=5)
    random = np.random.default_rng(0)
    age = random.normal(size=400).astype(np.float32)
    genotype = np.array(["A/A", "A/G"])[random.integers(0, 2, 400)]
    root = 5 - 0.5 * age + (genotype == "A/G") + random.normal(scale=0.1, size=400)
    data = {"age_years": age, "genotype_vkorc1": genotype, "dose": np.square(root)}
    trained = treatment.build_model(config).train(data, verbose=0)
    encoded = {"age_years": age, "genotype_vkorc1": genotype.astype("S").astype(object)}
    found = trained.linear.predict(encoded) + trained.forest.predict(data)

    assert trained.linear.intercept == pytest.approx(root.mean(), abs=1e-4)
    assert np.abs(found - root).mean() < 0.2


CODES = [
    ("RXNORM//309362", "MedicationRequest", None),
    ("RXNORM//855812", "MedicationRequest", None),
    ("RXNORM//703", "MedicationStatement", None),
    ("SNOMED//22298006", "Condition", None),
    ("LOINC//79714-2", "Observation", "Poor metabolizer"),
    ("LOINC//84413-4", "Observation", "CYP2C9*1/*3"),
    ("LOINC//84413-4", "Observation", "*1/*2"),
    ("LOINC//48018-6", "Observation", "CYP2C19"),
    ("LOINC//72166-2", "Observation", "Former smoker"),
    ("LOINC//72166-2", "Observation", "Never smoker"),
    ("LOINC//29463-7", "Observation", None),
    ("MEDS_DEATH", "Patient", None),
    ("MEDS_BIRTH", "Patient", None),
    ("SEX//male", "Patient", None),
]
EVENTS = st.lists(
    st.builds(
        lambda coded, time, subject, value, number: fact(
            coded[0],
            time,
            coded[1],
            text_value=coded[2],
            subject_id=subject,
            numeric_value=value,
            # One Observation is of one time.
            resource_id=number * 1000 + int(time),
        ),
        st.sampled_from(CODES),
        st.integers(0, 120),
        st.integers(1, 2),
        st.sampled_from([None, 70.0, 80.0]),
        st.integers(1, 2),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(EVENTS)
def test_no_feature_reads_what_happens_at_or_after_the_prediction(rows):
    everything = examples(rows)
    for example in everything.iter_rows(named=True):
        until = example["prediction_time"]
        # The label fixes the time that a course fixed before its events were taken away.
        days = (until - day(0)) / datetime.timedelta(days=1)
        given = [label("any", days, example["subject_id"])]
        alone = examples([row for row in rows if row["time"] < until], labels=given).filter(
            pl.col("subject_id") == example["subject_id"]
        )
        expected = pl.DataFrame([example], schema=everything.schema)
        assert_frame_equal(alone.drop("best_treatment"), expected.drop("best_treatment"))


@settings(deadline=None, max_examples=30)
@given(EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_difference(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)

    assert_frame_equal(examples(rows), examples(shuffled))


def test_nothing_known_at_or_after_as_of_is_read():
    everything = tables()
    cut = everything.events.filter(pl.col("time").is_null() | (pl.col("time") < day(50)))

    found = treatment.examples(everything, day(50))
    assert_frame_equal(found, treatment.examples(type(everything)(events=cut), day(50)))
    assert found["best_treatment"].null_count() == found.height


def test_the_likeliest_treatment_is_the_label():
    outputs = Outputs({"best_treatment": np.array([[0.2, 0.8], [0.6, 0.4]])}, ("a", "b"))
    found = treatment.to_predictions(outputs)

    assert found.score.tolist() == pytest.approx([0.8, 0.6])
    assert found.label.tolist() == [1, 0]
    assert found.classes == ("a", "b")


def test_a_forest_without_trees_is_refused():
    with pytest.raises(ValueError, match="trees must be at least 1, not 0"):
        treatment.Config(trees=0)

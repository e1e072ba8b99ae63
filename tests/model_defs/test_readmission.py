import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from model_defs import readmission
from tests.model_defs.cases_readmission import AS_OF, day, encounter, fact, tables, tables_of
from transforms.prediction_rows import Outputs

MICROSECOND = datetime.timedelta(microseconds=1)
FEATURES = readmission.FEATURES.names


def examples(rows, labels=None, as_of=AS_OF):
    return readmission.examples(tables_of(rows, labels), as_of)


def labels_of(*encounters, **rest):
    found = examples([row for rows in encounters for row in rows], **rest)
    return dict(zip(found["entity_id"], found["readmitted"], strict=True))


def features_of(entity, rows, as_of=AS_OF):
    found = examples(rows, as_of=as_of).filter(pl.col("entity_id") == entity)
    assert found.height == 1
    return found.row(0, named=True)


def test_columns_are_those_of_the_contract():
    found = examples(encounter(1, 0, 4))

    assert found.columns == ["subject_id", "entity_id", "prediction_time", *FEATURES, "readmitted"]
    assert found["prediction_time"].to_list() == [day(4) + MICROSECOND]


def test_without_events_there_are_no_examples():
    found = readmission.examples(tables_of([]), AS_OF)

    assert found.height == 0
    assert found.columns[3:-1] == FEATURES


def test_only_inpatient_stays_that_ended_are_examples():
    rows = [
        *encounter(1, 0, 4),
        *encounter(2, 50, 51, of_class="AMB"),
        *encounter(3, 60, 61, of_class="EMER"),
        *encounter(4, 100, 104, of_class="ACUTE"),
        *encounter(5, 200, None),
    ]

    assert examples(rows)["entity_id"].to_list() == [1, 4]


def test_a_type_that_says_inpatient_counts_where_the_class_says_nothing_known():
    rows = [
        *encounter(1, 0, 4, of_class="UNKNOWN", start_codes=("SNOMED//32485007",)),
        *encounter(2, 50, 51, of_class="AMB", start_codes=("SNOMED//32485007",)),
    ]

    assert examples(rows)["entity_id"].to_list() == [1]


def test_a_return_within_30_days_is_a_readmission_and_a_later_one_is_not():
    assert labels_of(encounter(1, 0, 4), encounter(2, 34, 36)) == {1: True, 2: False}
    just_late = 34 + 1 / 86_400
    assert labels_of(encounter(1, 0, 4), encounter(2, just_late, 36)) == {1: False, 2: False}


def test_a_visit_that_is_no_stay_is_no_readmission():
    assert labels_of(encounter(1, 0, 4), encounter(2, 10, 11, of_class="EMER")) == {1: False}


def test_the_label_is_unknown_until_30_days_are_over():
    stays = (encounter(1, 0, 4), encounter(2, 10, 12))

    assert labels_of(*stays, as_of=day(34)) == {1: None, 2: None}
    assert labels_of(*stays, as_of=day(34) + MICROSECOND) == {1: True, 2: None}


def test_a_stay_that_begins_within_a_day_continues_the_episode():
    merged = labels_of(encounter(1, 0, 4), encounter(2, 5, 8), encounter(3, 20, 22))
    assert merged == {1: None, 2: True, 3: False}

    apart = labels_of(encounter(1, 0, 4), encounter(2, 5 + 1 / 86_400, 8))
    assert apart == {1: True, 2: False}


def test_the_discharge_of_an_episode_is_that_of_the_longest_stay():
    nested = labels_of(encounter(1, 0, 10), encounter(2, 3, 5), encounter(3, 20, 22))

    assert nested == {1: True, 2: None, 3: False}


def test_an_episode_is_as_long_as_its_stays_together():
    rows = [*encounter(1, 0, 4), *encounter(2, 4.5, 8)]

    assert features_of(2, rows)["length_of_stay_days"] == pytest.approx(8)
    assert features_of(2, rows)["inpatient_stays_30d"] == 0


@pytest.mark.parametrize(
    "codes",
    [
        ("ENCOUNTER_PRIORITY//v3-ActPriority//EL",),
        ("SNOMED//8715000",),
        ("SNOMED//56876005",),
    ],
)
def test_an_elective_return_is_no_readmission(codes):
    assert labels_of(encounter(1, 0, 4), encounter(2, 10, 12, start_codes=codes))[1] is False


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("SNOMED//367336001", "Procedure"),
        ("ICD10CM//Z51.11", "Condition"),
        ("ICD9CM//V58.11", "Condition"),
        ("ICD10PCS//0TY00Z0", "Procedure"),
    ],
)
def test_a_return_for_planned_care_is_no_readmission(code, kind):
    planned = fact(code, day(11), kind, encounter_id=2)

    assert labels_of(encounter(1, 0, 4), [*encounter(2, 10, 12), planned])[1] is False
    other = fact(code, day(11), "FamilyMemberHistory", encounter_id=2)
    assert labels_of(encounter(1, 0, 4), [*encounter(2, 10, 12), other])[1] is True


def test_a_discharge_that_announces_a_return_is_followed_by_a_planned_one():
    announced = encounter(1, 0, 4, end_codes=("DISCHARGE_DISPOSITION//81",))

    assert labels_of(announced, encounter(2, 10, 12))[1] is False


def test_after_a_planned_return_a_later_one_in_the_window_does_not_count():
    elective = encounter(2, 10, 12, start_codes=("ENCOUNTER_PRIORITY//EL",))

    assert labels_of(encounter(1, 0, 4), elective, encounter(3, 20, 22)) == {
        1: False,
        2: True,
        3: False,
    }


def test_a_discharge_to_another_acute_hospital_has_no_label():
    away = encounter(1, 0, 4, end_codes=("DISCHARGE_DISPOSITION//02",))

    assert labels_of(away, encounter(2, 10, 12)) == {1: None, 2: False}


def test_who_died_in_hospital_is_no_example():
    expired = encounter(1, 0, 4, end_codes=("DISCHARGE_DISPOSITION//exp",))
    death = fact("MEDS_DEATH", day(4), "Patient")

    assert labels_of(expired) == {}
    assert labels_of([*encounter(1, 0, 4), death]) == {}


def test_a_death_on_the_day_of_the_discharge_leaves_the_label_open():
    death = fact("MEDS_DEATH", day(5) - MICROSECOND, "Patient")

    assert labels_of([*encounter(1, 0, 4.5), death]) == {1: None}


def test_a_death_after_the_discharge_is_no_readmission():
    death = fact("MEDS_DEATH", day(9), "Patient")

    assert labels_of([*encounter(1, 0, 4), death]) == {1: False}


def test_a_given_label_decides():
    label = {
        "subject_id": 1,
        "entity_id": 1,
        "prediction_time": day(4),
        "boolean_value": True,
    }

    assert labels_of(encounter(1, 0, 4), labels=[label]) == {1: True}


def test_an_encounter_that_was_never_closed_holds_later_ones_for_a_year_at_most():
    rows = [*encounter(1, 0, None), *encounter(2, 200, 202), *encounter(3, 400, 402)]

    assert features_of(2, rows, as_of=day(900))["length_of_stay_days"] == pytest.approx(202)
    assert features_of(3, rows, as_of=day(900))["length_of_stay_days"] == pytest.approx(2)


def test_earlier_stays_and_visits_are_counted_up_to_the_edges_of_their_windows():
    rows = [
        *encounter(1, 1, 2),  # ended 398 days before
        *encounter(2, 30, 35),  # 365 days before admission, to the microsecond
        *encounter(3, 309, 310),  # 90 days before
        *encounter(4, 330, 371),  # 29 days before
        *encounter(5, 369, 370, of_class="EMER"),  # 31 days before
        *encounter(6, 370, 370.1, of_class="EMER"),  # 30 days before
        *encounter(7, 100, 100.1, of_class="AMB"),
        *encounter(9, 400, 403),
    ]
    found = features_of(9, rows, as_of=day(900))

    assert [found[f"inpatient_stays_{n}d"] for n in (30, 90, 365)] == [1, 2, 3]
    assert [found[f"emergency_visits_{n}d"] for n in (30, 90, 365)] == [1, 2, 2]
    assert found["outpatient_visits_365d"] == 1
    assert found["days_since_last_discharge"] == pytest.approx(29)
    # Returns: 30 after 2, 330 after 310, and this admission 29 days after 371.
    assert (found["inpatient_stays_ever"], found["returns_ever"]) == (4, 3)
    assert found["returns_365d"] == 1  # 330 after 310; 30 after 2 came before the window
    assert found["length_of_stay_days"] == pytest.approx(3)


def test_a_first_stay_has_no_last_discharge():
    found = features_of(1, encounter(1, 0, 4))

    assert np.isnan(found["days_since_last_discharge"])
    assert found["inpatient_stays_365d"] == 0


def test_an_emergency_visit_that_led_to_the_stay_is_seen():
    before = encounter(2, 9.5, 10, of_class="EMER")

    assert features_of(1, [*encounter(1, 10, 12), *before])["admitted_through_emergency"] == 1
    long_before = encounter(2, 8.9, 9, of_class="EMER")
    assert features_of(1, [*encounter(1, 10, 12), *long_before])["admitted_through_emergency"] == 0


def test_conditions_are_grouped_whatever_their_code_system():
    rows = [
        *encounter(1, 10, 12),
        fact("ICD10CM//I50.9", day(1), "Condition"),
        fact("ICD9CM//250.40", day(2), "Condition"),
        fact("LOCAL//7", day(3), "Condition", codes=["SNOMED//13645005"]),
        fact("ICD10CM//C34.90", day(3), "FamilyMemberHistory"),
        fact("ICD10CM//N18.4", day(12) + MICROSECOND, "Condition"),
        fact("CONDITION_END//ICD10CM//I50.9", day(5), "Condition"),
    ]
    found = features_of(1, rows)
    groups = {n for n in FEATURES if n.startswith("condition_") and found[n] == 1}

    assert groups == {
        "condition_heart_failure",
        "condition_diabetes_complicated",
        "condition_chronic_pulmonary",
    }
    assert found["charlson_index"] == 2 + 1 + 1
    assert found["conditions_distinct"] == 3


def test_the_last_value_of_the_year_counts_in_the_unit_of_the_feature():
    def creatinine(time, value, unit="mg/dL"):
        return fact("LOINC//2160-0", time, numeric_value=value, unit=unit)

    rows = [
        *encounter(1, 400, 412),
        creatinine(day(401), 1.0),
        creatinine(day(402), 176.84, "umol/L"),
        creatinine(day(403), 7.0, "unknown"),
        creatinine(day(412) + MICROSECOND, 9.0),
        fact("LOINC//718-7", day(40), numeric_value=12.0, unit="g/dL"),
        fact("LOINC//2951-2", day(12) + 400 * datetime.timedelta(days=1), numeric_value=140.0),
    ]
    found = features_of(1, rows, as_of=day(900))

    assert found["creatinine"] == pytest.approx(2.0)
    assert np.isnan(found["hemoglobin"])  # older than a year
    assert found["sodium"] == 140  # at the discharge itself, without a unit
    assert found["lab_results_stay"] == 4


def test_a_component_is_not_read_as_the_panel_that_it_is_part_of():
    part = fact("LOINC//8462-4", day(11), numeric_value=70.0, codes=["LOINC//8480-6"])
    local = fact("LOCAL//bp", day(11), numeric_value=120.0, codes=["LOINC//8480-6"])

    assert np.isnan(features_of(1, [*encounter(1, 10, 12), part])["systolic_pressure"])
    assert features_of(1, [*encounter(1, 10, 12), local])["systolic_pressure"] == 120


def test_the_stay_is_described_by_its_own_facts():
    rows = [
        *encounter(
            1,
            10,
            12,
            start_codes=(
                "SNOMED//183452005",
                "ADMIT_SOURCE//admit-source//emd",
                "ENCOUNTER_PRIORITY//v3-ActPriority//UR",
                "SERVICE_TYPE//SNOMED//394579002",
            ),
            end_codes=("DISCHARGE_DISPOSITION//03",),
        ),
        fact("MEDS_BIRTH", day(12) - datetime.timedelta(days=70 * 365.25), "Patient"),
        fact("SEX//female", None, "Patient"),
        fact("ICD10CM//J18.9", day(10.5), "Condition", encounter_id=1),
        fact("ICD10CM//E11.9", day(11), "Condition", encounter_id=1),
        fact("ICD10CM//E11.9", day(11), "Condition", encounter_id=2),
        fact("RXNORM//4603", day(11), "MedicationRequest", encounter_id=1),
        fact("RXNORM//4603", day(11.5), "MedicationAdministration", encounter_id=1),
        fact("RXNORM//11289", day(11), "MedicationRequest", encounter_id=1),
        fact("RXNORM//703", day(12) + MICROSECOND, "MedicationRequest", encounter_id=1),
        fact("SNOMED//1", day(11), "Procedure", encounter_id=1),
        fact("SNOMED//1", day(9), "Procedure"),
    ]
    found = features_of(1, rows)

    expected = {
        "age_years": pytest.approx(70, abs=0.001),
        "sex": "female",
        "discharge_disposition": "nursing",
        "admission_source": "emergency",
        "admission_type": "urgent",
        "encounter_type": "SNOMED//183452005",
        "service_type": "SNOMED//394579002",
        "primary_diagnosis": "ICD10CM//J18",
        "primary_diagnosis_group": "respiratory",
        "diagnoses_stay": 2,
        "medications_stay": 2,
        "medications_365d": 3,
        "procedures_stay": 1,
        "drug_diuretic": 1,
        "drug_anticoagulant": 1,
        "drug_insulin": 0,
    }
    assert {name: found[name] for name in expected} == expected


def test_the_reason_of_the_stay_goes_before_its_conditions():
    rows = [
        *encounter(1, 10, 12, start_codes=("ENCOUNTER_REASON//ICD9CM//428.0",)),
        fact("ICD10CM//J18.9", day(10), "Condition", encounter_id=1),
    ]
    found = features_of(1, rows)

    assert found["primary_diagnosis"] == "ICD9CM//428"
    assert found["primary_diagnosis_group"] == "circulatory"


CODES = [
    ("ENCOUNTER_START//IMP", "Encounter"),
    ("ENCOUNTER_END//IMP", "Encounter"),
    ("ENCOUNTER_START//EMER", "Encounter"),
    ("DISCHARGE_DISPOSITION//snf", "Encounter"),
    ("ENCOUNTER_REASON//ICD10CM//I50", "Encounter"),
    ("ICD10CM//I50.9", "Condition"),
    ("LOINC//2160-0", "Observation"),
    ("RXNORM//4603", "MedicationRequest"),
    ("SNOMED//367336001", "Procedure"),
    ("MEDS_DEATH", "Patient"),
    ("MEDS_BIRTH", "Patient"),
    ("SEX//male", "Patient"),
]
EVENTS = st.lists(
    st.builds(
        lambda coded, time, subject, encounter_id, value: fact(
            coded[0],
            day(time),
            coded[1],
            subject_id=subject,
            encounter_id=encounter_id,
            numeric_value=value,
        ),
        st.sampled_from(CODES),
        st.integers(0, 500).map(lambda hours: hours / 4),
        st.integers(1, 2),
        st.one_of(st.none(), st.integers(1, 5)),
        st.sampled_from([None, 1.0, 2.0]),
    ),
    max_size=40,
)
STAYS = [
    *encounter(1, 5, 9),
    *encounter(2, 30, 41),
    *encounter(3, 60, 66),
    *encounter(4, 5, 80, subject=2),
]


@settings(deadline=None, max_examples=30)
@given(EVENTS)
def test_no_feature_reads_what_happens_at_or_after_the_prediction(rows):
    everything = examples([*STAYS, *rows])
    for example in everything.iter_rows(named=True):
        until = example["prediction_time"]
        seen = [row for row in [*STAYS, *rows] if row["time"] < until]
        alone = examples(seen).filter(
            pl.col("entity_id") == example["entity_id"],
            pl.col("subject_id") == example["subject_id"],
            pl.col("prediction_time") == until,
        )
        expected = pl.DataFrame([example], schema=everything.schema)
        assert_frame_equal(alone.drop("readmitted"), expected.drop("readmitted"))


@settings(deadline=None, max_examples=30)
@given(EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_difference(rows, random):
    shuffled = [*STAYS, *rows]
    random.shuffle(shuffled)

    assert_frame_equal(examples([*STAYS, *rows]), examples(shuffled))


def test_of_two_values_of_one_moment_the_order_of_rows_does_not_decide():
    values = [
        fact("LOINC//2160-0", day(11), numeric_value=value, unit="mg/dL", resource_id=number)
        for number, value in [(1, 2.0), (2, 1.0)]
    ]

    for rows in (values, values[::-1]):
        assert features_of(1, [*encounter(1, 10, 12), *rows])["creatinine"] == 2


def test_nothing_known_at_or_after_as_of_is_read():
    found = readmission.examples(tables(), day(60))
    earlier = tables()
    cut = earlier.events.filter(pl.col("time").is_null() | (pl.col("time") < day(60)))

    assert found["prediction_time"].max() <= day(60)
    assert_frame_equal(found, readmission.examples(type(earlier)(events=cut), day(60)))


def test_probability_becomes_score_and_decision():
    values = {"readmitted": np.array([[0.1], [0.25]])}
    found = readmission.to_predictions(Outputs(values, cut=0.25))

    assert found.score.tolist() == pytest.approx([0.1, 0.25])
    assert found.label.tolist() == [0, 1]
    assert found.probabilities.tolist() == [pytest.approx([0.9, 0.1]), pytest.approx([0.75, 0.25])]


def test_without_derived_labels_only_given_ones_count():
    rows = [*encounter(1, 10, 12), *encounter(2, 20, 22), *encounter(3, 100, 102)]
    given = [{"subject_id": 1, "entity_id": 2, "prediction_time": day(0), "boolean_value": True}]
    config = readmission.Config(derive=False)
    found = readmission.examples(tables_of(rows, given), AS_OF, config)

    assert found["entity_id"].to_list() == [1, 2, 3]
    assert found["readmitted"].to_list() == [None, True, None]


def test_race_and_the_code_of_the_disposition_are_as_sent():
    rows = [
        *encounter(1, 10, 12, end_codes=("DISCHARGE_DISPOSITION//06",)),
        fact("RACE//2054-5", None, "Patient"),
    ]
    found = features_of(1, rows)

    assert (found["race"], found["discharge_status"]) == ("2054-5", "06")
    assert found["discharge_disposition"] == "home_health"


def test_race_is_no_input_of_the_regression():
    owned = readmission._shares().sum(axis=0)

    assert owned[readmission.FEATURES.get_field_index("race")] == 0
    assert (np.delete(owned, readmission.FEATURES.get_field_index("race")) > 0).all()


def test_a_negative_penalty_is_refused():
    with pytest.raises(ValueError, match="l2 must not be negative, not -1"):
        readmission.Config(l2=-1)

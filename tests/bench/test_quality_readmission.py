import itertools

import numpy as np
import polars as pl
import pytest

from bench.quality import diabetes130
from bench.quality import readmission as bench
from bench.quality.diabetes130 import make_dates, resources

COLUMNS = {
    **{"race": "Caucasian", "gender": "Female", "age": "[70-80)", "payer_code": "MC"},
    **{"admission_type_id": 1, "discharge_disposition_id": 6, "admission_source_id": 7},
    **{"medical_specialty": "Cardiology", "diag_1": "428", "diag_2": "250.01", "diag_3": None},
    **{"num_procedures": 1, "time_in_hospital": 3, "A1Cresult": ">8", "max_glu_serum": None},
    **{"number_inpatient": 0, "number_emergency": 0, "number_outpatient": 0},
    **{"metformin": "No", "insulin": "Up", "readmitted": "NO", "patient_nbr": 7},
}
DRUGS = [drug for drug in diabetes130.DRUGS if drug not in COLUMNS]


def row(number, **columns):
    return {**dict.fromkeys(DRUGS, "No"), **COLUMNS, "encounter_id": number, **columns}


def patient(*outcomes, **columns):
    return [row(n, readmitted=outcome, **columns) for n, outcome in enumerate(outcomes)]


def gaps(rows):
    dates = make_dates(rows)
    return [b.admitted - a.discharged for a, b in itertools.pairwise(dates)]


def test_the_next_stay_comes_within_30_days_where_the_set_says_so_and_else_later():
    assert gaps(patient("<30", ">30", "NO", "<30", ">30")) == [15, 400, 400, 15]
    # So that one of the two stays before lies in the year before the second.
    assert gaps(patient(">30", "NO", number_inpatient=1)) == [180]


@pytest.mark.parametrize("wanted", [0, 1, 3, 8])
def test_visits_of_the_year_before_are_as_many_as_the_row_counts(wanted):
    counts = dict.fromkeys(("number_inpatient", "number_emergency", "number_outpatient"), wanted)
    first, second = make_dates(patient(">30", "NO", **counts))
    ends = [*(day + 1 for day in first.stays), first.discharged, *(d + 1 for d in second.stays)]
    for stay, known in ((first, ends[: len(first.stays)]), (second, ends)):
        assert sum(stay.admitted - 365 <= day < stay.admitted for day in known) == wanted
    both = [*first.emergencies, *second.emergencies]
    assert sum(second.admitted - 365 <= day < second.admitted for day in both) == wanted
    assert all(first.discharged < day < second.admitted - 30 for day in second.stays)


@pytest.mark.parametrize("number", range(4))
def test_what_is_sent_of_a_stay_depends_on_neither_its_outcome_nor_later_rows(number):
    rows = patient("<30", ">30", "<30", "NO", number_inpatient=2, number_emergency=1)
    sent = list(resources(rows[: number + 1]))
    other = [*rows[:number], {**rows[number], "readmitted": "<30"}, row(9, number_inpatient=5)]
    assert list(resources(other))[: len(sent)] == sent
    assert list(resources(rows))[: len(sent)] == sent


def test_a_stay_as_fhir():
    found = list(resources([row(5)]))
    kinds = [one["resourceType"] for one in found]
    assert kinds == [
        *("Patient", "Encounter", "Condition", "Condition"),
        *("MedicationRequest", "Observation", "Procedure"),
    ]
    assert found[0]["birthDate"][:4] == "1916"
    stay = found[1]
    assert stay["hospitalization"]["dischargeDisposition"]["coding"][0]["code"] == "06"
    assert stay["reasonCode"][0]["coding"][0]["code"] == "428"
    assert stay["period"] == {"start": "1991-02-05T10:00:00Z", "end": "1991-02-08T10:00:00Z"}
    assert found[5]["valueQuantity"] == {"value": 9.0, "unit": "%"}
    assert "readmitted" not in str(found)


def test_no_patient_of_the_fold_trains_or_tunes():
    patients = list(range(1000))
    seen = set()
    for fold in range(bench.FOLDS):
        splits = bench.make_splits(patients, fold)
        assert splits["subject_id"].is_duplicated().sum() == 0
        held_out = set(splits.filter(pl.col("split") == "held_out")["subject_id"])
        assert held_out == {f"p{p}" for p in patients if bench.fold_of(p) == fold}
        assert not held_out & seen
        seen |= held_out
        shares = splits["split"].value_counts(normalize=True)
        assert 0.07 < shares.filter(pl.col("split") == "tuning")["proportion"][0] < 0.13
    assert len(seen) == 1000


def frame(count):
    random = np.random.default_rng(0)
    rows = [
        row(n, patient_nbr=n, number_inpatient=int(random.integers(0, 5)), weight=None)
        for n in range(count)
    ]
    label = pl.Series("label", [one["number_inpatient"] > 2 for one in rows])
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(label)


def test_the_baseline_does_not_learn_from_the_fold():
    stays = frame(300)
    inside = np.array([bench.fold_of(p) == 0 for p in stays["patient_nbr"]])
    turned = stays.with_columns(label=pl.Series(inside) ^ pl.col("label"))
    assert bench.baseline(stays, 0) == pytest.approx(bench.baseline(turned, 0))
    assert bench.baseline(stays, 1) != pytest.approx(bench.baseline(turned, 1))


def test_labels_name_the_encounter_and_say_the_outcome():
    labels = bench.make_labels(frame(10).head(2).with_columns(label=pl.Series([True, False])))
    assert labels["entity_id"].to_list() == ["Encounter/e0", "Encounter/e1"]
    assert labels["boolean_value"].to_list() == [True, False]


def test_a_row_without_prediction_has_no_score():
    predictions = pl.DataFrame({"entity_id": [3, 1], "score": [0.3, 0.1]})
    found = bench.held_out_scores(predictions, pl.Series([1, 2, 3]))
    assert found == pytest.approx([0.1, np.nan, 0.3], nan_ok=True)

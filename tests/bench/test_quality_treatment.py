import datetime
import json

import numpy as np
import polars as pl
import pytest

from bench.quality import iwpc
from bench.quality.iwpc import DOSE, ID, NEVER_TOLD, formula_doses, resources
from bench.quality.rows import KEY
from bench.quality.treatment import (
    CLASSES,
    FOLDS,
    SETTINGS,
    brier,
    bucket_accuracy,
    dose_class,
    fold_of,
    mae,
    make_labels,
    make_splits,
    measure,
    read_patients,
    within_20pct,
    write_inputs,
)
from model_defs import treatment
from model_defs._doses import class_names
from tests.ingested import tables_of
from transforms.keys import Keys
from transforms.read_splits import read_split_file
from transforms.splits import HELD_OUT, SPLITS

AS_OF = datetime.datetime(2024, 1, 1)
COLUMNS = [
    *(ID, "Race (OMB)", "Ethnicity (OMB)", "Gender", "Age", "Height (cm)", "Weight (kg)"),
    *("Indication for Warfarin Treatment", "Comorbidities", "Medications", "Current Smoker"),
    *(iwpc._CYP2C9, *iwpc._SITE_COLUMNS.values(), *iwpc._CONDITIONS, *iwpc._DRUGS),
    *NEVER_TOLD,
]
TYPICAL = {
    "Race (OMB)": "White",
    "Ethnicity (OMB)": "not Hispanic or Latino",
    "Gender": "male",
    "Age": "60 - 69",
    "Height (cm)": "180.0",
    "Weight (kg)": "80.0",
    "VKORC1 -1639 consensus": "A/G",
    "CYP2C9 consensus": "*1/*3",
    "Indication for Warfarin Treatment": "3; 8",
    "Comorbidities": "Hypertension; no cancer",
    "Medications": "aspirin; not amiodarone",
    "Aspirin": "1.0",
    "Amiodarone (Cordarone)": "1.0",
    "Current Smoker": "0.0",
    DOSE: "28.0",
    "INR on Reported Therapeutic Dose of Warfarin": "2.987654",
    "Subject Reached Stable Dose of Warfarin": "0.0",
    "Project Site": "987654",
}


def rows_of(*changes):
    """Rows of the set's shape, each the typical one but for its changes."""
    rows = [{ID: f"PA{n}", **TYPICAL, **change} for n, change in enumerate(changes)]
    return pl.DataFrame(
        [{column: row.get(column) for column in COLUMNS} for row in rows],
        schema=dict.fromkeys(COLUMNS, pl.String),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 patients, of whom one has no dose."""
    random = np.random.default_rng(0)
    changes = [{DOSE: str(round(float(dose), 2))} for dose in random.uniform(5, 70, 60)]
    changes[7] = {DOSE: None}
    folder = tmp_path_factory.mktemp("set")
    rows_of(*changes).write_csv(folder / "iwpc_core_5700.csv")
    return folder


def test_who_has_a_dose_is_a_patient(folder):
    patients = read_patients(folder)
    assert len(patients) == 59
    assert patients["dose"].min() > 0


def test_every_patient_is_tested_once_and_then_trained_on_nowhere(folder):
    patients = read_patients(folder)[ID].to_list()
    tested = []
    for fold in range(FOLDS):
        splits = make_splits(patients, fold)
        by_split = {name: set(part["subject_id"]) for (name,), part in splits.group_by("split")}
        assert set(by_split) == set(SPLITS)
        assert sum(map(len, by_split.values())) == len(patients)
        assert by_split[HELD_OUT] == {f"p{p}" for p in patients if fold_of(p) == fold}
        tested += by_split[HELD_OUT]
    assert sorted(tested) == sorted(f"p{p}" for p in patients)


def test_nothing_that_comes_after_the_dose_is_told():
    told = json.dumps(list(resources(rows_of({DOSE: "31.4159"}))))
    assert "31.4159" not in told
    assert "2.98" not in told
    assert "987654" not in told
    changed = {DOSE: "7", NEVER_TOLD[1]: "9", NEVER_TOLD[2]: "1.0", NEVER_TOLD[3]: "3"}
    assert json.dumps(list(resources(rows_of(changed)))) == told


def test_the_product_reads_what_the_formula_reads(folder, tmp_path, keys):
    """From the files to the examples: features, labels, and what each fold trains on."""
    patients = rows_of(
        {},
        {
            "Race (OMB)": "Asian",
            "Carbamazepine (Tegretol)": "1.0",
            "VKORC1 -1639 consensus": None,
            "VKORC1 1173 consensus": "T/T",
            "Height (cm)": None,
            "Current Smoker": "1.0",
            "Amiodarone (Cordarone)": None,
        },
        {"Race (OMB)": "Unknown", "Gender": None, "CYP2C9 consensus": None, "Age": None},
    ).with_columns(pl.Series("dose", [28.0, 14.0, 42.0]))
    write_inputs(patients, tmp_path)
    found = {row["subject_id"]: row for row in ingested(tmp_path, keys).iter_rows(named=True)}
    first, second, third = (found[keys.subject_id(f"pPA{n}")] for n in range(3))

    assert [row["dose"] for row in (first, second, third)] == [28, 14, 42]
    assert first["age_years"] == pytest.approx(65, abs=0.1)
    assert {name: first[name] for name in EXPECTED} == EXPECTED
    assert second["race"] == "2028-9"
    assert second["genotype_vkorc1"] == "A/A"
    assert (second["drug_enzyme_inducer"], second["drug_amiodarone"]) == (1, 0)
    assert second["smoking_status"] == "current"
    assert np.isnan(second["height"])
    assert third["age_years"] is None
    assert (third["race"], third["sex"], third["genotype_cyp2c9"]) == (None, None, None)
    for fold in range(FOLDS):
        splits = read_split_file(str(tmp_path / f"splits-{fold}.csv"), lambda: keys)
        subjects = np.array([keys.subject_id(f"pPA{n}") for n in range(3)])
        held_out = splits.of(subjects) == SPLITS.index(HELD_OUT)
        assert held_out.tolist() == [fold_of(f"PA{n}") == fold for n in range(3)]


EXPECTED = {
    "sex": "male",
    "race": "2106-3",
    "ethnicity": "2186-5",
    "height": 180,
    "weight": 80,
    "genotype_vkorc1": "A/G",
    "genotype_cyp2c9": "*1/*3",
    "drug_amiodarone": 1,
    "drug_antiplatelet": 1,
    "drug_enzyme_inducer": 0,
    "condition_atrial_fibrillation": 1,
    "smoking_status": "not_current",
}


def ingested(folder, keys):
    """The examples of the inputs that lie in the folder."""
    files = {"fhir": folder / "patients.ndjson", "labels": folder / "treatment.csv"}
    tables = tables_of(folder, keys, AS_OF, ("events", "labels"), **files)
    config = treatment.Config(dose_cuts=("21", "49"))
    return treatment.examples(tables, AS_OF, config)


def test_the_settings_ask_for_the_classes_that_are_measured():
    assert SETTINGS[0] == "dose_cuts=21,49"
    assert class_names((21.0, 49.0)) == CLASSES


def test_the_formula_is_that_of_2009():
    changes = (
        {"Amiodarone (Cordarone)": None},
        {"Race (OMB)": "Asian", "CYP2C9 consensus": "*1/*1", "Phenytoin (Dilantin)": "1.0"},
        {"VKORC1 -1639 consensus": None, "VKORC1 1173 consensus": "C/C", "CYP2C9 consensus": None},
        {"VKORC1 -1639 consensus": None, "Race (OMB)": "Unknown", "Age": None},
    )
    base = 5.6044 - 0.2614 * 6 + 0.0087 * 180 + 0.0128 * 80
    roots = [
        base - 0.8677 - 0.9357,
        base - 0.8677 - 0.1092 + 1.1816 - 0.5503,
        base - 0.2188 - 0.5503,
        base - 0.4854 - 0.9357 - 0.1032 - 0.5503,
    ]
    assert formula_doses(rows_of(*changes)) == pytest.approx(np.square(roots))


def test_missing_sizes_are_the_set_s_means():
    rows = rows_of({}, {"Height (cm)": "160.0"}, {"Height (cm)": None})
    assert np.sqrt(formula_doses(rows))[2] == pytest.approx(np.sqrt(formula_doses(rows))[:2].mean())


def test_measures_are_worked_out_by_hand():
    dose = np.array([21.0, 22.0, 49.0, 10.0])
    assert dose_class(dose).tolist() == [0, 1, 2, 0]
    assert bucket_accuracy(dose, np.array([0, 0, 2, 0])) == 0.75
    predicted = np.array([21.0, 26.5, 59.0, 8.0])
    assert within_20pct(dose, predicted) == 0.5
    assert mae(dose, predicted) == pytest.approx((0 + 4.5 + 10 + 2) / 4)
    even = np.full((4, 3), 1 / 3)
    assert brier(dose, even) == pytest.approx(2 / 3)


def test_the_rows_compare_the_product_with_the_formula():
    patients = rows_of(*[{DOSE: "28.0"}] * 20).with_columns(pl.lit(28.0).alias("dose"))
    subjects = [Keys(KEY.encode()).subject_id(f"p{p}") for p in patients[ID]]
    told = [{"key": name, "value": p} for name, p in zip(CLASSES, (0.1, 0.7, 0.2), strict=True)]
    predictions = pl.DataFrame(
        {"subject_id": subjects, "truth": 28.0, "score": 30.0, "probabilities": [told] * 20}
    )
    rows = measure(patients, predictions, 1.0)
    found = {(row.metric, row.note): row for row in rows}

    assert len(found) == 10
    assert found["bucket_accuracy", ""].value == 1
    assert found["mae", ""].value == 2
    formula = formula_doses(patients)
    assert found["mae", "fold 0"].baseline == pytest.approx(mae(np.full(20, 28.0), formula))
    assert found["brier", ""].value == pytest.approx(0.1**2 + 0.3**2 + 0.2**2)
    assert found["ece", ""].value == pytest.approx(0.3)


def test_labels_are_doses_at_one_time():
    found = make_labels(rows_of({}).with_columns(dose=pl.lit(28.0)))
    assert found.row(0) == ("pPA0", None, iwpc.PREDICTED, 28.0)

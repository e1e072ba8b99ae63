"""What the TFT graphs of the two tabular models make of raw rows."""

import numpy as np
import polars as pl
import pytest

from model_defs import readmission, treatment
from tests.model_defs import cases_readmission, cases_treatment
from transforms import tensors
from transforms.definition import label_of
from transforms.examples import to_table
from transforms.preprocess import quiet_tensorflow
from transforms.vocabulary import FIELD, PATIENT


@pytest.fixture(scope="module")
def transform(tmp_path_factory):
    """Analyses a model's examples and gives the graph's outputs for them, as numpy."""
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

    def run(definition, frame, patients=None):
        quiet_tensorflow()
        table = to_table(frame, definition, label_of(definition, definition.Config())).select(
            definition.FEATURES.names
        )
        schema = schema_utils.schema_from_feature_spec(
            tensors.feature_spec(definition.FEATURES.append(FIELD))
        )
        patients = range(frame.height) if patients is None else patients
        rows = [{**row, PATIENT: p} for row, p in zip(table.to_pylist(), patients, strict=True)]
        data = rows, dataset_metadata.DatasetMetadata(schema)
        folder = str(tmp_path_factory.mktemp("graph"))
        with tft_beam.Context(temp_dir=folder):
            graph = data | tft_beam.AnalyzeDataset(definition.preprocessing_fn)
            graph | tft_beam.WriteTransformFn(folder)
        layer = tft.TFTransformOutput(folder).transform_features_layer()
        raw = tensors.to_tensors(table.combine_chunks().to_batches()[0], definition.FEATURES)
        return {name: value.numpy() for name, value in layer(raw).items()}

    return run


def test_readmission_standardises_counts_marks_what_is_missing_and_numbers_words(transform):
    frame = readmission.examples(cases_readmission.tables(), cases_readmission.AS_OF)
    found = transform(readmission, frame)
    names = readmission._STANDARDISED

    length = np.log1p(frame["length_of_stay_days"].to_numpy())
    expected = (length - length.mean()) / length.std()
    at = names.index("length_of_stay_days")
    assert found["standardised"][:, at] == pytest.approx(expected, abs=1e-4)

    since = names.index("days_since_last_discharge")
    first = frame["inpatient_stays_365d"].to_numpy() == 0
    assert found["missing"][:, since].tolist() == first.astype(float).tolist()
    assert (found["standardised"][first, since] == 0).all()
    assert np.isfinite(found["standardised"]).all()

    sex = readmission._TOKENS.index(("sex",))
    words = dict(zip(frame["sex"], found["tokens"][:, sex], strict=True))
    assert words["male"] != words["female"]
    assert min(words.values()) >= 0


def test_rare_words_stay_outside_the_vocabulary(transform):
    frame = readmission.examples(cases_readmission.tables(), cases_readmission.AS_OF)
    rare = np.arange(frame.height) < readmission.MIN_PATIENTS - 1
    frame = frame.with_columns(pl.Series("encounter_type", np.where(rare, "RARE//1", "COMMON//1")))
    words = transform(readmission, frame)["tokens"][
        :, readmission._TOKENS.index(("encounter_type",))
    ]

    assert (words[rare] == -1).all()
    assert (words[~rare] >= 0).all()


def test_a_word_of_one_patient_stays_outside_however_often_it_comes(transform):
    frame = readmission.examples(cases_readmission.tables(), cases_readmission.AS_OF)
    own = np.arange(frame.height) >= frame.height - 2 * readmission.MIN_PATIENTS
    frame = frame.with_columns(pl.Series("encounter_type", np.where(own, "OWN//1", "COMMON//1")))
    patients = np.where(own, frame.height, np.arange(frame.height)).tolist()
    words = transform(readmission, frame, patients)["tokens"][
        :, readmission._TOKENS.index(("encounter_type",))
    ]

    assert (words[own] == -1).all()
    assert (words[~own] >= 0).all()


def test_a_number_that_whole_batches_lack_is_standardised_all_the_same(transform):
    frame = readmission.examples(cases_readmission.tables(), cases_readmission.AS_OF)
    last = np.arange(frame.height) >= frame.height - 2
    # Known in two rows alone, after more rows than the first batches of Beam hold.
    frame = frame.with_columns(
        pl.Series(
            "natriuretic_peptide", np.where(last, np.arange(frame.height), np.nan), pl.Float32
        )
    )
    found = transform(readmission, frame)["standardised"]

    column = found[:, readmission._STANDARDISED.index("natriuretic_peptide")]
    assert column[last] == pytest.approx([-1, 1], abs=1e-3)
    assert (column[~last] == 0).all()


def test_treatment_keeps_categories_and_sets_missing_numbers_apart(transform):
    frame = treatment.examples(cases_treatment.tables(), cases_treatment.AS_OF)
    found = transform(treatment, frame)

    weight = frame["weight"].to_numpy()
    expected = (weight - weight.mean()) / weight.std()
    assert found["weight"] == pytest.approx(expected, abs=1e-3)
    assert (found["inr"] == treatment.MISSING_Z).all()
    assert found["function_cyp2c19"].shape == (frame.height,)
    assert set(found) == set(treatment.FEATURES.names)

"""What every model definition must hold, whichever it is.

`cases_<model>.py` beside this file gives each model's `tables(seed, subjects)` and `AS_OF`, and
may give a `CONFIG` other than the default.
"""

import dataclasses
import datetime
import importlib
import subprocess
import sys

import apache_beam as beam
import hypothesis.strategies as st
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

import model_defs
from pipelines.runner import pipeline_options
from tests.builders import event_frame, image_frame
from transforms.acceleration import Acceleration
from transforms.bucket_tables import READ_BY_MODELS, from_ipc, to_ipc
from transforms.definition import label_of, optional
from transforms.errors import UsageError
from transforms.examples import KEYS, batches_of, example_schema, label_known, make_examples
from transforms.input_hash import hash_rows
from transforms.prediction_rows import CONTRIBUTIONS, Outputs, Provenance, extraction_table
from transforms.preprocess import Preprocess, Shard, load_graph
from transforms.schemas import TABLES
from transforms.tensors import encode_text, feature_spec, label_values, to_tensors

KEY_NAMES = KEYS.names
MODELS = model_defs.names()


@pytest.fixture(params=MODELS)
def definition(request):
    return model_defs.find(request.param)


def cases(definition):
    return importlib.import_module(f"tests.model_defs.cases_{definition.__name__.split('.')[-1]}")


def config_of(definition):
    return getattr(cases(definition), "CONFIG", None) or definition.Config()


def label_field(definition):
    return label_of(definition, config_of(definition))


def as_read(definition, tables, as_of):
    """The tables as `examples` gets them: gathered, where the definition gathers."""
    gather = optional(definition, "gather")
    if gather is None:
        return tables
    halves = [
        dataclasses.replace(
            tables,
            **{
                name: getattr(tables, name).filter(pl.col(TABLES[name].bucket_of) % 2 == half)
                for name in READ_BY_MODELS
            },
        )
        for half in (0, 1)
    ]
    return from_ipc(to_ipc(gather(half, as_of, config_of(definition))) for half in halves)


def frame_of(definition, tables, as_of):
    tables = as_read(definition, tables, as_of)
    frame = definition.examples(tables, as_of, config_of(definition))
    if "target_time" not in frame.columns:
        frame = frame.with_columns(target_time=pl.lit(None, pl.Datetime("us")))
    return frame


def table_of(definition, tables, as_of):
    tables = as_read(definition, tables, as_of)
    return make_examples(definition, tables, as_of, config_of(definition))


def columns_of(definition):
    return {*KEY_NAMES, *definition.FEATURES.names, label_field(definition).name}


def by_key(frame, features):
    """Key -> hash of the features."""
    table = frame.select(features).to_arrow().combine_chunks()
    hashes = hash_rows(table.to_batches()[0]).tolist() if frame.height else []
    return dict(zip(frame.select(KEY_NAMES).iter_rows(), hashes, strict=True))


def test_the_definition_is_complete(definition):
    assert definition.__doc__.strip()
    assert isinstance(definition.ENTITY, str)
    assert isinstance(label_field(definition), pa.Field)
    assert dataclasses.is_dataclass(definition.Config)
    assert definition.Config.__dataclass_params__.frozen
    assert "seed" in {field.name for field in dataclasses.fields(definition.Config)}
    for field in definition.FEATURES:
        assert {b"unit", b"meaning"} <= set(field.metadata), field.name
    feature_spec(definition.FEATURES)  # refuses types that the graph cannot have


def test_examples_have_the_columns_of_the_contract(definition):
    case = cases(definition)
    frame = frame_of(definition, case.tables(seed=0, subjects=20), case.AS_OF)
    assert set(frame.columns) - {"split"} == columns_of(definition)
    table = table_of(definition, case.tables(seed=0, subjects=20), case.AS_OF)
    assert table.schema.equals(example_schema(definition.FEATURES, label_field(definition)))
    assert table.num_rows == frame.height > 0
    assert (frame["prediction_time"] <= case.AS_OF).all()
    assert frame.select(KEY_NAMES).is_duplicated().sum() == 0
    assert frame[label_field(definition).name].n_unique() >= 2


def test_no_tables_give_no_examples(definition):
    case = cases(definition)
    found = case.tables(seed=0, subjects=2)
    nothing = dataclasses.replace(
        found, **{name: getattr(found, name).clear() for name in READ_BY_MODELS}
    )
    frame = frame_of(definition, nothing, case.AS_OF)
    assert frame.height == 0
    assert set(frame.columns) - {"split"} == columns_of(definition)


@pytest.mark.parametrize("model", MODELS)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_feature_reads_the_future_and_no_order_matters(model, data):
    definition = model_defs.find(model)
    case = cases(definition)
    tables = case.tables(seed=data.draw(st.integers(0, 3), "seed"), subjects=6)
    before = by_key(frame_of(definition, tables, case.AS_OF), definition.FEATURES.names)
    key = data.draw(st.sampled_from(sorted(before, key=str)), "example")
    subject, _, cut, _ = key
    if subject is None:  # about no patient: anybody's later facts must not matter
        subject = 1
    codes = tables.events["code"].unique().sort().to_list() or ["LOINC//2160-0"]
    types = tables.events["resource_type"].unique().sort().to_list() or ["Condition"]
    later = [
        {
            "subject_id": subject,
            "time": cut + datetime.timedelta(microseconds=data.draw(st.integers(0, 10**13))),
            "code": data.draw(st.sampled_from(codes)),
            "codes": [data.draw(st.sampled_from(codes))],
            "numeric_value": data.draw(st.sampled_from([None, -1.0, 0.0, 1e6])),
            "text_value": data.draw(st.sampled_from([None, "later"])),
            "resource_type": data.draw(st.sampled_from(types)),
            "resource_id": 10**9 + number,
            "encounter_id": data.draw(st.sampled_from([None, 10**9 + number])),
        }
        for number in range(data.draw(st.integers(1, 4), "later events"))
    ]
    images = [
        {
            "subject_id": subject,
            "time": cut + datetime.timedelta(days=data.draw(st.integers(0, 30))),
            "study_id": 10**9,
            "instance_id": 10**9 + number,
            "source_id": number,
            "frames": 1,
        }
        for number in range(data.draw(st.integers(0, 2), "later images"))
    ]
    # Revisions of weeks that the example is made of, among others.
    counts = tables.counts.sample(min(2, tables.counts.height), seed=0).with_columns(
        known=pl.lit(cut + datetime.timedelta(microseconds=data.draw(st.integers(0, 10**13)))),
        cases=pl.lit(1e6, pl.Float32),
    )
    seed = data.draw(st.integers(0, 100), "order")
    changed = dataclasses.replace(
        tables,
        events=pl.concat([event_frame(later), tables.events]).sample(
            fraction=1, shuffle=True, seed=seed
        ),
        images=pl.concat([image_frame(images), tables.images]).sample(
            fraction=1, shuffle=True, seed=seed
        ),
        counts=pl.concat([tables.counts, counts.cast(tables.counts.schema)]),
    )
    after = by_key(frame_of(definition, changed, case.AS_OF), definition.FEATURES.names)
    # A later fact may take the example away or move it; where it stands, its features stand.
    if key in after:
        assert after[key] == before[key]
    for other, value in before.items():
        if other[0] not in (subject, None) or (other[0] is None and other[2] <= cut):
            assert after[other] == value


def test_nothing_known_at_or_after_as_of_is_read(definition):
    case = cases(definition)
    tables = case.tables(seed=1, subjects=10)
    timed = {"events": "time", "images": "time", "pairs": "time", "molecules": "time"}
    timed["counts"] = "known"
    times = pl.concat([getattr(tables, t)[column] for t, column in timed.items()])
    timed["labels"] = "prediction_time"
    times = times.drop_nulls().sort()
    as_of = times[len(times) // 2]
    known = {
        name: getattr(tables, name).filter(pl.col(column).is_null() | (pl.col(column) < as_of))
        for name, column in timed.items()
    }
    cut = dataclasses.replace(tables, **known)
    whole = frame_of(definition, tables, as_of)
    assert whole.equals(frame_of(definition, cut, as_of))


def test_the_order_of_rows_makes_no_difference(definition):
    case = cases(definition)
    tables = case.tables(seed=2, subjects=12)
    mixed = dataclasses.replace(
        tables,
        **{
            name: getattr(tables, name).sample(fraction=1, shuffle=True, seed=5)
            for name in READ_BY_MODELS
        },
    )
    found, again = (table_of(definition, t, case.AS_OF) for t in (tables, mixed))
    assert pl.DataFrame(found).equals(pl.DataFrame(again))


def preprocess(definition, folder):
    """A model's cases -> outputs of its preprocessing, labels, classes."""
    case = cases(definition)
    table = table_of(definition, case.tables(seed=0, subjects=40), case.AS_OF)
    label = label_field(definition)
    table = label_known(table, label)
    pq.write_table(table, f"{folder}/examples.parquet")
    shard = Shard(f"{folder}/examples.parquet", f"{folder}/examples.tfrecord")
    names = table[label.name]
    text = pa.types.is_string(label.type)
    classes = tuple(sorted(set(names.to_pylist()))) if text else ()
    with beam.Pipeline(options=pipeline_options()) as pipeline:
        pipeline | Preprocess(
            definition,
            label,
            {"train": [shard]},
            "train",
            classes,
            f"{folder}/graph",
            f"{folder}/t",
        )
    (batch, *_) = batches_of(table)
    outputs = load_graph(f"{folder}/graph")(to_tensors(batch, definition.FEATURES))
    labels = label_values(pa.chunked_array([batch.column(label.name)]), label, classes)
    return {k: v.numpy() for k, v in outputs.items()}, labels, classes, batch


def test_preprocessing_trains_and_predicts(definition, tmp_path):
    import tf_keras

    inputs, labels, classes, batch = preprocess(definition, str(tmp_path))
    rows = len(labels)
    for name, values in inputs.items():
        assert len(values) == rows, name
    config = config_of(definition)
    if "classes" in {field.name for field in dataclasses.fields(config)}:
        config = dataclasses.replace(config, classes=classes)
    model = definition.build_model(config)
    label = label_field(definition).name
    if isinstance(model, tf_keras.Model):
        assert label in model.output
        losses = model.train_on_batch(inputs, {label: labels}, return_dict=True)
        assert np.isfinite(losses["loss"])
        check_acceleration(definition, config, model, inputs, {label: labels})
        values = {k: np.asarray(v) for k, v in model(inputs, training=False).items()}
        contributions = values.pop(CONTRIBUTIONS, None)
        if contributions is not None:
            assert contributions.shape == (rows, len(definition.FEATURES))
    else:
        values = {label: np.full((rows, len(classes)), 1 / len(classes), np.float32)}
    outputs = Outputs(values, classes)
    check_predictions(definition.to_predictions(outputs, config), rows)
    to_extractions = optional(definition, "to_extractions")
    if to_extractions is not None:
        provenance = Provenance("m", "v", "r", datetime.date(2024, 1, 1), definition.ENTITY)
        scored = encode_text(batch, definition.FEATURES)
        assert extraction_table(to_extractions(scored, outputs, config), provenance).num_rows > 0


def check_acceleration(definition, config, plain, inputs, labels):
    """Of a few rows: mixed precision gives the loss of the plain model, and XLA compiles a step."""
    import tensorflow as tf

    few = {name: tf.constant(values[:4]) for name, values in inputs.items()}
    truth = {name: tf.constant(values[:4]) for name, values in labels.items()}
    used = Acceleration(mixed_precision=True, xla=True).fit_for(definition, 1)
    with used.policy():
        model = definition.build_model(config)
    used.compile_steps(model)
    model.set_weights(plain.get_weights())
    assert {output.dtype.name for output in model.output.values()} == {"float32"}
    with tf.GradientTape() as tape:  # traces nothing, which would take longest
        loss = model.compute_loss(few, truth, model(few, training=False))
    expected = plain.compute_loss(few, truth, plain(few, training=False))
    assert float(loss) == pytest.approx(float(expected), rel=5e-3)
    gradients = tape.gradient(loss, model.trainable_weights)
    assert all(np.isfinite(tf.convert_to_tensor(found)).all() for found in gradients)
    if used.xla:
        assert np.isfinite(model.train_on_batch(few, truth, return_dict=True)["loss"])


def check_predictions(found, rows):
    assert found.score.shape == (rows,)
    assert found.score.dtype == np.float32
    assert np.isfinite(found.score).all()
    if found.probabilities is not None:
        assert found.probabilities.shape == (rows, len(found.classes))
        assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(rows), abs=1e-4)
        assert (found.probabilities >= 0).all()
    if found.label is not None:
        assert found.label.shape == (rows,)
        assert found.label.max() < len(found.classes)
    for bound in (found.interval_low, found.interval_high):
        assert bound is None or bound.shape == (rows,)
    if found.quantiles is not None:
        names, values = found.quantiles
        assert values.shape == (rows, len(names))
        assert (np.diff(values, axis=1) >= 0).all()
        assert [float(name) for name in names] == sorted(float(name) for name in names)
    for column in (found.advice, found.picture):
        assert column is None or len(column) == rows


def test_finding_models_imports_no_tensorflow():
    code = (
        "import sys, model_defs\n"
        "names = model_defs.names()\n"
        "for name in names: model_defs.find(name)\n"
        "print(names, 'tensorflow' in sys.modules, 'ydf' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == f"{MODELS} False False"


def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match=r"'nothing'; there are: .*early_detection"):
        model_defs.find("nothing")

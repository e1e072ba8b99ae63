import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from apache_beam.testing.util import assert_that, equal_to

from pipelines.runner import pipeline_options
from tests.standins import examples as shared
from tests.standins import logistic, panel
from transforms import make_examples
from transforms.errors import RunFailed
from transforms.make_examples import ExamplesToScore, LabelledExamples, ReadyExamples
from transforms.manifest import WriteManifest, read_manifest
from transforms.splits import SPLITS, split_index


@pytest.fixture(scope="module")
def buckets(tmp_path_factory):
    return shared.as_buckets(shared.tables(subjects=60), tmp_path_factory.mktemp("buckets"))


def counts(entries):
    total = {}
    for _, _, field, reason, number in entries:
        total[field, reason] = total.get((field, reason), 0) + number
    return total


def test_examples_to_score_add_up(buckets):
    since = shared.AS_OF - 100 * shared.DAY
    truth = shared.examples(shared.tables(subjects=60), shared.AS_OF)
    recent = truth.filter(pl.col("prediction_time") >= since)
    with beam.Pipeline(options=pipeline_options()) as pipeline:
        definitions = [(logistic, logistic.Config())]
        found = pipeline | ExamplesToScore(definitions, buckets, shared.AS_OF, since)
        ids = found["logistic"] | beam.FlatMap(lambda b: b.column("entity_id").to_pylist())
        assert_that(ids, equal_to(recent["entity_id"].to_list()), "Ids")
        total = found["counts"] | beam.combiners.ToList() | beam.Map(counts)
        expected = {("read", ""): 60, ("skipped", "before since"): 60 - recent.height}
        assert_that(total, equal_to([expected]), "Counts")


def test_labelled_examples_are_split_by_subject(buckets, tmp_path):
    path = str(tmp_path / "manifest.json")
    with beam.Pipeline(options=pipeline_options()) as pipeline:
        examples = LabelledExamples(
            logistic, logistic.Config(), buckets, shared.AS_OF, str(tmp_path / "examples")
        )
        pipeline | examples | WriteManifest(path)
    seen = {}
    for split, file, rows in read_manifest(path):
        table = pq.read_table(file)
        assert table.num_rows == rows > 0
        assert table["is_high"].null_count == 0
        subjects = table["subject_id"].to_numpy()
        assert {SPLITS[i] for i in split_index(subjects)} == {split}
        for subject in subjects.tolist():
            assert seen.setdefault(subject, split) == split
    assert sorted(seen) == list(range(1, 60))


def test_ready_examples_come_in_batches_with_missing_text(tmp_path):
    frame = logistic.examples(shared.tables(subjects=20), shared.AS_OF).drop("is_high")
    assert frame["ward"].null_count() == 10
    frame.write_parquet(tmp_path / "e.parquet", row_group_size=8)
    with beam.Pipeline(options=pipeline_options()) as pipeline:
        found = pipeline | ReadyExamples(logistic, [str(tmp_path / "e.parquet")])
        sizes = found["logistic"] | beam.Map(lambda batch: batch.num_rows)
        values = found["logistic"] | beam.FlatMap(lambda b: b.column("value").to_pylist())
        assert_that(sizes, equal_to([8, 8, 4]), "Sizes")
        expected = [np.float32(v).item() for v in frame["value"]]
        assert_that(values, equal_to(expected), "Values")
        assert_that(found["counts"], equal_to([["count", "logistic", "read", "", 20]]), "Counts")


def test_a_bucket_is_read_once_for_all_models(buckets, monkeypatch):
    read = []
    once = make_examples.read_tables

    def counted(files, *, with_labels):
        read.append(files)
        return once(files, with_labels=with_labels)

    monkeypatch.setattr(make_examples, "read_tables", counted)
    with beam.Pipeline(options=pipeline_options()) as pipeline:
        definitions = [(logistic, logistic.Config()), (panel, panel.Config())]
        found = pipeline | ExamplesToScore(definitions, buckets, shared.AS_OF)
        for name, rows in (("logistic", 60), ("panel", 120)):
            number = found[name] | f"Rows{name}" >> beam.Map(lambda batch: batch.num_rows)
            total = number | f"Sum{name}" >> beam.CombineGlobally(sum)
            assert_that(total, equal_to([rows]), name)
    assert len(read) == len(buckets.files) == 3


def test_a_split_that_there_is_not_is_refused(tmp_path):
    frame = logistic.examples(shared.tables(subjects=20), shared.AS_OF)
    frame = frame.with_columns(split=pl.Series(["train"] * 18 + ["test", None]))
    frame.write_parquet(tmp_path / "e.parquet")
    files = [str(tmp_path / "e.parquet")]
    with (
        pytest.raises(RunFailed, match="examples are in the split 'test'"),
        beam.Pipeline(options=pipeline_options()) as pipeline,
    ):
        pipeline | LabelledExamples(logistic, logistic.Config(), files, shared.AS_OF, str(tmp_path))

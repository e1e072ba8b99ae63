"""TF Transform: analysed on the training split alone, then applied to every split.

The graph that is written here is the one that goes into the SavedModel. Transformed shards are
one TFRecord file for each file of examples, so that their order depends on nothing but the data.

Source: https://www.tensorflow.org/tfx/transform/get_started
"""

import dataclasses
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import absl.logging
import apache_beam as beam
import pyarrow as pa

from transforms import tensors, vocabulary
from transforms.acceleration import devices
from transforms.definition import Definition, model_name
from transforms.examples import batches_of, example_schema, read_examples
from transforms.progress_notes import StageNotes, notes_of


@dataclasses.dataclass(frozen=True)
class Shard:
    """A Parquet file of labelled examples and the TFRecord file that is made of it."""

    examples: str
    records: str


@dataclasses.dataclass(eq=False)
class Preprocess(beam.PTransform):
    """Pipeline -> the TFT graph under `graph_folder`, and the records of every shard.

    `shards` are by split; only those of `train_split` are analysed.
    """

    definition: Definition
    label_field: pa.Field
    shards: Mapping[str, Sequence[Shard]]
    train_split: str
    classes: tuple[str, ...]
    graph_folder: str
    temp_folder: str

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """-> one element for each shard: its number of records."""
        import tensorflow_transform.beam as tft_beam

        features = self.definition.FEATURES
        train = [shard.examples for shard in self.shards[self.train_split]]
        model = model_name(self.definition)
        analyzed = notes_of(pipeline).stage(f"analyze_{model}", "files")
        analyzed.found(len(train))
        with tft_beam.Context(temp_dir=self.temp_folder):
            batches = (
                pipeline
                | "TrainShards" >> beam.Create(train)
                | "ReshuffleTrain" >> beam.Reshuffle()
                | "ReadTrain" >> beam.FlatMap(_list_batches, features, analyzed)
            )
            config = _adapter_config(features.append(vocabulary.FIELD))
            graph = (batches, config) | tft_beam.AnalyzeDataset(self.definition.preprocessing_fn)
        written = graph | tft_beam.WriteTransformFn(self.graph_folder)
        every = [shard for split in sorted(self.shards) for shard in self.shards[split]]
        transformed = notes_of(pipeline).stage(f"transform_{model}", "files")
        transformed.found(len(every))
        return (
            pipeline
            | "Shards" >> beam.Create(every)
            | "ReshuffleShards" >> beam.Reshuffle()
            | "WriteRecords"
            >> beam.ParDo(
                _WriteRecords(
                    features, self.label_field, self.classes, self.graph_folder, transformed
                ),
                beam.pvalue.AsList(written),
            )
        )


def _adapter_config(features: pa.Schema) -> Any:
    from tensorflow_transform.tf_metadata import schema_utils
    from tfx_bsl.tfxio import tensor_adapter, tensor_representation_util

    schema = schema_utils.schema_from_feature_spec(tensors.feature_spec(features))
    # The name is spelled as tfx_bsl exports it.
    representations = tensor_representation_util.InferTensorRepresentationsFromSchema(schema)
    arrow = tensors.to_list_batch(_no_rows(features), features).schema
    return tensor_adapter.TensorAdapterConfig(arrow, representations)


def _no_rows(features: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=features)


def _list_batches(path: str, features: pa.Schema, notes: StageNotes) -> Iterator[pa.RecordBatch]:
    notes.begin()
    table = read_examples([path], example_schema(features))
    for batch in vocabulary.batches_by_patient(table):
        yield tensors.to_list_batch(batch, features.append(vocabulary.FIELD))
    notes.done(records=table.num_rows)


class _WriteRecords(beam.DoFn):
    """Shard -> number of its records, written as tf.Examples of transformed features and label."""

    def __init__(
        self,
        features: pa.Schema,
        label: pa.Field,
        classes: tuple[str, ...],
        graph_folder: str,
        notes: StageNotes,
    ) -> None:
        self.features = features
        self.label = label
        self.classes = classes
        self.graph_folder = graph_folder
        self.notes = notes
        self.graph: Any = None

    def process(self, shard: Shard, written: Sequence[None]) -> Iterator[int]:
        del written  # waiting for it is what it is for
        self.notes.begin()
        if self.graph is None:
            self.graph = load_graph(self.graph_folder)
        rows = write_records(self.graph, shard, self.features, self.label, self.classes)
        self.notes.done(records=rows)
        yield rows


def load_graph(folder: str) -> Any:
    """The TFT graph in a folder -> a function of raw tensors by name."""
    quiet_tensorflow()
    import tensorflow_transform as tft

    devices()
    return tft.TFTransformOutput(folder).transform_features_layer()


def write_records(
    graph: Any, shard: Shard, features: pa.Schema, label: pa.Field, classes: tuple[str, ...]
) -> int:
    """Examples of one Parquet file -> one TFRecord file; the number of records."""
    import tensorflow as tf
    from tfx_bsl.coders.example_coder import RecordBatchToExamples

    table = read_examples([shard.examples], example_schema(features, label))
    with tf.io.TFRecordWriter(shard.records) as writer:
        for batch in batches_of(table):
            outputs = dict(graph(tensors.to_tensors(batch, features)))
            values = tensors.label_values(
                pa.chunked_array([batch.column(label.name)]), label, classes
            )
            outputs[label_key(label)] = values
            for record in RecordBatchToExamples(tensors.from_tensors(outputs)):
                writer.write(record)
    return int(table.num_rows)


def label_key(label: pa.Field) -> str:
    """The label's name in the records, which no feature can have."""
    return f"label/{label.name}"


def quiet_tensorflow() -> None:
    """Keeps notes of TensorFlow and TFT off the terminal; their errors stay.

    What TensorFlow's own library says is silenced only when it was not imported before.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for name in ("tensorflow", "tensorflow_transform"):
        logging.getLogger(name).setLevel(logging.ERROR)
    absl.logging.set_verbosity(absl.logging.ERROR)  # absl undoes what its logger is told
    # A column that is missing in a whole batch: TFT divides 0 by 0 and then leaves it out.
    warnings.filterwarnings(
        "ignore", category=RuntimeWarning, module=r"tensorflow_transform\.analyzers"
    )

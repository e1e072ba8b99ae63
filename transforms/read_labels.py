"""Label files -> rows of `labels`: MEDS LabelSchema plus `entity_id`, for one model each.

A Parquet or CSV file. `subject_id` is the warehouse's int64 or, as text, a FHIR Patient id.
`entity_id` is the warehouse's int64 or, as text, a DICOM StudyInstanceUID or a reference such
as `Encounter/123`; empty for labels of the patient. A column `model` names the model; a file
without one is named after it (`early_detection.csv`).

Source: https://github.com/Medical-Event-Data-Standard/meds (LabelSchema)
"""

import re
from collections.abc import Iterator

import apache_beam as beam
import polars as pl

from transforms.batches import Keyed, bucket_of, shuffle_schema, split_by, to_ipc
from transforms.counts import Count
from transforms.errors import UsageError
from transforms.keys import Keys
from transforms.schemas import TABLES
from transforms.table_files import file_stem, read_frame

STAGE = "read_labels"
_VALUES = {
    "boolean_value": pl.Boolean,
    "integer_value": pl.Int64,
    "float_value": pl.Float32,
    "categorical_value": pl.String,
}
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")


def read_label_file(uri: str, keys: Keys) -> pl.DataFrame:
    """One file -> rows of `labels` as shuffled (without bucket and run).

    Raises: UsageError, naming the file's column, when one is missing or of another type.
    """
    frame = read_frame(uri)
    for name in ("subject_id", "prediction_time"):
        if name not in frame.columns:
            raise UsageError(f"--labels {uri}: no column {name}")
    if "model" not in frame.columns:
        frame = frame.with_columns(model=pl.lit(file_stem(uri)))
    source_id = keys.source_id(uri)
    subjects = subject_ids(frame, keys)
    if subjects.null_count():
        raise UsageError(f"--labels {uri}: subject_id is empty in {subjects.null_count()} rows")
    columns = {
        "subject_id": subjects,
        "model": frame["model"],
        "entity_id": _ids(frame, "entity_id", keys),
        "prediction_time": _times(frame["prediction_time"], uri),
    }
    for name, dtype in _VALUES.items():
        columns[name] = _values(frame, name, dtype, uri)
    columns["source_id"] = pl.repeat(source_id, frame.height, dtype=pl.Int64, eager=True)
    columns["position"] = pl.int_range(frame.height, eager=True)
    return pl.DataFrame(columns)


def subject_ids(frame: pl.DataFrame, keys: Keys) -> pl.Series:
    """The column `subject_id`: FHIR Patient ids -> keyed hashes, int64 as they are."""
    return _ids(frame, "subject_id", keys)


def _ids(frame: pl.DataFrame, name: str, keys: Keys) -> pl.Series:
    """Text -> keyed hashes, int64 as they are."""
    if name not in frame.columns:
        return pl.repeat(None, frame.height, dtype=pl.Int64, eager=True).alias(name)
    series = frame[name]
    if series.dtype.is_integer():
        return series.cast(pl.Int64)
    to_id = _subject_id if name == "subject_id" else _entity_id
    return pl.Series(
        name, [to_id(text, keys) if text else None for text in series.to_list()], pl.Int64
    )


def _subject_id(text: str, keys: Keys) -> int:
    return keys.subject_id(text.removeprefix("Patient/"))


def _entity_id(text: str, keys: Keys) -> int:
    return keys.uid(text) if _UID.fullmatch(text) else keys.hash(text)


def _times(series: pl.Series, uri: str) -> pl.Series:
    if series.dtype == pl.String:
        zoned = series.str.to_datetime("%+", time_unit="us", strict=False)
        bare = series.str.replace(" ", "T", literal=True).str.to_datetime(
            "%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False
        )
        series = zoned.dt.replace_time_zone(None).fill_null(bare)
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if not series.dtype.is_temporal() or series.null_count():
        raise UsageError(f"--labels {uri}: prediction_time is not a time in every row")
    return series.cast(pl.Datetime("us"))


def _values(frame: pl.DataFrame, name: str, dtype: type[pl.DataType], uri: str) -> pl.Series:
    if name not in frame.columns:
        return pl.repeat(None, frame.height, dtype=dtype, eager=True).alias(name)
    series = frame[name]
    try:
        if dtype == pl.Boolean and series.dtype == pl.String:
            return series.str.to_lowercase().replace_strict(
                {"true": True, "1": True, "false": False, "0": False, "": None}, return_dtype=dtype
            )
        return series.cast(dtype)
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"--labels {uri}: {name} does not hold {dtype.__name__}") from error


def keyed_labels(uri: str, keys: Keys, buckets: int) -> Iterator[Keyed | beam.pvalue.TaggedOutput]:
    """One file -> shuffled elements of `labels`, and how many were read."""
    schema = shuffle_schema("labels")
    arrow = read_label_file(uri, keys).select(schema.names).to_arrow().cast(schema)
    yield beam.pvalue.TaggedOutput("counts", (Count(STAGE, "read"), arrow.num_rows))
    for batch in arrow.combine_chunks().to_batches():
        owners = bucket_of(batch.column(TABLES["labels"].bucket_of), buckets)
        for bucket, part in split_by(batch, owners):
            yield ("labels", bucket), to_ipc(part)

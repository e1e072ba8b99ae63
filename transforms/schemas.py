"""The warehouse's tables as Arrow schemas, each field with its meaning.

`subject_id, time, code, numeric_value, text_value` of `events` are the MEDS DataSchema.

Source: https://github.com/Medical-Event-Data-Standard/meds
"""

import dataclasses

import pyarrow as pa

TIMESTAMP = pa.timestamp("us")
CODES = pa.list_(pa.string())


def _field(name: str, dtype: pa.DataType, meaning: str, *, required: bool = False) -> pa.Field:
    return pa.field(name, dtype, nullable=not required, metadata={"meaning": meaning})


_BUCKET = _field("bucket", pa.int32(), "owner id mod the warehouse's buckets", required=True)
_SUBJECT = _field("subject_id", pa.int64(), "keyed hash of the Patient id", required=True)
_PROVENANCE = [
    _field("source_id", pa.int64(), "keyed hash of the input file's URI"),
    _field("position", pa.int64(), "byte offset of the line or index of the Bundle entry"),
    _field("ingest_run", pa.string(), "run that wrote the row"),
]
_VERSION = [
    _field("version_time", TIMESTAMP, "meta.lastUpdated, UTC"),
    _field("version_id", pa.string(), "meta.versionId"),
]

EVENTS = pa.schema(
    [
        _BUCKET,
        _SUBJECT,
        _field("time", TIMESTAMP, "when the fact was known, UTC; null for what never changes"),
        _field("code", pa.string(), "SYSTEM//code of the first coding", required=True),
        _field("numeric_value", pa.float32(), "value in `unit`"),
        _field("text_value", pa.string(), "value that is no number, or the text of a note"),
        _field("unit", pa.string(), "unit as sent, UCUM where the sender used it"),
        _field("codes", CODES, "every further coding, as SYSTEM//code"),
        _field("encounter_id", pa.int64(), "keyed hash of the Encounter"),
        _field("resource_type", pa.string(), "FHIR resource type", required=True),
        _field("resource_id", pa.int64(), "keyed hash of type and id", required=True),
        *_VERSION,
        *_PROVENANCE,
    ]
)

IMAGES = pa.schema(
    [
        _BUCKET,
        _SUBJECT,
        _field("time", TIMESTAMP, "acquisition, content, series or study time, UTC"),
        _field("study_id", pa.int64(), "keyed hash of StudyInstanceUID", required=True),
        _field("series_id", pa.int64(), "keyed hash of SeriesInstanceUID"),
        _field("instance_id", pa.int64(), "keyed hash of SOPInstanceUID", required=True),
        _field("match", pa.string(), "how the subject was found: study, identifier, none"),
        _field("sop_class_uid", pa.string(), "SOPClassUID"),
        _field("transfer_syntax_uid", pa.string(), "TransferSyntaxUID"),
        _field("modality", pa.string(), "Modality"),
        _field("body_part", pa.string(), "BodyPartExamined"),
        _field("laterality", pa.string(), "ImageLaterality or Laterality"),
        _field("view_position", pa.string(), "ViewPosition"),
        _field("instance_number", pa.int32(), "InstanceNumber"),
        _field("has_pixels", pa.bool_(), "whether the object carries pixel data", required=True),
        _field("rows", pa.int32(), "Rows, pixels"),
        _field("columns", pa.int32(), "Columns, pixels"),
        _field("frames", pa.int32(), "NumberOfFrames"),
        _field("samples_per_pixel", pa.int32(), "SamplesPerPixel"),
        _field("bits_stored", pa.int32(), "BitsStored"),
        _field("photometric_interpretation", pa.string(), "PhotometricInterpretation"),
        _field("row_spacing_mm", pa.float32(), "PixelSpacing between rows"),
        _field("column_spacing_mm", pa.float32(), "PixelSpacing between columns"),
        _field("slice_thickness_mm", pa.float32(), "SliceThickness"),
        _field("slice_position_mm", pa.float32(), "position along the stack's normal"),
        _field("patient_age_years", pa.float32(), "PatientAge"),
        _field("patient_sex", pa.string(), "PatientSex: M, F or O"),
        _field("burned_in_annotation", pa.string(), "yes, no, suspected or unknown"),
        *_PROVENANCE,
    ]
)

PREDICTIONS = pa.schema(
    [
        _field("model", pa.string(), "name of the model", required=True),
        _field("run_date", pa.date32(), "--as-of, the day scored for", required=True),
        _field("model_version", pa.string(), "version in the registry", required=True),
        _field("run_id", pa.string(), "run that wrote the row", required=True),
        _field("subject_id", pa.int64(), "whom it is about; null where it is about no patient"),
        _field("entity_type", pa.string(), "encounter, study, patient, …", required=True),
        _field("entity_id", pa.int64(), "keyed hash of the entity", required=True),
        _field("prediction_time", TIMESTAMP, "only earlier facts were read, UTC", required=True),
        _field("score", pa.float32(), "the model's main number", required=True),
        _field("label", pa.string(), "the class or decision that follows from the score"),
        _field("probabilities", pa.map_(pa.string(), pa.float32()), "probability by class"),
        _field("interval_low", pa.float32(), "lower end, where the model gives one"),
        _field("interval_high", pa.float32(), "upper end, where the model gives one"),
        _field(
            "drivers",
            pa.list_(pa.struct([("feature", pa.string()), ("contribution", pa.float32())])),
            "inputs that moved the score most, by absolute contribution",
        ),
        _field("input_hash", pa.int64(), "stable hash of the row of features", required=True),
    ]
)

QUARANTINE = pa.schema(
    [
        _BUCKET,
        _field("run_date", pa.date32(), "day of the run", required=True),
        _field("run_id", pa.string(), "run that refused the input", required=True),
        _field("source_id", pa.int64(), "keyed hash of the input file's URI", required=True),
        _field("position", pa.int64(), "byte offset of the line or index of the entry"),
        _field("stage", pa.string(), "read_fhir, read_dicom, link", required=True),
        _field("resource_type", pa.string(), "FHIR type, where known"),
        _field("resource_id", pa.string(), "FHIR id, where known"),
        _field("error_class", pa.string(), "class of the error", required=True),
        _field("message", pa.string(), "what was wrong, without patient values", required=True),
        _field("raw", pa.binary(), "the refused bytes"),
    ]
)

RUNS = pa.schema(
    [
        _field("run_date", pa.date32(), "day of the run", required=True),
        _field("run_id", pa.string(), "one call of the command line", required=True),
        _field("verb", pa.string(), "ingest, train, score, …", required=True),
        _field("stage", pa.string(), "read_fhir, read_dicom, link, merge_events, …", required=True),
        _field("status", pa.string(), "published, refused or failed", required=True),
        _field("started", TIMESTAMP, "UTC", required=True),
        _field("seconds", pa.float64(), "wall time of the run"),
        _field("read", pa.int64(), "inputs read", required=True),
        _field("written", pa.int64(), "of these, written", required=True),
        _field("quarantined", pa.int64(), "of these, refused", required=True),
        _field("duplicate", pa.int64(), "of these, already there or superseded", required=True),
        _field("skipped", pa.map_(pa.string(), pa.int64()), "of these, left out, by reason"),
        _field("parameters", pa.string(), "JSON of the arguments, no secrets, no paths"),
        _field("versions", pa.map_(pa.string(), pa.string()), "versions of the libraries"),
    ]
)

SOURCES = pa.schema(
    [
        _BUCKET,
        _field("source_id", pa.int64(), "keyed hash of the URI", required=True),
        _field("uri", pa.string(), "where the file is; `archive!member` in a zip", required=True),
        _field("kind", pa.string(), "fhir or dicom", required=True),
        _field("size_bytes", pa.int64(), "size of the file"),
        _field(
            "content_hash",
            pa.string(),
            "XXH3 of the content, or of its first 64 KiB where it is read in parts",
        ),
        _field("ingest_run", pa.string(), "run that read it last"),
    ]
)

CROSSWALK = pa.schema(
    [
        _BUCKET,
        _SUBJECT,
        _field("patient_id", pa.string(), "FHIR Patient id", required=True),
        _field(
            "identifiers",
            pa.list_(pa.struct([("system", pa.string()), ("value", pa.string())])),
            "Patient.identifier",
        ),
        *_VERSION,
        *_PROVENANCE,
    ]
)

LINKS = pa.schema(
    [
        _BUCKET,
        _field("link_key", pa.int64(), "keyed hash of what others refer to", required=True),
        _field("kind", pa.string(), "identifier, study or medication", required=True),
        _field("subject_id", pa.int64(), "whom the identifier or the study belongs to"),
        _field("code", pa.string(), "first coding of the Medication"),
        _field("codes", CODES, "further codings of the Medication"),
        *_VERSION,
        *_PROVENANCE,
    ]
)

DELETIONS = pa.schema(
    [
        _BUCKET,
        _field("resource_type", pa.string(), "FHIR resource type", required=True),
        _field("resource_id", pa.int64(), "keyed hash of type and id", required=True),
        *_VERSION,
        *_PROVENANCE,
    ]
)

LABELS = pa.schema(
    [
        _BUCKET,
        _SUBJECT,
        _field("model", pa.string(), "model that the label is for", required=True),
        _field("entity_id", pa.int64(), "keyed hash of the entity; null: the subject itself"),
        _field("prediction_time", TIMESTAMP, "MEDS LabelSchema", required=True),
        _field("boolean_value", pa.bool_(), "MEDS LabelSchema"),
        _field("integer_value", pa.int64(), "MEDS LabelSchema"),
        _field("float_value", pa.float32(), "MEDS LabelSchema"),
        _field("categorical_value", pa.string(), "MEDS LabelSchema"),
        *_PROVENANCE,
    ]
)


@dataclasses.dataclass(frozen=True)
class Table:
    """One table of the warehouse.

    `partition` are identity partition columns. A bucketed table is merged by `key`: rows that
    share it are one unit that a newer version replaces whole. `bucket_of` is the id whose
    remainder is the bucket, `sort` the order of the rows in a file.
    """

    name: str
    namespace: str
    schema: pa.Schema
    partition: tuple[str, ...]
    key: tuple[str, ...] = ()
    bucket_of: str = ""
    sort: tuple[str, ...] = ()

    @property
    def identifier(self) -> str:
        """`namespace.name`, as the catalog knows it."""
        return f"{self.namespace}.{self.name}"


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "events",
            "clinical",
            EVENTS,
            ("bucket",),
            ("resource_type", "resource_id"),
            "subject_id",
            ("subject_id", "time", "resource_type", "resource_id", "code"),
        ),
        Table(
            "images",
            "clinical",
            IMAGES,
            ("bucket",),
            ("instance_id",),
            "subject_id",
            ("subject_id", "study_id", "series_id", "instance_number", "instance_id"),
        ),
        Table(
            "labels",
            "clinical",
            LABELS,
            ("bucket",),
            ("model", "subject_id", "entity_id", "prediction_time"),
            "subject_id",
            ("model", "subject_id", "prediction_time", "entity_id"),
        ),
        Table("predictions", "clinical", PREDICTIONS, ("model", "run_date")),
        Table("runs", "clinical", RUNS, ("run_date",)),
        Table(
            "quarantine",
            "restricted",
            QUARANTINE,
            ("run_date", "bucket"),
            ("source_id", "position", "stage"),
            "source_id",
            ("source_id", "position"),
        ),
        Table(
            "sources",
            "restricted",
            SOURCES,
            ("bucket",),
            ("source_id",),
            "source_id",
            ("source_id",),
        ),
        Table(
            "crosswalk",
            "restricted",
            CROSSWALK,
            ("bucket",),
            ("subject_id",),
            "subject_id",
            ("subject_id",),
        ),
        Table(
            "links",
            "restricted",
            LINKS,
            ("bucket",),
            ("link_key", "subject_id"),
            "link_key",
            ("link_key", "subject_id"),
        ),
        Table(
            "deletions",
            "restricted",
            DELETIONS,
            ("bucket",),
            ("resource_type", "resource_id"),
            "resource_id",
            ("resource_type", "resource_id"),
        ),
    )
}

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
    _field("position", pa.int64(), "byte offset of the line, index of the Bundle entry or row"),
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
        _field("target_time", TIMESTAMP, "the moment it is about, where there is one, UTC"),
        _field("score", pa.float32(), "the model's main number", required=True),
        _field("label", pa.string(), "the class or decision that follows from the score"),
        _field("probabilities", pa.map_(pa.string(), pa.float32()), "probability by class"),
        _field("interval_low", pa.float32(), "lower end, where the model gives one"),
        _field("interval_high", pa.float32(), "upper end, where the model gives one"),
        _field("quantiles", pa.map_(pa.string(), pa.float32()), "quantile by level, as 0.025"),
        _field("advice", pa.string(), "what the model's rule says to do"),
        _field(
            "drivers",
            pa.list_(pa.struct([("feature", pa.string()), ("contribution", pa.float32())])),
            "inputs that moved the score most, by absolute contribution",
        ),
        _field("picture", pa.binary(), "PNG of what moved the score, where the model draws one"),
        _field("input_hash", pa.int64(), "stable hash of the row of features", required=True),
    ]
)

QUARANTINE = pa.schema(
    [
        _BUCKET,
        _field("run_date", pa.date32(), "day of the run", required=True),
        _field("run_id", pa.string(), "run that refused the input", required=True),
        _field("source_id", pa.int64(), "keyed hash of the input file's URI", required=True),
        _field("position", pa.int64(), "byte offset of the line, index of the entry or row"),
        _field(
            "stage",
            pa.string(),
            "read_fhir, link, read_dicom, read_pairs, read_counts",
            required=True,
        ),
        _field("resource_type", pa.string(), "FHIR type, where known"),
        _field("resource_id", pa.string(), "FHIR id, where known"),
        _field("error_class", pa.string(), "class of the error", required=True),
        _field("message", pa.string(), "what was wrong, without patient values", required=True),
        _field("raw", pa.binary(), "the refused bytes, unless they are not to be kept"),
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
        _field("ran_by", pa.string(), "account of the operating system that ran it"),
        _field(
            "snapshots",
            pa.map_(pa.string(), pa.int64()),
            "Iceberg snapshot of each table that the run began from",
        ),
    ]
)

SOURCES = pa.schema(
    [
        _BUCKET,
        _field("source_id", pa.int64(), "keyed hash of the URI", required=True),
        _field("uri", pa.string(), "where the file is; `archive!member` in a zip", required=True),
        _field("kind", pa.string(), "fhir, dicom, pairs or counts", required=True),
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

PAIRS = pa.schema(
    [
        _BUCKET,
        _field("pair_id", pa.int64(), "keyed hash of compound and target", required=True),
        _field("compound", pa.string(), "name of the compound", required=True),
        _field("target", pa.string(), "name of the target", required=True),
        _field("smiles", pa.string(), "structure of the compound; null: see `molecules`"),
        _field("sequence", pa.string(), "amino acids of the target; null: see `molecules`"),
        _field("affinity", pa.float32(), "pKd: -log10 of the dissociation constant in mol/l"),
        _field("time", TIMESTAMP, "when the affinity was known, UTC; null: at every time"),
        _field("split", pa.string(), "train, tuning or held_out, where the file says so"),
        *_PROVENANCE,
    ]
)

MOLECULES = pa.schema(
    [
        _BUCKET,
        _field("molecule_id", pa.int64(), "keyed hash of FHIR type and id", required=True),
        _field("kind", pa.string(), "compound or target", required=True),
        _field("name", pa.string(), "name, else identifier", required=True),
        _field("smiles", pa.string(), "structure of a compound"),
        _field("sequence", pa.string(), "amino acids of a target"),
        _field("time", TIMESTAMP, "when it was known: meta.lastUpdated, UTC"),
        *_VERSION,
        *_PROVENANCE,
    ]
)

COUNTS = pa.schema(
    [
        _BUCKET,
        _field("region_id", pa.int64(), "keyed hash of series and region", required=True),
        _field("series", pa.string(), "what is counted, such as ILI", required=True),
        _field("region", pa.string(), "where it is counted", required=True),
        _field("week", pa.date32(), "Monday of the ISO week", required=True),
        _field("cases", pa.float32(), "cases of that week", required=True),
        _field(
            "known",
            TIMESTAMP,
            "when the figure was known, UTC; later figures of a week revise earlier ones",
            required=True,
        ),
        *_PROVENANCE,
    ]
)

EXTRACTIONS = pa.schema(
    [
        *(PREDICTIONS.field(name) for name in ("model", "run_date", "model_version", "run_id")),
        _field("subject_id", pa.int64(), "whom the note is about", required=True),
        _field("entity_type", pa.string(), "note", required=True),
        _field("entity_id", pa.int64(), "keyed hash of the note's resource", required=True),
        PREDICTIONS.field("prediction_time"),
        _field("section", pa.string(), "heading of the section that the item stands in"),
        _field("sentence", pa.int32(), "number of the sentence in the note, from 0"),
        _field("sentence_class", pa.string(), "class of the sentence"),
        _field("kind", pa.string(), "date, measurement, medication or sentence", required=True),
        _field("text", pa.string(), "the words of the note from `begin` to `end`"),
        _field("value", pa.float32(), "the number of a measurement or a dose, in `unit`"),
        _field("unit", pa.string(), "UCUM unit, as written where it is none"),
        _field("code", pa.string(), "SYSTEM//code of what was found"),
        _field("begin", pa.int32(), "first character within events.text_value", required=True),
        _field("end", pa.int32(), "character after the last one", required=True),
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
        Table(
            "pairs",
            "clinical",
            PAIRS,
            ("bucket",),
            ("pair_id",),
            "pair_id",
            ("compound", "target", "pair_id"),
        ),
        Table(
            "molecules",
            "clinical",
            MOLECULES,
            ("bucket",),
            ("molecule_id",),
            "molecule_id",
            ("kind", "name", "molecule_id"),
        ),
        Table(
            "counts",
            "clinical",
            COUNTS,
            ("bucket",),
            ("region_id", "week", "known"),
            "region_id",
            ("series", "region", "week", "known"),
        ),
        Table("predictions", "clinical", PREDICTIONS, ("model", "run_date")),
        Table("extractions", "clinical", EXTRACTIONS, ("model", "run_date")),
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

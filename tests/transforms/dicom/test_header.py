import io
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from tests.transforms.dicom import builders
from transforms import schemas
from transforms.dicom.allowlist import ATTRIBUTES, DERIVED_COLUMNS
from transforms.dicom.header import ROW_FIELDS, ImageRow, index_row, parse_age_years
from transforms.dicom.reading import Skipped
from transforms.errors import InputError
from transforms.keys import Keys

KEYS = Keys(b"0123456789abcdef")
DAY_US = 86_400_000_000


def index(file: io.BytesIO) -> ImageRow:
    return index_row(file, keys=KEYS, source_id=7, position=9)


def row_of(dataset: Dataset, **writing: Any) -> dict[str, Any]:
    return dict(
        zip(ROW_FIELDS, index(builders.written(dataset=dataset, **writing)).row, strict=True)
    )


def ct(**attributes: Any) -> Dataset:
    return builders.image(stored=np.zeros((4, 6), np.int16), bits_stored=12, **attributes)


def test_every_column_of_a_ct_slice() -> None:
    dataset = ct(
        AcquisitionDate="19700102",
        AcquisitionTime="000001",
        TimezoneOffsetFromUTC="-0100",
        BodyPartExamined="Chest",
        ImageLaterality="R",
        ViewPosition="PA",
        InstanceNumber="12",
        NumberOfFrames="1",
        PixelSpacing=["0.5", "0.25"],
        SliceThickness="3",
        ImagePositionPatient=["1", "2", "-30"],
        ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
        SliceLocation="99",
        PatientAge="018M",
        PatientSex="F",
        BurnedInAnnotation="NO",
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
    )
    assert row_of(dataset) == {
        "time": DAY_US + 1_000_000 + 3_600_000_000,
        "study_id": KEYS.uid("1.2.3.1"),
        "series_id": KEYS.uid("1.2.3.2"),
        "instance_id": KEYS.uid("1.2.3.3"),
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "modality": "CT",
        "body_part": "CHEST",
        "laterality": "R",
        "view_position": "PA",
        "instance_number": 12,
        "has_pixels": True,
        "rows": 4,
        "columns": 6,
        "frames": 1,
        "samples_per_pixel": 1,
        "bits_stored": 12,
        "photometric_interpretation": "MONOCHROME2",
        "row_spacing_mm": 0.5,
        "column_spacing_mm": 0.25,
        "slice_thickness_mm": 3.0,
        "slice_position_mm": -30.0,
        "patient_age_years": 1.5,
        "patient_sex": "F",
        "burned_in_annotation": "no",
        "source_id": 7,
        "position": 9,
    }


def test_the_row_fits_the_table() -> None:
    filled_later = {"bucket", "subject_id", "match", "ingest_run"}
    assert [name for name in schemas.IMAGES.names if name not in filled_later] == list(ROW_FIELDS)
    assert ROW_FIELDS[-2:] == ("source_id", "position")


def test_every_column_has_an_attribute_on_the_allow_list() -> None:
    columns = {attribute.column for attribute in ATTRIBUTES} - {""}
    assert columns | set(DERIVED_COLUMNS) == set(ROW_FIELDS)


def test_nothing_that_identifies_is_in_the_row() -> None:
    dataset = ct(
        PatientBirthDate="19500506",
        AccessionNumber="ACC-77",
        InstitutionName="General Hospital",
        StudyDescription="PLANTED^NAME head",
        BodyPartExamined="Planted, name: says much more than it should",
        ViewPosition="MRN-0815",
        PatientAge="MRN-0815",
    )
    dataset.add_new(0x00091010, "LO", "PLANTED^NAME")
    text = repr(index(builders.written(dataset=dataset)))
    for planted in ("PLANTED", "Planted", "0815", "1950", "ACC", "Hospital", "1.2.3."):
        assert planted not in text


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
)
def test_every_encoding_gives_the_same_row(syntax: str) -> None:
    expected = row_of(ct(InstanceNumber="3", PixelSpacing=["1", "2"]))
    found = row_of(ct(InstanceNumber="3", PixelSpacing=["1", "2"]), transfer_syntax_uid=syntax)
    assert found.pop("transfer_syntax_uid") == syntax
    assert found == {key: value for key, value in expected.items() if key in found}


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_without_preamble_the_encoding_is_found(syntax: str) -> None:
    row = row_of(ct(), transfer_syntax_uid=syntax, prefix=False)
    assert (row["transfer_syntax_uid"], row["rows"], row["has_pixels"]) == (syntax, 4, True)


def test_an_object_without_pixels_is_indexed() -> None:
    row = row_of(builders.header(sop_class_uid="1.2.840.10008.5.1.4.1.1.88.11", modality="SR"))
    assert (row["modality"], row["has_pixels"], row["rows"]) == ("SR", False, None)
    assert row["time"] is None


def test_spacing_of_an_enhanced_object_is_the_one_its_frames_share() -> None:
    measures, groups = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = ["0.7", "0.8"], "5"
    groups.PixelMeasuresSequence = Sequence([measures])
    row = row_of(ct(SharedFunctionalGroupsSequence=Sequence([groups])))
    found = (row["row_spacing_mm"], row["column_spacing_mm"], row["slice_thickness_mm"])
    assert found == (0.7, 0.8, 5.0)


def test_the_day_alone_counts_as_its_end() -> None:
    assert row_of(ct(StudyDate="19700101"))["time"] == DAY_US - 1


def test_the_first_readable_time_is_taken() -> None:
    row = row_of(ct(SeriesDate="19700102", SeriesTime="01", StudyDate="19990101"))
    assert row["time"] == DAY_US + 2 * 3_600_000_000 - 1


def test_unreadable_optional_values_are_null() -> None:
    dataset = ct(
        AcquisitionDate="20240101",
        StudyDate="20240202",
        PatientAge="099Y",
        SliceThickness="1.2345",
        InstanceNumber="123456",
        NumberOfFrames="2147483000",
        PixelSpacing=["0.5", "0.25"],
        PatientSex="X",
        ImagePositionPatient=["1", "2", "3"],
        ImageOrientationPatient=["1", "0", "0", "0", "1", "0.77"],
    )
    raw = builders.written(dataset=dataset).getvalue()
    for value, unreadable in (
        (b"20240101", b"20241399"),
        (b"20240202", b"unknown "),
        (b"099Y", b"old "),
        (b"1.2345", b"1e999 "),
        (b"123456", b"first "),
        (b"2147483000", b"9999999999"),
        (b"0.5\\0.25", b"0.5     "),
        (b"1\\0.77", b"1\\nan "),
    ):
        raw = raw.replace(value, unreadable)
    row = dict(zip(ROW_FIELDS, index(io.BytesIO(raw)).row, strict=True))
    for column in (
        *("time", "patient_age_years", "slice_thickness_mm", "instance_number", "frames"),
        *("row_spacing_mm", "column_spacing_mm", "patient_sex", "slice_position_mm"),
    ):
        assert row[column] is None, column


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"BurnedInAnnotation": "YES"}, "yes"),
        ({"BurnedInAnnotation": "NO", "modality": "US"}, "no"),
        ({"modality": "US"}, "suspected"),
        ({"ImageType": ["DERIVED", "SECONDARY"]}, "suspected"),
        ({"ConversionType": "WSD"}, "suspected"),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.7"}, "suspected"),
        ({}, "unknown"),
    ],
)
def test_burned_in_annotation(attributes: dict[str, Any], expected: str) -> None:
    assert row_of(ct(**attributes))["burned_in_annotation"] == expected


def test_subject_keys_are_tried_from_the_study_to_the_bare_identifier() -> None:
    found = index(builders.written(dataset=ct(IssuerOfPatientID="HOSP")))
    assert found.subject_keys == [
        ("study", KEYS.study_link("1.2.3.1")),
        ("identifier", KEYS.identifier_link("HOSP", builders.PATIENT_ID)),
        ("identifier", KEYS.identifier_link("", builders.PATIENT_ID)),
    ]
    assert found.own_subject_id == KEYS.hash(f"dicom/HOSP|{builders.PATIENT_ID}")


def test_without_patient_id_the_study_is_the_subject() -> None:
    found = index(builders.written(dataset=ct(patient_id=None)))
    assert found.subject_keys == [("study", KEYS.study_link("1.2.3.1"))]
    assert found.own_subject_id == KEYS.hash("dicom/study/1.2.3.1")


@pytest.mark.parametrize(
    ("charset", "expected"),
    [(b"ISO_IR 192", "Ünal"), (b"KLINGON   ", None), (b"\\\\\\\\\\\\\\\\\\\\", None)],
)
def test_character_sets_decide_the_identifier_and_never_fail(
    charset: bytes, expected: str | None
) -> None:
    dataset = ct(patient_id="Ünal", SpecificCharacterSet="ISO_IR 192")
    raw = builders.written(dataset=dataset).getvalue().replace(b"ISO_IR 192", charset)
    found = index(io.BytesIO(raw))
    assert len(found.subject_keys) == 2
    if expected is not None:
        assert found.subject_keys[1] == ("identifier", KEYS.identifier_link("", expected))


def test_a_dicomdir_is_skipped() -> None:
    dataset = builders.header(sop_class_uid="1.2.840.10008.1.3.10")
    with pytest.raises(Skipped, match=r"^DICOMDIR$"):
        index(builders.written(dataset=dataset))


def test_what_is_about_no_patient_is_skipped() -> None:
    palette = builders.header(sop_class_uid="1.2.840.10008.5.1.4.39.1")
    with pytest.raises(Skipped, match="not about a patient"):
        index(builders.written(dataset=palette))


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "SOPInstanceUID"])
def test_a_missing_uid_is_refused(missing: str) -> None:
    raw = builders.written(dataset=ct()).getvalue()
    uid = {"StudyInstanceUID": b"1.2.3.1", "SOPInstanceUID": b"1.2.3.3"}[missing]
    at = raw.rindex(uid)
    with pytest.raises(InputError, match=f"{missing} is missing"):
        index(io.BytesIO(raw[:at] + b" " * len(uid) + raw[at + len(uid) :]))


def test_ages() -> None:
    found = [parse_age_years(text) for text in ("045Y", "006M", "010D", "002W", "12", "")]
    assert found[:2] == [45.0, 0.5]
    assert found[2] == pytest.approx(10 / 365.25)
    assert found[3] == pytest.approx(14 / 365.25)
    assert found[4:] == [None, None]


def test_words_that_are_no_terms_are_dropped() -> None:
    dataset = ct(BodyPartExamined="CHEST")
    dataset.Modality, dataset.PhotometricInterpretation = "DOE JANE", "DOE JANE"
    row = row_of(dataset)
    assert (row["modality"], row["photometric_interpretation"]) == (None, None)
    dataset.Modality, dataset.PhotometricInterpretation = "MG", "PALETTE COLOR"
    row = row_of(dataset)
    assert (row["modality"], row["photometric_interpretation"]) == ("MG", "PALETTE COLOR")

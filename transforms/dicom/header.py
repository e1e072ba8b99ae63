"""A DICOM file -> its row of `images`, without reading its pixels.

Only the attributes of `allowlist` are read. Values that are optional and unreadable become
null: real headers hold plenty of them, and the image is still one.

Source: DICOM PS3.3 C.7 (patient, study, series and image modules)
"""

import dataclasses
import math
import re
from typing import BinaryIO

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import TEXT_VR_DELIMS

from transforms import schemas
from transforms.dicom import times
from transforms.dicom.allowlist import ATTRIBUTES, TAG, TERMS
from transforms.dicom.reading import Skipped, open_dataset, refusing, transfer_syntax
from transforms.errors import InputError
from transforms.keys import Keys

FILLED_LATER = ("bucket", "subject_id", "match", "ingest_run")
ROW_FIELDS = tuple(name for name in schemas.IMAGES.names if name not in FILLED_LATER)

_TAGS = frozenset(attribute.tag for attribute in ATTRIBUTES)
_PIXEL_MEASURES = 0x00289110

# Hanging protocols, colour palettes, implant templates, approvals: about no patient, so they
# have no study. Source: PS3.4 annex GG
_NON_PATIENT = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.((38|39|43|44|45)\.\d+|1\.1\.200\.[137])")
_SECONDARY_CAPTURE = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.7(\.\d+)?")
# Modalities whose images are often screens or prints, with the patient's name in the picture.
_SCREEN_MODALITIES = frozenset({"US", "IVUS", "SC", "OT", "XA", "RF", "ES", "XC", "GM", "DOC"})

_CODE_STRING = re.compile(r"[A-Z0-9_ ]{1,16}")  # PS3.5 table 6.2-1, CS
_UID = re.compile(r"[0-9.]{1,64}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_AGE = re.compile(r"(\d{1,3})([DWMY])")
_DAYS_PER_YEAR = 365.25
_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / _DAYS_PER_YEAR, "D": 1 / _DAYS_PER_YEAR}

INT32 = range(-(2**31), 2**31)


@dataclasses.dataclass(frozen=True)
class ImageRow:
    """One DICOM instance, before its subject is known.

    `row` has the values of `ROW_FIELDS` (time in microseconds UTC). `subject_keys` are link keys
    with their kind, to be tried in order; `own_subject_id` is the subject where none is found.
    """

    row: tuple
    subject_keys: list[tuple[str, int]]
    own_subject_id: int


def index_row(file: BinaryIO, *, keys: Keys, source_id: int, position: int) -> ImageRow:
    """Open DICOM file -> ImageRow.

    `time` is the first of AcquisitionDateTime, AcquisitionDate, ContentDate, SeriesDate and
    StudyDate (each with its time) that can be read; null where none can, and such an image is
    at no time known to be in the past, so no model may use it.

    Raises: Skipped, for what is no DICOM object about a patient; InputError, when the file
    is broken or lacks a UID; OSError, when the machine failed to read.
    Source: PS3.3 C.7, PS3.10 chapter 7
    """
    dataset, has_pixels = open_dataset(file, tags=_TAGS, pixels=False)
    with refusing("header cannot be read"):
        sop_class = _uid(dataset, "SOPClassUID") or _meta_uid(dataset, "MediaStorageSOPClassUID")
        if _NON_PATIENT.fullmatch(sop_class):
            raise Skipped("not about a patient")
        study, instance = _uid(dataset, "StudyInstanceUID"), _uid(dataset, "SOPInstanceUID")
        if not study or not instance:
            missing = "SOPInstanceUID" if study else "StudyInstanceUID"
            raise InputError(f"{missing} is missing")
        series = _uid(dataset, "SeriesInstanceUID")
        patient_id, issuer = _text(dataset, "PatientID"), _text(dataset, "IssuerOfPatientID")
        values = {
            "time": _time(dataset),
            "study_id": keys.uid(study),
            "series_id": keys.uid(series) if series else None,
            "instance_id": keys.uid(instance),
            "sop_class_uid": _only(_UID, sop_class),
            "transfer_syntax_uid": _only(_UID, transfer_syntax(dataset)),
            "has_pixels": has_pixels,
            **_description(dataset),
            **_pixel_format(dataset),
            **_geometry(dataset),
            "burned_in_annotation": _burned_in(dataset, sop_class, has_pixels=has_pixels),
            "source_id": source_id,
            "position": position,
        }
    return ImageRow(
        row=tuple(values[name] for name in ROW_FIELDS),
        subject_keys=_subject_keys(keys, study, patient_id, issuer),
        own_subject_id=keys.hash(
            f"dicom/{issuer}|{patient_id}" if patient_id else f"dicom/study/{study}"
        ),
    )


def _subject_keys(keys: Keys, study: str, patient_id: str, issuer: str) -> list[tuple[str, int]]:
    found = [("study", keys.study_link(study))]
    if patient_id:
        systems = (issuer, "") if issuer else ("",)
        found += [("identifier", keys.identifier_link(system, patient_id)) for system in systems]
    return found


def _raw(dataset: Dataset, keyword: str) -> RawDataElement | None:
    """The element as bytes, so that a value that pydicom cannot convert does no harm."""
    element = dataset.get_item(TAG[keyword])
    return element if isinstance(element, RawDataElement) and element.value else None


def _values(dataset: Dataset, keyword: str) -> list[str]:
    """Values of an attribute whose characters are ASCII (CS, DA, DS, IS, TM, DT, UI, AS, SH)."""
    element = _raw(dataset, keyword)
    if element is None:
        return []
    text = element.value.decode("ascii", "replace")
    return [value.strip(" \0") for value in text.split("\\")]


def _value(dataset: Dataset, keyword: str) -> str:
    values = _values(dataset, keyword)
    return values[0] if values else ""


def _uid(dataset: Dataset, keyword: str) -> str:
    return _value(dataset, keyword)


def _meta_uid(dataset: Dataset, keyword: str) -> str:
    return str(dataset.file_meta.get(keyword) or "")


def _text(dataset: Dataset, keyword: str) -> str:
    """Value of an LO attribute in the data set's character set."""
    element = _raw(dataset, keyword)
    if element is None:
        return ""
    if element.value.isascii() and b"\x1b" not in element.value:
        return element.value.decode("ascii").strip(" \0")
    encodings = convert_encodings(_values(dataset, "SpecificCharacterSet") or "")
    return decode_bytes(element.value, encodings, TEXT_VR_DELIMS).strip(" \0")


def _only(form: re.Pattern[str], value: str) -> str | None:
    return value if form.fullmatch(value) else None


def _code(dataset: Dataset, keyword: str) -> str | None:
    """Code string in upper case; what has not the form of one, or is no term, is dropped."""
    code = _only(_CODE_STRING, _value(dataset, keyword).upper())
    return code if code in TERMS.get(keyword, (code,)) else None


def _decimals(dataset: Dataset, keyword: str, count: int) -> list[float] | None:
    """The values of a DS attribute, when there are `count` and all are finite numbers."""
    values = _values(dataset, keyword)
    if len(values) != count or not all(_NUMBER.fullmatch(value) for value in values):
        return None
    numbers = [float(value) for value in values]
    return numbers if all(map(math.isfinite, numbers)) else None


def _decimal(dataset: Dataset, keyword: str) -> float | None:
    values = _decimals(dataset, keyword, 1)
    return values[0] if values else None


def _integer(dataset: Dataset, keyword: str) -> int | None:
    """Value of an IS attribute (`2.0`, which some write, is 2)."""
    value = _decimal(dataset, keyword)
    return int(value) if value is not None and value.is_integer() and int(value) in INT32 else None


def _binary(dataset: Dataset, keyword: str) -> int | None:
    """Value of a US attribute."""
    element = _raw(dataset, keyword)
    if element is None or len(element.value) < 2:
        return None
    return int.from_bytes(element.value[:2], "little" if element.is_little_endian else "big")


def _time(dataset: Dataset) -> int | None:
    offset_s = times.parse_offset(_value(dataset, "TimezoneOffsetFromUTC")) or 0
    exact = times.parse_date_time(_value(dataset, "AcquisitionDateTime"), offset_s=offset_s)
    if exact is not None:
        return exact
    for event in ("Acquisition", "Content", "Series", "Study"):
        date, time = _value(dataset, f"{event}Date"), _value(dataset, f"{event}Time")
        found = times.parse_date_and_time(date, time, offset_s=offset_s)
        if found is not None:
            return found
    return None


def _description(dataset: Dataset) -> dict[str, object]:
    laterality = _code(dataset, "ImageLaterality") or _code(dataset, "Laterality")
    sex = _code(dataset, "PatientSex")
    return {
        "modality": _code(dataset, "Modality"),
        "body_part": _code(dataset, "BodyPartExamined"),
        "laterality": laterality if laterality in ("R", "L", "U", "B") else None,
        "view_position": _code(dataset, "ViewPosition"),
        "instance_number": _integer(dataset, "InstanceNumber"),
        "patient_age_years": parse_age_years(_value(dataset, "PatientAge")),
        "patient_sex": sex if sex in ("M", "F", "O") else None,
    }


def parse_age_years(text: str) -> float | None:
    """AS -> years.

    Source: PS3.5 table 6.2-1

    >>> parse_age_years("045Y"), parse_age_years("006M"), parse_age_years("unknown")
    (45.0, 0.5, None)
    """
    match = _AGE.fullmatch(text.strip().upper())
    return int(match[1]) * _YEARS[match[2]] if match else None


def _pixel_format(dataset: Dataset) -> dict[str, object]:
    return {
        "rows": _binary(dataset, "Rows"),
        "columns": _binary(dataset, "Columns"),
        "frames": _integer(dataset, "NumberOfFrames"),
        "samples_per_pixel": _binary(dataset, "SamplesPerPixel"),
        "bits_stored": _binary(dataset, "BitsStored"),
        "photometric_interpretation": _code(dataset, "PhotometricInterpretation"),
    }


def _geometry(dataset: Dataset) -> dict[str, object]:
    """Spacing of the image itself, else of the group that all frames share (enhanced objects)."""
    measures = dataset
    if TAG["SharedFunctionalGroupsSequence"] in dataset:
        shared = dataset[TAG["SharedFunctionalGroupsSequence"]].value
        if shared and _PIXEL_MEASURES in shared[0] and shared[0][_PIXEL_MEASURES].value:
            measures = shared[0][_PIXEL_MEASURES].value[0]
    row_mm, column_mm = (
        _decimals(dataset, "PixelSpacing", 2)
        or _decimals(measures, "PixelSpacing", 2)
        or (None, None)
    )
    thickness_mm = _decimal(dataset, "SliceThickness")
    return {
        "row_spacing_mm": row_mm,
        "column_spacing_mm": column_mm,
        "slice_thickness_mm": (
            _decimal(measures, "SliceThickness") if thickness_mm is None else thickness_mm
        ),
        "slice_position_mm": _slice_position_mm(dataset),
    }


def _slice_position_mm(dataset: Dataset) -> float | None:
    """ImagePositionPatient along the normal of ImageOrientationPatient, else SliceLocation.

    Source: PS3.3 C.7.6.2.1.1
    """
    position = _decimals(dataset, "ImagePositionPatient", 3)
    orientation = _decimals(dataset, "ImageOrientationPatient", 6)
    if position is None or orientation is None:
        return _decimal(dataset, "SliceLocation")
    ax, ay, az, bx, by, bz = orientation
    normal = (ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)
    return sum(p * n for p, n in zip(position, normal, strict=True))


def _burned_in(dataset: Dataset, sop_class: str, *, has_pixels: bool) -> str:
    """Whether text stands in the picture: as stated, else suspected from how it was made."""
    stated = _value(dataset, "BurnedInAnnotation").upper()
    if stated in ("YES", "NO"):
        return stated.lower()
    if not has_pixels:
        return "unknown"
    is_suspect = (
        _code(dataset, "Modality") in _SCREEN_MODALITIES
        or _SECONDARY_CAPTURE.fullmatch(sop_class) is not None
        or "SECONDARY" in _values(dataset, "ImageType")
        or bool(_value(dataset, "ConversionType"))
    )
    return "suspected" if is_suspect else "unknown"

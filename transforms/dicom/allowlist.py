"""The attributes that are read from a DICOM file, each with what becomes of it.

De-identification is an allow-list: whatever stands in no line of `ATTRIBUTES` is neither
read nor kept, private attributes and free text among it. `action` is what the Basic
Application Level Confidentiality Profile asks for (D dummy, Z empty, X remove, U new UID;
empty where the attribute is not in its table). Where we keep more than that, `kept` names
the option of the profile under which we do.

Source: DICOM PS3.15 annex E, table E.1-1
"""

import dataclasses

from pydicom.tag import BaseTag

FULL_DATES = "Retain Longitudinal Temporal Information With Full Dates Option"
CHARACTERISTICS = "Retain Patient Characteristics Option"


@dataclasses.dataclass(frozen=True)
class Attribute:
    """One line: DICOM keyword and tag -> column of `images`, or none where it only serves."""

    keyword: str
    tag: int
    column: str
    action: str = ""
    kept: str = ""


ATTRIBUTES = (
    # Identities: hashed under the site's key, never kept.
    Attribute("StudyInstanceUID", 0x0020000D, "study_id", "U", "keyed hash"),
    Attribute("SeriesInstanceUID", 0x0020000E, "series_id", "U", "keyed hash"),
    Attribute("SOPInstanceUID", 0x00080018, "instance_id", "U", "keyed hash"),
    Attribute("PatientID", 0x00100020, "", "Z/D", "keyed hash, to find the subject"),
    Attribute("IssuerOfPatientID", 0x00100021, "", "X", "keyed hash, to find the subject"),
    Attribute("SpecificCharacterSet", 0x00080005, ""),
    # Time: one column, and no feature may see a fact early, so the full date is needed.
    Attribute("AcquisitionDateTime", 0x0008002A, "time", "X/Z/D", FULL_DATES),
    Attribute("AcquisitionDate", 0x00080022, "time", "X/Z", FULL_DATES),
    Attribute("AcquisitionTime", 0x00080032, "time", "X/Z", FULL_DATES),
    Attribute("ContentDate", 0x00080023, "time", "Z/D", FULL_DATES),
    Attribute("ContentTime", 0x00080033, "time", "Z/D", FULL_DATES),
    Attribute("SeriesDate", 0x00080021, "time", "X/D", FULL_DATES),
    Attribute("SeriesTime", 0x00080031, "time", "X/D", FULL_DATES),
    Attribute("StudyDate", 0x00080020, "time", "Z", FULL_DATES),
    Attribute("StudyTime", 0x00080030, "time", "Z", FULL_DATES),
    Attribute("TimezoneOffsetFromUTC", 0x00080201, "time", "X", FULL_DATES),
    # The patient's age and sex: features of the models.
    Attribute("PatientAge", 0x00101010, "patient_age_years", "X", CHARACTERISTICS),
    Attribute("PatientSex", 0x00100040, "patient_sex", "Z", CHARACTERISTICS),
    # What the image is and how it lies: not in the profile's table. Code strings are kept only
    # where they have the form of one, so that no sentence passes, and where there are `TERMS`
    # only as one of these. BodyPartExamined and ViewPosition are an exception: their terms are
    # many and sites have their own, so a word of 16 capital letters could pass there.
    Attribute("SOPClassUID", 0x00080016, "sop_class_uid"),
    Attribute("Modality", 0x00080060, "modality"),
    Attribute("BodyPartExamined", 0x00180015, "body_part"),
    Attribute("ImageLaterality", 0x00200062, "laterality"),
    Attribute("Laterality", 0x00200060, "laterality"),
    Attribute("ViewPosition", 0x00185101, "view_position"),
    Attribute("InstanceNumber", 0x00200013, "instance_number"),
    Attribute("Rows", 0x00280010, "rows"),
    Attribute("Columns", 0x00280011, "columns"),
    Attribute("NumberOfFrames", 0x00280008, "frames"),
    Attribute("SamplesPerPixel", 0x00280002, "samples_per_pixel"),
    Attribute("BitsStored", 0x00280101, "bits_stored"),
    Attribute("PhotometricInterpretation", 0x00280004, "photometric_interpretation"),
    Attribute("PixelSpacing", 0x00280030, "row_spacing_mm"),
    Attribute("PixelSpacing", 0x00280030, "column_spacing_mm"),
    Attribute("SliceThickness", 0x00180050, "slice_thickness_mm"),
    Attribute("SharedFunctionalGroupsSequence", 0x52009229, "row_spacing_mm"),
    Attribute("ImagePositionPatient", 0x00200032, "slice_position_mm"),
    Attribute("ImageOrientationPatient", 0x00200037, "slice_position_mm"),
    Attribute("SliceLocation", 0x00201041, "slice_position_mm"),
    Attribute("BurnedInAnnotation", 0x00280301, "burned_in_annotation"),
    Attribute("ImageType", 0x00080008, "burned_in_annotation"),
    Attribute("ConversionType", 0x00080064, "burned_in_annotation"),
)

_MODALITIES = """
    ANN AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG EOG EPS ES FID GM HC
    HD IO IOL IVOCT IVUS KER KO LEN LS M3D MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA
    PLAN POS PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN
    RTSTRUCT RWV SEG SM SMR SR SRF STAIN TEXTUREMAP TG US VA XA XAPROTOCOL XC
    AS CD CF CP CS DD DF DM DS EC FA FS LP MA MS OPR ST VF
"""
_PHOTOMETRIC = """
    MONOCHROME1 MONOCHROME2 RGB HSV ARGB CMYK XYB
    YBR_FULL YBR_FULL_422 YBR_PARTIAL_422 YBR_PARTIAL_420 YBR_ICT YBR_RCT
"""
TERMS = {
    "Modality": frozenset(_MODALITIES.split()),
    "PhotometricInterpretation": frozenset({*_PHOTOMETRIC.split(), "PALETTE COLOR"}),
}
"""Defined terms, retired ones too: PS3.3 C.7.3.1.1.1 and C.7.6.3.1.2."""

TAG = {attribute.keyword: BaseTag(attribute.tag) for attribute in ATTRIBUTES}

# Columns that come from elsewhere than the data set.
DERIVED_COLUMNS = ("transfer_syntax_uid", "has_pixels", "source_id", "position")

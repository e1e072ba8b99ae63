"""Small DICOM files, written element by element with pydicom."""

import io
from typing import Any

import numpy as np
from openjpeg.utils import encode_array
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

NAME, PATIENT_ID = "PLANTED^NAME", "MRN-0815"


def header(
    *,
    study_uid: str = "1.2.3.1",
    series_uid: str = "1.2.3.2",
    instance_uid: str = "1.2.3.3",
    sop_class_uid: str = CTImageStorage,
    modality: str = "CT",
    patient_id: str | None = PATIENT_ID,
    **attributes: Any,
) -> Dataset:
    """Data set without pixels; `attributes` are keywords of the dictionary."""
    dataset = Dataset()
    dataset.SOPClassUID = sop_class_uid
    dataset.SOPInstanceUID = instance_uid
    dataset.StudyInstanceUID = study_uid
    dataset.SeriesInstanceUID = series_uid
    dataset.Modality = modality
    dataset.PatientName = NAME
    if patient_id is not None:
        dataset.PatientID = patient_id
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def image(
    *,
    stored: np.ndarray,
    frames: int | None = None,
    photometric: str = "MONOCHROME2",
    bits_stored: int | None = None,
    **attributes: Any,
) -> Dataset:
    """Data set with native pixels: (height, width), with frames first and samples last."""
    is_color = stored.ndim == (3 if frames is None else 4)
    rows, columns = stored.shape[:2] if frames is None else stored.shape[1:3]
    bits = 8 * stored.dtype.itemsize
    description = {
        "SamplesPerPixel": 3 if is_color else 1,
        "PhotometricInterpretation": photometric,
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": bits,
        "BitsStored": bits_stored or bits,
        "HighBit": (bits_stored or bits) - 1,
        "PixelRepresentation": int(stored.dtype.kind == "i"),
    }
    if is_color:
        description["PlanarConfiguration"] = 0
    if frames is not None:
        description["NumberOfFrames"] = frames
    dataset = header(**description | attributes)
    if stored.dtype.kind == "f":
        del dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit
        dataset.FloatPixelData = stored.tobytes()
    else:
        raw = stored.tobytes()
        dataset.add_new(0x7FE00010, "OW", raw + b"\0" * (len(raw) % 2))
    return dataset


def written(
    *,
    dataset: Dataset,
    transfer_syntax_uid: str = ExplicitVRLittleEndian,
    prefix: bool = True,
) -> io.BytesIO:
    """The data set as a file; without `prefix`, without preamble and File Meta Information."""
    file = io.BytesIO()
    if prefix:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "1.2.3")
        meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2.3")
        meta.TransferSyntaxUID = transfer_syntax_uid
        dataset.file_meta = meta
        dcmwrite(file, dataset, enforce_file_format=True)
    else:
        dcmwrite(
            file,
            dataset,
            implicit_vr=transfer_syntax_uid == "1.2.840.10008.1.2",
            little_endian=transfer_syntax_uid != "1.2.840.10008.1.2.2",
        )
    file.seek(0)
    return file


def jpeg2000(*, stored: np.ndarray, bits_stored: int, **attributes: Any) -> io.BytesIO:
    """File with one losslessly coded JPEG 2000 frame."""
    dataset = image(stored=stored, bits_stored=bits_stored, **attributes)
    coded = encode_array(stored, bits_stored=bits_stored, photometric_interpretation=2)
    dataset["PixelData"].value = encapsulate([coded])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return written(dataset=dataset, transfer_syntax_uid=JPEG2000Lossless)


def rle(*, stored: np.ndarray, frames: int | None = None, **attributes: Any) -> io.BytesIO:
    """File with run-length coded frames."""
    dataset = image(stored=stored, frames=frames, **attributes)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.compress(RLELossless, generate_instance_uid=False)
    return written(dataset=dataset, transfer_syntax_uid=RLELossless)

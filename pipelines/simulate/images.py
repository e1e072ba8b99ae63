"""Small CT and X-ray studies in which disease is a bright spot.

Pixels are 64 by 64, 16 bits allocated: CT signed Hounsfield units after rescaling, X-rays 12
bits unsigned, a part of them MONOCHROME1 (stored inverted). A few are RLE or JPEG 2000.

Source: https://dicom.nema.org/medical/dicom/current/output/html/part03.html
"""

import dataclasses
import datetime
import uuid

import numpy as np
import openjpeg
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from pipelines.simulate.people import Person

SIZE = 64
ISSUER = "HOSPITAL"
_IMPLEMENTATION = UID("2.25.291308817642905110267281203486171224577")
_SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, JPEG2000Lossless)
_SYNTAX_SHARES = (0.7, 0.14, 0.08, 0.08)
_SPOT_SIGMA = (4.0, 7.0)
_SPOT_BRIGHTNESS = (0.05, 0.4)  # the faintest are hard to see, so that no model is always right


@dataclasses.dataclass(frozen=True)
class Study:
    """One DICOM study: its instances, and what the reading will say."""

    study_instance_uid: str
    modality: str
    time: datetime.datetime
    diseased: bool
    instances: tuple[FileDataset, ...]


def _uid(rng: np.random.Generator) -> str:
    return f"2.25.{uuid.UUID(bytes=rng.bytes(16), version=4).int}"


def _picture(rng: np.random.Generator, *, spot: bool) -> np.ndarray:
    """Brightness as float64 [SIZE, SIZE] in 0..1: a chest-like shade, noise, perhaps a spot."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / (SIZE - 1) * 2 - 1
    body = 0.45 * np.exp(-((x / 0.9) ** 4) - (y / 0.95) ** 4)
    lungs = sum(np.exp(-(((x - side) / 0.3) ** 2) - (y / 0.55) ** 2) for side in (-0.42, 0.42))
    shade = body - 0.25 * lungs + rng.normal(0, 0.03) + rng.normal(0, 0.025, (SIZE, SIZE))
    if spot:
        column, row = rng.uniform(-0.55, 0.55, 2)
        sigma = rng.uniform(*_SPOT_SIGMA) / (SIZE / 2)
        distance = ((x - column) ** 2 + (y - row) ** 2) / (2 * sigma**2)
        shade = shade + rng.uniform(*_SPOT_BRIGHTNESS) * np.exp(-distance)
    return np.clip(shade + 0.05, 0, 1)


def make_study(
    rng: np.random.Generator,
    person: Person,
    time: datetime.datetime,
    *,
    diseased: bool,
    patient_id: str,
) -> Study:
    """One study of a person, of one to five instances, all of one series.

    `patient_id` goes to PatientID. In a CT not every slice shows the disease.
    """
    study_uid, series_uid = _uid(rng), _uid(rng)
    modality = "CT" if rng.random() < 0.4 else "DX"
    slices = int(rng.integers(3, 6)) if modality == "CT" else 1 + int(rng.random() < 0.15)
    inverted = modality == "DX" and rng.random() < 0.3
    syntax = _SYNTAXES[rng.choice(len(_SYNTAXES), p=_SYNTAX_SHARES)]
    instances = []
    for number in range(1, slices + 1):
        spot = diseased and (modality == "DX" or number > slices // 3)
        dataset = _instance(rng, modality, series_uid, study_uid, number)
        _add_person(dataset, person, patient_id, time)
        _add_time(dataset, time)
        _add_pixels(dataset, _picture(rng, spot=spot), inverted=inverted)
        instances.append(_encode(dataset, syntax))
    return Study(study_uid, modality, time, diseased, tuple(instances))


def _instance(
    rng: np.random.Generator, modality: str, series_uid: str, study_uid: str, number: int
) -> Dataset:
    dataset = Dataset()
    is_ct = modality == "CT"
    dataset.SOPClassUID = CTImageStorage if is_ct else DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = _uid(rng)
    dataset.StudyInstanceUID = study_uid
    dataset.SeriesInstanceUID = series_uid
    dataset.Modality = modality
    dataset.BodyPartExamined = "CHEST"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = number
    if is_ct:
        dataset.SliceThickness = "5.0"
        dataset.ImagePositionPatient = ["-160", "-160", str(-5.0 * number)]
        dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    else:
        dataset.ViewPosition = "PA" if number == 1 else "LL"
        dataset.BurnedInAnnotation = "NO"
    return dataset


def _add_person(dataset: Dataset, person: Person, patient_id: str, time: datetime.datetime) -> None:
    dataset.PatientName = f"{person.family}^{person.given}"
    dataset.PatientID = patient_id
    dataset.IssuerOfPatientID = ISSUER
    born = datetime.date.fromisoformat(person.patient["birthDate"])
    dataset.PatientBirthDate = f"{born:%Y%m%d}"
    dataset.PatientSex = person.sex
    dataset.PatientAge = f"{(time.date() - born).days // 365:03d}Y"
    dataset.InstitutionName = "Millbrook General Hospital"
    dataset.AccessionNumber = f"A{patient_id}"


def _add_time(dataset: Dataset, time: datetime.datetime) -> None:
    for name in ("Study", "Series", "Content"):
        setattr(dataset, f"{name}Date", f"{time:%Y%m%d}")
        setattr(dataset, f"{name}Time", f"{time:%H%M%S}")
    dataset.TimezoneOffsetFromUTC = "+0000"


def _add_pixels(dataset: Dataset, picture: np.ndarray, *, inverted: bool) -> None:
    """Brightness 0..1 -> stored values with the window that shows them."""
    dataset.Rows = dataset.Columns = SIZE
    dataset.SamplesPerPixel = 1
    dataset.BitsAllocated = 16
    dataset.PixelSpacing = ["5.0", "5.0"]
    if dataset.Modality == "CT":
        stored = np.round(picture * 1600).astype("<i2") - 1000 + 1024
        dataset.BitsStored, dataset.PixelRepresentation = 16, 1
        dataset.RescaleSlope, dataset.RescaleIntercept = "1", "-1024"
        dataset.RescaleType = "HU"
        dataset.WindowCenter, dataset.WindowWidth = "-200", "1600"
    else:
        stored = np.round(picture * 4095).astype("<u2")
        if inverted:
            stored = (4095 - stored).astype("<u2")
        dataset.BitsStored, dataset.PixelRepresentation = 12, 0
        dataset.WindowCenter, dataset.WindowWidth = "2048", "4096"
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    dataset.add_new("PixelData", "OW", stored.tobytes())


def _encode(dataset: Dataset, syntax: UID) -> FileDataset:
    """Add the file meta information and compress the pixels as `syntax` asks."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.ImplementationClassUID = _IMPLEMENTATION
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax.is_compressed else syntax
    file = FileDataset("", dataset, preamble=b"\0" * 128, file_meta=meta)
    if syntax == RLELossless:
        # A new SOPInstanceUID would be random.
        file.compress(RLELossless, generate_instance_uid=False)
    elif syntax == JPEG2000Lossless:
        # pydicom's own way to this encoder needs one more package.
        stored = np.frombuffer(file.PixelData, "<i2" if file.PixelRepresentation else "<u2")
        stream = openjpeg.encode(
            stored.reshape(SIZE, SIZE), bits_stored=file.BitsStored, photometric_interpretation=2
        )
        file.PixelData = encapsulate([stream])
        file["PixelData"].is_undefined_length = True
        meta.TransferSyntaxUID = JPEG2000Lossless
    return file

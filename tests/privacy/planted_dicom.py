"""DICOM files with a traceable text in every attribute that can hold one."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
from pydicom.datadict import DicomDictionary
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.transforms.dicom.builders import image

_SHORT = {"AE", "CS", "SH"}
_TEXT = _SHORT | {"LO", "LT", "PN", "ST", "UC", "UR", "UT"}
_BYTES = {"OB", "UN"}
_OWN_FORM = {"AS", "DA", "DS", "DT", "IS", "TM", "UI"}  # text too, though of digits
# What a reader must find in this form, or the file is not one of a patient.
_FIXED = {"SOPClassUID", "StudyInstanceUID", "SOPInstanceUID", "SpecificCharacterSet"}
# The same name in each character set: (SpecificCharacterSet, name before the planted text).
NAMES = (
    ("ISO_IR 100", "Müller^"),
    ("ISO_IR 144", "Иванов^"),
    ("ISO_IR 192", "山田^"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎="),
)

Plant = Callable[[str], str]
"""Path of an attribute -> the text to plant there."""


def planted(plant: Plant, number: int, *, forms: bool) -> tuple[Dataset, bool]:
    """One image, and whether it is to be written with implicit VR.

    With `forms` a text stands in the attributes whose values have a form of their own too, such
    as dates, as it does in real headers; then the VR cannot be explicit.
    """
    dataset = image(
        stored=np.zeros((8, 8), np.uint16),
        study_uid=f"1.2.840.99.{number}.1",
        series_uid=f"1.2.840.99.{number}.2",
        instance_uid=f"1.2.840.99.{number}.3",
    )
    charset, name = NAMES[number % len(NAMES)]
    _fill(dataset, plant, "", forms=forms, depth=0)
    dataset.SOPClassUID = CTImageStorage
    dataset.SpecificCharacterSet = charset
    dataset.PatientName = name + plant("PatientName")
    dataset.PixelData = np.zeros((8, 8), np.uint16).tobytes()
    for group in (0x0009, 0x0011, 0x7FE1):
        block = dataset.private_block(group, "PLANTED MAKER", create=True)
        for element, kind in enumerate(("LO", "PN", "UT", "UN", "OB")):
            text = plant(f"private {group:04x} {kind}")
            block.add_new(element, kind, text.encode() if kind in _BYTES else text)
        inner = Dataset()
        inner.PatientName = plant(f"private {group:04x} SQ.PatientName")
        block.add_new(9, "SQ", Sequence([inner]))
    return dataset, forms


def _fill(dataset: Dataset, plant: Plant, path: str, *, forms: bool, depth: int) -> None:
    for tag, (kind, _, _, _, keyword) in sorted(DicomDictionary.items()):
        group = tag >> 16
        kinds = set(kind.split(" or "))
        if group in (0x0000, 0x0002, 0x0004, 0xFFFE) or not keyword or keyword in _FIXED:
            continue
        if keyword.startswith("PixelData") or "PixelData" in keyword:
            continue
        where = f"{path}{keyword}"
        if kinds & _TEXT:
            dataset[tag] = DataElement(tag, next(iter(kinds & _TEXT)), plant(where))
        elif kinds & _BYTES and len(kinds) == 1:
            dataset[tag] = DataElement(tag, kind, plant(where).encode())
        elif forms and kinds & _OWN_FORM:
            dataset[tag] = DataElement(tag, "LO", plant(where))
        elif kind == "SQ" and depth == 0:
            dataset[tag] = DataElement(tag, "SQ", Sequence([_item(plant, where, forms=forms)]))


def _item(plant: Plant, path: str, *, forms: bool) -> Dataset:
    """An item with a name, texts and an item of its own, and pixel measures."""
    item, inner = Dataset(), Dataset()
    for found, where in ((item, path), (inner, f"{path}.ReferencedStudySequence")):
        for keyword in ("PatientName", "PatientComments", "CodeMeaning", "ManufacturerModelName"):
            setattr(found, keyword, plant(f"{where}.{keyword}"))
    item.ReferencedStudySequence = Sequence([inner])
    measures = Dataset()
    if forms:
        for tag in (0x00280030, 0x00180050):
            measures[tag] = DataElement(tag, "LO", plant(f"{path}.PixelMeasuresSequence"))
    item.PixelMeasuresSequence = Sequence([measures])
    return item


def write(path: str, dataset: Dataset, plant: Plant, *, implicit: bool) -> None:
    """The file, with texts in its meta information."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    meta.ImplementationClassUID = "1.2.840.99"
    for keyword in (
        *("ImplementationVersionName", "SourceApplicationEntityTitle"),
        *("SendingApplicationEntityTitle", "ReceivingApplicationEntityTitle"),
        *("SourcePresentationAddress", "SendingPresentationAddress"),
    ):
        setattr(meta, keyword, plant(f"meta {keyword}"))
    meta.PrivateInformationCreatorUID = "1.2.840.99.5"
    meta.PrivateInformation = plant("meta PrivateInformation").encode()
    dataset.file_meta = meta
    dcmwrite(path, dataset, enforce_file_format=True)


def files(plant: Plant, folder_of: Callable[[int], str]) -> Iterator[str]:
    """Writes one file for each character set and form of values."""
    for number, (forms, _) in enumerate(itertools.product((False, True), NAMES)):
        dataset, implicit = planted(plant, number, forms=forms)
        path = folder_of(number)
        write(path, dataset, plant, implicit=implicit)
        yield path

import gzip
import zipfile

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from tests.builders import image_frame, table_frame
from transforms import sources
from transforms.pixel_files import DicomPixels, unit_of


def write_dicom(path, value):
    """An 8-bit image of 8 by 8, one half `value`, the other 0."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = "2.25.1"
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, "2.25.1"
    dataset.Rows = dataset.Columns = 8
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.WindowCenter, dataset.WindowWidth = 128, 256
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:4] = value
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)


@pytest.fixture
def pixels(tmp_path):
    """Sources 1 to 5: a file, one in a zip, a gzip, one that is broken, one that is gone."""
    plain = tmp_path / "a.dcm"
    write_dicom(plain, 255)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.write(plain, "folder/a.dcm")
    (tmp_path / "c.dcm.gz").write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "d.dcm").write_bytes(plain.read_bytes()[:400])
    uris = ["a.dcm", "b.zip!folder/a.dcm", "c.dcm.gz", "d.dcm", "gone.dcm"]
    rows = [
        {"bucket": 0, "source_id": number, "uri": str(tmp_path / uri), "kind": "dicom"}
        for number, uri in enumerate(uris, 1)
    ]
    path = tmp_path / "sources.parquet"
    pq.write_table(table_frame("sources", rows).to_arrow(), path)
    return DicomPixels([str(path)])


def test_frames_come_from_files_zips_and_gzips(pixels):
    images = image_frame([{"source_id": number} for number in (3, 1, 2)])
    found = list(pixels(images, size=4, max_frames=1))
    for frames in found:
        assert frames.shape == (1, 4, 4, 1)
        assert frames.dtype == np.float32
        assert frames[0, 0].min() > 0.9
        assert frames[0, 3].max() < 0.1
    assert not pixels.unreadable


def test_what_cannot_be_read_costs_its_row_and_is_counted(pixels):
    images = image_frame([{"source_id": number} for number in (4, 1, 5, 99)])
    found = list(pixels(images, size=4, max_frames=1))
    assert [frames is None for frames in found] == [True, False, True, True]
    assert pixels.unreadable == {
        "InputError": 1,
        "FileNotFoundError": 1,
        "source not known": 1,
    }


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_zip_is_opened_once_and_the_first_of_a_name_is_meant(tmp_path, monkeypatch):
    opened, open_zip = [], sources.open_zip
    monkeypatch.setattr(sources, "open_zip", lambda *args: opened.append(1) or open_zip(*args))
    write_dicom(tmp_path / "a.dcm", 255)
    path = tmp_path / "A.ZIP"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("1", "2", "1"):
            archive.write(tmp_path / "a.dcm", name)
            write_dicom(tmp_path / "a.dcm", 100)
    rows = [{"bucket": 0, "source_id": n, "uri": f"{path}!{n}", "kind": "dicom"} for n in (1, 2, 3)]
    pq.write_table(table_frame("sources", rows).to_arrow(), tmp_path / "sources.parquet")
    pixels = DicomPixels([str(tmp_path / "sources.parquet")])
    images = image_frame([{"source_id": n} for n in (1, 2, 3)])
    first, second, gone = pixels(images, size=4, max_frames=1)
    assert first.max() > 0.9 > second.max()
    assert gone is None
    assert pixels.unreadable == {"InputError": 1}
    assert len(opened) == 1


def test_no_images_need_no_files():
    assert list(DicomPixels([])(pl.DataFrame(image_frame([])), size=4, max_frames=1)) == []


def test_a_zip_member_is_told_from_a_name_with_a_mark():
    assert unit_of("gs://b/a.zip!x!y.dcm").member == "x!y.dcm"
    assert unit_of("gs://b/a!b.dcm").member == ""

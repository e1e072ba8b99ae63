import datetime
import io

import numpy as np
import pydicom
import pytest

from bench.quality import early_detection as bench
from tests.ingested import tables_of
from transforms.dicom.pixels import read_frames
from transforms.read_splits import read_split_file

AS_OF = datetime.datetime(2024, 1, 1)


def drawn(*, turned=False):
    """Ten images of each part; the brighter ones are diseased."""
    found = {}
    for seed, part in enumerate(bench.SPLITS):
        random = np.random.default_rng(seed)
        labels = np.arange(10) % 2 == 1
        pixels = random.integers(0, 128, (10, 28, 28)) + 100 * labels[:, None, None]
        found[part] = pixels.astype(np.uint8), labels ^ (turned and part == "test")
    return found


def test_pixels_reach_the_network_as_they_are():
    (pixels, _) = drawn()["test"]
    file = io.BytesIO()
    pydicom.dcmwrite(file, bench.to_dicom(pixels[3], "test", 3), enforce_file_format=True)
    file.seek(0)
    frames = read_frames(file, size=28, max_frames=1)
    assert frames.shape == (1, 28, 28, 1)
    assert np.rint(frames[0, :, :, 0] * 255) == pytest.approx(pixels[3])


def test_no_test_image_trains_or_tunes():
    labels, splits = bench.make_tables(drawn())
    assert labels["subject_id"].to_list() == splits["subject_id"].to_list()
    assert splits["subject_id"].is_duplicated().sum() == 0
    assert labels["entity_id"].is_duplicated().sum() == 0
    by_part = dict(zip(splits["subject_id"], splits["split"], strict=True))
    for subject, split in by_part.items():
        assert (split == "held_out") == subject.startswith("dicom/|test-")
        assert (split == "tuning") == subject.startswith("dicom/|val-")


def test_the_splits_name_the_subjects_that_the_product_makes(tmp_path, keys):
    images = {part: (pixels[:2], labels[:2]) for part, (pixels, labels) in drawn().items()}
    bench.write_inputs(images, tmp_path)
    files = {"dicom": tmp_path / "studies", "labels": tmp_path / f"{bench.MODEL}.csv"}
    tables = tables_of(tmp_path, keys, AS_OF, ("images", "labels"), **files)
    splits = read_split_file(str(tmp_path / "splits.csv"), lambda: keys)
    assert sorted(tables.images["subject_id"]) == splits.subject_id.tolist()
    assert set(tables.labels["entity_id"]) == set(tables.images["study_id"])
    assert np.bincount(splits.index).tolist() == [2, 2, 2]


def test_labels_are_those_of_the_set():
    labels, _ = bench.make_tables(drawn())
    assert labels["boolean_value"].to_list() == [False, True] * 15
    assert labels["entity_id"][21] == bench.study_uid("test", 1)


def test_the_baseline_learns_nothing_from_the_test_images():
    probability, cut = bench.baseline(drawn())
    again, same_cut = bench.baseline(drawn(turned=True))
    assert (cut, probability.tolist()) == (same_cut, again.tolist())
    assert ((probability >= cut) == drawn()["test"][1]).all()

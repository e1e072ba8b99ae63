"""PneumoniaMNIST (MedMNIST v2, CC BY 4.0) as DICOM, in its official split.

    python -m bench.quality MODELS early_detection

The folder holds `pneumoniamnist.npz`: chest X-rays of children, 28 x 28. Each becomes a study of
one computed-radiography instance (MONOCHROME2, 8 bit), its label comes from `--labels`, its split
from `--splits`: `train` trains, `val` tunes (early stopping, calibration, the cut), `test` is held
out. The network reads 28 x 28 (`--set size=28 frames=1`), three members are averaged; each member
is also measured by itself.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, brier_score_loss, roc_auc_score

from bench.quality.rows import Clock, Row, bootstrap, nightrounds
from transforms.metrics import calibration_error

MODEL = "early_detection"
SET = "PneumoniaMNIST"
SIDE = 28
MEMBERS = 3
SPLITS = {"train": "train", "val": "tuning", "test": "held_out"}
PUBLISHED = {"auc": 0.944, "accuracy": 0.854}  # ResNet-18 at 28 x 28, MedMNIST v2
_UID_ROOT = "1.2.826.0.1.3680043.8.498.130"
_PARTS = tuple(SPLITS)

Array = npt.NDArray[Any]
Images = dict[str, tuple[Array, Array]]


def read_images(folder: Path) -> Images:
    """Part -> uint8 images (n, 28, 28) and bool labels (n,)."""
    with np.load(folder / "pneumoniamnist.npz") as found:
        return {
            part: (found[f"{part}_images"], found[f"{part}_labels"].reshape(-1).astype(bool))
            for part in _PARTS
        }


def study_uid(part: str, number: int) -> str:
    """StudyInstanceUID of an image.

    >>> study_uid("val", 7)
    '1.2.826.0.1.3680043.8.498.130.1.7'
    """
    return f"{_UID_ROOT}.{_PARTS.index(part)}.{number}"


def to_dicom(pixels: Array, part: str, number: int) -> Dataset:
    """uint8 (28, 28) -> a computed-radiography instance, a study and a patient of its own."""
    uid = study_uid(part, number)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = f"{uid}.1.1"
    found = Dataset()
    found.file_meta = meta
    found.SOPClassUID = ComputedRadiographyImageStorage
    found.SOPInstanceUID = f"{uid}.1.1"
    found.StudyInstanceUID, found.SeriesInstanceUID = uid, f"{uid}.1"
    found.PatientID, found.PatientName = f"{part}-{number}", ""
    found.Modality, found.BodyPartExamined = "CR", "CHEST"
    found.StudyDate = found.ContentDate = "20200102"
    found.StudyTime = found.ContentTime = "120000"
    found.InstanceNumber = 1
    found.PhotometricInterpretation, found.SamplesPerPixel = "MONOCHROME2", 1
    found.Rows, found.Columns = pixels.shape
    found.BitsAllocated = found.BitsStored = 8
    found.HighBit, found.PixelRepresentation = 7, 0
    found.WindowCenter, found.WindowWidth = 128, 256
    found.PixelData = pixels.tobytes()
    return found


def all_images(images: Images) -> Iterator[tuple[str, int, Array, bool]]:
    """Part, number within it, pixels and label of every image."""
    for part, (pixels, labels) in images.items():
        for number, (one, label) in enumerate(zip(pixels, labels, strict=True)):
            yield part, number, one, bool(label)


def make_tables(images: Images) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Images -> the files of `--labels` and of `--splits`.

    A study that matches no patient is of the subject `dicom/|<PatientID>`.
    """
    rows = [(f"dicom/|{p}-{n}", study_uid(p, n), label, p) for p, n, _, label in all_images(images)]
    names = ["subject_id", "entity_id", "boolean_value", "part"]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    labels = frame.drop("part").with_columns(prediction_time=pl.lit("2020-01-03T00:00:00Z"))
    return labels, frame.select("subject_id", pl.col("part").replace(SPLITS).alias("split"))


def write_inputs(images: Images, folder: Path) -> None:
    """Writes the folder `studies`, `early_detection.csv` and `splits.csv`."""
    (folder / "studies").mkdir()
    for part, number, pixels, _ in all_images(images):
        file = folder / "studies" / f"{part}-{number}.dcm"
        pydicom.dcmwrite(file, to_dicom(pixels, part, number), enforce_file_format=True)
    labels, splits = make_tables(images)
    labels.write_csv(folder / f"{MODEL}.csv")
    splits.write_csv(folder / "splits.csv")


def baseline(images: Images) -> tuple[Array, float]:
    """Logistic regression on pixels, fitted on `train` -> probabilities of `test`; the cut.

    The cut is the one with the most right decisions on `val`.
    """
    flat = {part: pixels.reshape(len(pixels), -1) / 255 for part, (pixels, _) in images.items()}
    fitted = LogisticRegression(max_iter=1000).fit(flat["train"], images["train"][1])
    tuning = fitted.predict_proba(flat["val"])[:, 1]
    right = [accuracy_score(images["val"][1], tuning >= cut) for cut in np.linspace(0, 1, 101)]
    return fitted.predict_proba(flat["test"])[:, 1], float(np.argmax(right)) / 100


def _ece(truth: Array, score: Array) -> float:
    return calibration_error(score, truth.astype(float), np.ones(len(score)))


MEASURES: dict[str, Callable[[Array, Array], float]] = {
    "auc": roc_auc_score,
    "brier": brier_score_loss,
    "ece": _ece,
}


def train_and_evaluate(folder: Path, *settings: str) -> pl.DataFrame:
    """One version, in a registry without others -> its predictions of the test images."""
    warehouse = folder / "warehouse"
    shutil.rmtree(warehouse / "models", ignore_errors=True)
    given = ("--warehouse", warehouse, "--splits", folder / "splits.csv")
    nightrounds("train", MODEL, *given, "--set", f"size={SIDE}", "frames=1", *settings)
    nightrounds("evaluate", MODEL, *given, "-o", folder / "test.parquet")
    return pl.read_parquet(folder / "test.parquet")


def run(folder: Path, *, seed: int = 0, quick: bool = False) -> list[Row]:
    """The rows of the table; `quick`: every tenth image, three epochs, no single members."""
    images = read_images(folder)
    if quick:
        images = {part: (found[::10], label[::10]) for part, (found, label) in images.items()}
    short = ("epochs=3",) if quick else ()
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-early-detection-") as name:
        scratch = Path(name)
        write_inputs(images, scratch)
        ingest, trained = Clock(), Clock()
        with ingest():
            given = ("--dicom", scratch / "studies", "--labels", scratch / f"{MODEL}.csv")
            nightrounds("ingest", "--warehouse", scratch / "warehouse", *given)
        with trained():
            together = train_and_evaluate(scratch, f"members={MEMBERS}", f"seed={seed}", *short)
        simple = baseline(images)
        seconds = ingest.seconds + trained.seconds
        rows += measure(together, simple, images["test"][1], seconds, f"{MEMBERS} members")
        for member in range(0 if quick else MEMBERS):
            alone = Clock()
            with alone():
                found = train_and_evaluate(scratch, f"seed={seed + member}")
            seconds = ingest.seconds + alone.seconds
            rows += measure(found, simple, images["test"][1], seconds, f"member {member} alone")
    return rows


def measure(
    predictions: pl.DataFrame, simple: tuple[Array, float], truth: Array, seconds: float, note: str
) -> list[Row]:
    """Predictions of the test images, and the baseline's probabilities and cut -> rows."""
    own = predictions["truth"].to_numpy().astype(bool)
    score = predictions["score"].to_numpy().astype(float)
    right = predictions["label"].to_numpy() == np.where(own, "diseased", "not_diseased")
    probability, cut = simple
    found = {
        metric: (bootstrap(function, own, score), float(function(truth, probability)))
        for metric, function in MEASURES.items()
    }
    found["accuracy"] = (
        bootstrap(np.mean, right),
        float(accuracy_score(truth, probability >= cut)),
    )
    return [
        Row(MODEL, SET, "official", metric, *value, other, PUBLISHED.get(metric), seconds, note)
        for metric, (value, other) in found.items()
    ]

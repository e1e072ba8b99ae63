"""Builds the golden warehouse of a release: `python tests/golden/build.py OUT.tar.xz`.

Run it in a checkout of that release (`PYTHONPATH=<checkout>`), once; what it wrote is kept and
never built again, for it stands for the warehouses that are out there. It goes through the command
line alone, apart from the stand-in model, so that the same script serves every release.
"""

import datetime
import json
import os
import sys
import tarfile
import tempfile
from pathlib import Path

KEY = "the key of the golden warehouses"
AS_OF = "2024-03-01"


def examples(tables, as_of, config=None):
    """Of the stand-in `logistic`: each subject's last creatinine, told as its `value`."""
    import polars as pl

    seen = tables.events.filter(
        pl.col("time") < as_of, pl.col("code").str.contains("2160-0"), pl.col("subject_id") > 0
    )
    last = seen.sort("time", "resource_id").group_by("subject_id", maintain_order=True).last()
    return last.select(
        "subject_id",
        pl.col("resource_id").alias("entity_id"),
        (pl.col("time") + datetime.timedelta(microseconds=1)).alias("prediction_time"),
        (pl.col("numeric_value") - 1).alias("value"),
        pl.lit("ward é").alias("ward"),
        pl.lit(None, pl.Boolean).alias("is_high"),
    )


def _observation(name: str, subject: str, value: float, day: str) -> dict[str, object]:
    return {
        "resourceType": "Observation",
        "id": name,
        "meta": {"versionId": "1", "lastUpdated": f"{day}T12:00:00Z"},
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
        "subject": {"reference": subject},
        "effectiveDateTime": f"{day}T10:00:00Z",
        "valueQuantity": {"value": value, "unit": "mg/dL"},
    }


def write_inputs(folder: Path) -> list[str]:
    """Made-up files of several kinds -> the arguments that read them."""
    import pydicom

    folder.mkdir(parents=True, exist_ok=True)
    resources: list[object] = []
    for name in ("ada", "bo", "cleo"):
        identifier = [{"system": "urn:mrn", "value": f"MRN-{name}"}]
        resources += [
            {"resourceType": "Patient", "id": name, "birthDate": "1960", "identifier": identifier},
            _observation(f"{name}-1", f"Patient/{name}", 0.5, "2024-01-10"),
            _observation(f"{name}-2", f"Patient/{name}", 2.5, "2024-02-10"),
        ]
    resources.append({"resourceType": "Observation", "id": "broken"})
    text = "".join(json.dumps(resource) + "\n" for resource in resources)
    (folder / "all.ndjson").write_text(text)
    gone = [{"request": {"method": "DELETE", "url": "Observation/cleo-1"}}]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": gone}
    (folder / "gone.json").write_text(json.dumps(bundle))
    labels = "subject_id,prediction_time,boolean_value\nada,2024-02-01T00:00:00,true\n"
    (folder / "logistic.csv").write_text(labels)
    scan = pydicom.Dataset()
    scan.SOPClassUID, scan.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.3"
    scan.StudyInstanceUID, scan.SeriesInstanceUID = "1.2.3.1", "1.2.3.2"
    scan.Modality, scan.PatientID, scan.StudyDate = "CT", "MRN-ada", "20240105"
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        scan.SOPClassUID,
        scan.SOPInstanceUID,
    )
    scan.file_meta = meta
    pydicom.dcmwrite(folder / "scan.dcm", scan, enforce_file_format=True)
    fhir = [str(folder / "all.ndjson"), str(folder / "gone.json")]
    labels_file = str(folder / "logistic.csv")
    return ["--fhir", *fhir, "--dicom", str(folder / "scan.dcm"), "--labels", labels_file]


def _build(root: Path) -> None:
    import model_defs
    from pipelines.cli import main
    from pipelines.runner import pipeline_options
    from pipelines.train import train
    from tests.standins import examples as shared
    from tests.standins import logistic

    model_defs.find = lambda name: logistic
    model_defs.names = lambda: ["logistic"]
    (root / "hospital").mkdir()
    hospital = shared.as_buckets(shared.tables(), root / "hospital")
    where = ["--warehouse", str(root / "warehouse"), "--quiet"]

    def run(*arguments: str) -> None:
        if main(list(arguments)):
            raise SystemExit(f"{arguments[0]} failed")

    run("ingest", *where, "--buckets", "1", *write_inputs(root / "inputs"))
    models = str(root / "warehouse" / "models")
    train("logistic", hospital, models, shared.AS_OF, pipeline_options())
    logistic.examples = examples
    run("score", "logistic", *where, "--as-of", AS_OF)


def main(target: str) -> None:
    """Builds and packs; the folder it was built in is written down beside the warehouse."""
    os.environ["NIGHTROUNDS_ID_KEY"] = KEY
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    with tempfile.TemporaryDirectory(prefix="golden-") as temporary:
        root = Path(temporary)
        _build(root)
        (root / "warehouse" / "BUILT_IN").write_text(str(root / "warehouse"))
        with tarfile.open(target, "w:xz", preset=9) as archive:
            archive.add(root / "warehouse", "warehouse", filter=_anonymous)
    sys.stderr.write(f"{target}: {Path(target).stat().st_size:,} bytes\n")


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return None if Path(entry.name).name == "lock" else entry


if __name__ == "__main__":
    main(sys.argv[1])

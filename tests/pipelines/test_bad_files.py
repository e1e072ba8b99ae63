"""Files and containers that are broken, hostile or changing: each is accounted for."""

import gzip
import os
import socket
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipelines.ingest import Inputs
from tests.builders import lines, observation
from tests.pipelines.test_bad_input import GOOD, SECRET, names, refusals
from tests.pipelines.warehouses import select
from tests.transforms.dicom import builders as dicom
from transforms import read_fhir, sources
from transforms.errors import UsageError
from transforms.limits import Limits

pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match:UserWarning")


def line(name: str) -> bytes:
    return lines(observation(name, "Patient/a"))


def image(number: int = 0, side: int = 4, **attributes: object) -> bytes:
    stored = np.zeros((side, side), np.uint16)
    dataset = dicom.image(stored=stored, instance_uid=f"1.2.3.{number}", **attributes)
    return dicom.written(dataset=dataset).getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "export"
    found.mkdir()
    return found


def encrypt(archive: bytes, name: bytes) -> bytes:
    """Sets the bit that says that a member is encrypted (APPNOTE 4.4.4), in both headers."""
    data = bytearray(archive)
    for signature, flags, start in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        at = -1
        while (at := data.find(signature, at + 1)) >= 0:
            if data[at + start :].startswith(name):
                data[at + flags] |= 1
    return bytes(data)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_each_member_of_a_hostile_zip_has_one_fate(tmp_path, folder, run, keys):
    path, inner = folder / "z.zip", tmp_path / "inner.zip"
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("x.ndjson", GOOD)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../up.ndjson", line("up"))
        archive.writestr("/absolute.ndjson", line("absolute"))
        archive.writestr("C:\\drive.ndjson", line("drive"))
        archive.writestr("secret.ndjson", GOOD)
        archive.writestr("nested.zip", inner.read_bytes())
        archive.writestr("twice.ndjson", line("once"))
        archive.writestr("twice.ndjson", line("second"))
        archive.writestr("damaged.ndjson", line("damaged"))
        archive.writestr("notes.txt", "not FHIR")
        archive.writestr("empty.json", "")
        archive.writestr("packed.ndjson.gz", gzip.compress(line("packed")))
        archive.writestr("cut.ndjson.gz", gzip.compress(line("cut"))[:-30])
        archive.writestr("last.ndjson", line("last"))
    data = encrypt(path.read_bytes(), b"secret.ndjson").replace(b'"damaged"', b'"changed"', 1)
    path.write_bytes(data)
    before = sorted(tmp_path.rglob("*"))
    stage = run(folder, limit=1.0).stages["read_fhir"]
    assert {name.partition("!")[2]: found for name, found in refusals(tmp_path).items()} == {
        "secret.ndjson": [(-4, "InputError", "encrypted member of a zip")],
        "nested.zip": [(-5, "InputError", "zip within a zip")],
        "twice.ndjson": [(-7, "InputError", "second member of that name in the zip")],
        "damaged.ndjson": [(-8, "BadZipFile", "damaged zip")],
        "cut.ndjson.gz": [(-12, "EOFError", "ends too early")],
    }
    assert stage.skipped == {"empty file": 1, "not FHIR JSON": 1}
    assert (stage.read, stage.written, stage.quarantined) == (13, 6, 5)
    written = {"up", "absolute", "drive", "once", "packed", "last"}
    assert names(tmp_path, keys, *written, "good", "second", "cut", "damaged") == written
    after = [p for p in tmp_path.rglob("*") if not p.is_relative_to(tmp_path / "w")]
    assert sorted(after) == before  # nothing was unpacked to disk
    assert not [p for p in (tmp_path / "w").rglob("*") if p.suffix in (".ndjson", ".gz", ".zip")]


def test_a_zip_that_is_no_whole_one_is_refused(tmp_path, folder, run):
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for number in range(4):
            archive.writestr(f"{number}.ndjson", line(f"o{number}"))
    whole = (folder / "a.zip").read_bytes()
    (folder / "cut.zip").write_bytes(whole[:-100])
    (folder / "data.bin").write_bytes(whole)
    # Each entry of the directory leads to the first member, as in a zip bomb.
    bomb, at = bytearray(whole), -1
    while (at := bomb.find(b"PK\x01\x02", at + 1)) >= 0:
        bomb[at + 42 : at + 46] = bytes(4)
    (folder / "overlap.zip").write_bytes(bomb)
    stage = run(folder, limit=1.0).stages["read_fhir"]
    assert refusals(tmp_path) == {
        "cut.zip": [(-1, "BadZipFile", "damaged zip")],
        "data.bin": [(-1, "InputError", "zip whose name does not end in .zip")],
        "overlap.zip": [(-1, "InputError", "members of the zip overlap")],
    }
    assert (stage.read, stage.written, stage.quarantined) == (7, 4, 3)
    stage = run(folder / "a.zip", limit=1.0, limits=Limits(zip_members=3)).stages["read_fhir"]
    assert (stage.read, stage.quarantined) == (1, 1)
    assert refusals(tmp_path)["a.zip"] == [(-1, "OverLimit", "more than --max-zip-members 3")]


def test_a_zip_is_opened_once_for_each_unit(tmp_path, folder, run, monkeypatch):
    opened = []
    monkeypatch.setattr("transforms.sources._MIN_MEMBERS", 10)
    monkeypatch.setattr("transforms.sources._ZIP_UNITS", 5)
    open_zip = sources.open_zip
    monkeypatch.setattr(
        "transforms.sources.open_zip", lambda *args: opened.append(1) or open_zip(*args)
    )
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for number in range(95):
            archive.writestr(f"{number}.dcm", image(number))
    stage = run(folder, kind="dicom").stages["read_dicom"]
    assert (stage.read, stage.written) == (95, 95)
    assert len(opened) == 1 + 5  # found, then units of 19 members


def test_links_out_and_special_files_are_skipped(tmp_path, folder, run, keys, monkeypatch):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "out.ndjson").write_bytes(GOOD)
    (folder / "in.ndjson").write_bytes(line("in"))
    (folder / "link-out.ndjson").symlink_to(outside / "out.ndjson")
    (folder / "link-in.ndjson").symlink_to("in.ndjson")
    (folder / "link-nowhere.ndjson").symlink_to("gone.ndjson")
    (folder / "folder-out").symlink_to(outside)
    (folder / "folder-in").symlink_to(folder)
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
        stage = run(folder, limit=1.0).stages["read_fhir"]
    assert stage.skipped == {
        "symbolic link out of the folder": 2,
        "symbolic link to a folder that is read anyway": 1,
        "neither a file nor a folder": 2,
    }
    assert (stage.read, stage.written, stage.duplicate, stage.quarantined) == (8, 1, 1, 1)
    gone = (-1, "FileNotFoundError", "is gone")
    assert refusals(tmp_path) == {"link-nowhere.ndjson": [gone]}
    assert names(tmp_path, keys, "in", "good") == {"in"}
    # A glob leads out as little as a folder does; an argument is followed.
    assert run(folder / "link-o*").stages["read_fhir"].skipped.total() == 1
    (tmp_path / "given").symlink_to(outside)
    assert run(tmp_path / "given").stages["read_fhir"].written == 1
    assert run(folder / "link-out.ndjson").stages["read_fhir"].duplicate == 1
    monkeypatch.chdir(folder)
    for argument, message in (
        ("fifo", "neither a file nor a folder"),
        ("link-nowhere.ndjson", "no such file"),
    ):
        with pytest.raises(UsageError, match=f"--fhir {argument}: {message}"):
            Inputs(fhir=(argument,)).check(keys)
    with pytest.raises(UsageError, match=r"link.csv: symbolic link out of the folder"):
        (folder / "link.csv").symlink_to(outside / "out.ndjson")
        Inputs(pairs=(str(folder / "*.csv"),)).check(keys)


def vanish(path: Path) -> None:
    path.unlink()


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(GOOD)


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 3)


@pytest.mark.parametrize(
    ("change", "error_class", "message"),
    [
        (vanish, "FileNotFoundError", "is gone"),
        (grow, "InputError", "changed while it was read"),
        (shrink, "InputError", "changed while it was read"),
    ],
)
def test_a_file_that_changes_after_it_was_found_is_refused(
    tmp_path, folder, run, keys, monkeypatch, change, error_class, message
):
    monkeypatch.setattr("transforms.sources.RANGE_BYTES", 400)
    paths = [folder / name for name in ("a.json", "b.ndjson", "c.ndjson.gz", "d.zip")]
    paths[0].write_bytes(line("a"))
    paths[1].write_bytes(b"".join(line(f"b{number}") for number in range(4)))
    paths[2].write_bytes(gzip.compress(line("c")))
    with zipfile.ZipFile(paths[3], "w") as archive:
        archive.writestr("d.ndjson", line("d"))
    (folder / "fine.ndjson").write_bytes(line("fine"))
    parts, changed = sources.parts, set()

    def change_first(unit, limits):
        path = Path(unit.uri)
        if path in paths and path not in changed:
            changed.add(path)
            change(path)
        return parts(unit, limits)

    monkeypatch.setattr(sources, "parts", change_first)
    stage = run(folder, limit=1.0).stages["read_fhir"]
    found = refusals(tmp_path)
    assert set(found) == {path.name for path in paths}
    assert {row[1:] for several in found.values() for row in several} == {(error_class, message)}
    assert stage.written == 1
    assert (
        stage.read == 1 + sum(len(several) for several in found.values()) == 1 + stage.quarantined
    )
    assert names(tmp_path, keys, "fine", "a", "c", "d") == {"fine"}
    # Each range of b.ndjson noted its source, which is one.
    assert select(tmp_path, "SELECT count(*) - count(DISTINCT source_id) FROM sources") == [(0,)]


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path, folder, run, monkeypatch):
    (folder / "a.json").write_bytes(line("a"))
    read_whole = read_fhir.read_whole

    def grow_late(*arguments):
        data = read_whole(*arguments)
        grow(folder / "a.json")
        return data

    monkeypatch.setattr(read_fhir, "read_whole", grow_late)
    monkeypatch.setattr(read_fhir, "looks_like_ndjson", lambda head: False)
    stage = run(folder, limit=1.0).stages["read_fhir"]
    assert (stage.read, stage.written, stage.quarantined) == (2, 1, 1)
    assert refusals(tmp_path)["a.json"][0][1:] == ("InputError", "changed while it was read")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_and_folders_without_permission_are_refused(tmp_path, folder, run):
    (folder / "a.json").touch(0o000)
    (folder / "closed").mkdir(0o000)
    stage = run(folder, limit=1.0).stages["read_fhir"]
    assert (stage.read, stage.quarantined) == (2, 2)
    (folder / "closed").chmod(0o700)


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path, folder, run, monkeypatch):
    (folder / "closed").mkdir()
    (folder / "a.ndjson").write_bytes(GOOD)
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "no", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    stage = run(folder, limit=1.0).stages["read_fhir"]
    assert (stage.read, stage.written, stage.quarantined) == (2, 1, 1)
    assert refusals(tmp_path)["closed"][0][2] == "cannot be read"


def test_broken_dicom_files_are_refused_and_the_rest_goes_on(tmp_path, folder, run):
    packed = gzip.compress(image(1, 64) + os.urandom(5000))
    (folder / "cut.dcm.gz").write_bytes(packed[:-3000])
    (folder / "crc.dcm.gz").write_bytes(packed[:-8] + bytes(8))
    (folder / "damaged.dcm.gz").write_bytes(packed[:10] + b"\xff" * 5 + packed[15:])
    (folder / "empty.dcm").touch()
    (folder / "cut.dcm").write_bytes(image(2)[:-10])
    (folder / "fine.dcm.gz").write_bytes(gzip.compress(image(3)))
    (folder / "large.dcm").write_bytes(image(4, 20))
    (folder / "blank.dcm.gz").write_bytes(gzip.compress(image(5, 4096)))
    os.mkfifo(folder / "fifo")
    limits = Limits(frame_samples=399)
    stage = run(folder, kind="dicom", limit=1.0, limits=limits).stages["read_dicom"]
    found = {name: rows[0][1:] for name, rows in refusals(tmp_path).items()}
    assert found.pop("cut.dcm")[0] == "InputError"
    assert found == {
        "cut.dcm.gz": ("EOFError", "ends too early"),
        "crc.dcm.gz": ("BadGzipFile", "damaged gzip"),
        "damaged.dcm.gz": ("error", "damaged compression"),
        "large.dcm": ("OverLimit", "more than --max-frame-samples 399"),
        "blank.dcm.gz": ("OverLimit", "more than --max-inflation-ratio 200"),
    }
    assert stage.skipped == {"not DICOM": 1, "neither a file nor a folder": 1}
    assert (stage.read, stage.written, stage.quarantined) == (9, 1, 6)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_each_member_of_a_zip_of_dicom_has_one_fate(tmp_path, folder, run):
    path = folder / "z.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/1.dcm", image(1))
        archive.writestr("a/2.dcm.gz", gzip.compress(image(2)))
        archive.writestr("a/3.dcm", image(3))
        archive.writestr("a/1.dcm", image(4))
        archive.writestr("notes.txt", SECRET)
    path.write_bytes(encrypt(path.read_bytes(), b"a/3.dcm"))
    stage = run(folder, kind="dicom", limit=1.0).stages["read_dicom"]
    assert (stage.read, stage.written, stage.quarantined) == (5, 2, 2)
    assert stage.skipped == {"not DICOM": 1}
    assert {row[2] for rows in refusals(tmp_path).values() for row in rows} == {
        "encrypted member of a zip",
        "second member of that name in the zip",
    }

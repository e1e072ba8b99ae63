"""Notes of several processes, on a disk and on a store where nothing can be appended."""

import io
import json
import os
import time

import pytest
from apache_beam.io.filesystem import FileMetadata, FileSystem
from apache_beam.options.pipeline_options import PipelineOptions

from tests.pipelines.trained import told_in
from transforms import progress_notes
from transforms.epoch_notes import epochs_noted
from transforms.file_systems import FileSystems
from transforms.local_files import remove_folder, write_whole
from transforms.progress_notes import ProgressNotes, Sums, notes_in


class Shelf(FileSystem):
    """An object store in memory: objects appear whole when they are closed."""

    objects: dict[str, bytes] = {}  # noqa: RUF012 - one store for all that open it

    @classmethod
    def scheme(cls):
        return "shelf"

    def create(self, path, mime_type="", compression_type=""):
        class Written(io.BytesIO):
            def close(self):
                Shelf.objects[path] = self.getvalue()
                super().close()

        return Written()

    def open(self, path, mime_type="", compression_type=""):
        return io.BytesIO(self.objects[path])

    def _list(self, dir_or_prefix):
        for path, data in sorted(self.objects.items()):
            if path.startswith(dir_or_prefix):
                yield FileMetadata(path, len(data))

    def exists(self, path):
        return path in self.objects  # and no folder

    def delete(self, paths):
        for path in paths:
            del self.objects[path]

    def split(self, path):
        return path.rpartition("/")[0], path.rpartition("/")[2]

    def join(self, basepath, *paths):
        return "/".join([basepath, *paths])

    def has_dirs(self):
        return False

    def _not(self, *_):
        raise NotImplementedError

    mkdirs = append = copy = rename = size = last_updated = checksum = metadata = _not


@pytest.fixture(params=["disk", "store"])
def folder(request, tmp_path, monkeypatch):
    """Where a run takes notes."""
    monkeypatch.setattr(Shelf, "objects", {})
    root = str(tmp_path) if request.param == "disk" else "shelf://hospital"
    return f"{root}/staging/run/progress"


@pytest.fixture
def often(monkeypatch):
    """Notes are written at once."""
    monkeypatch.setattr(progress_notes, "LOCAL_S", 0.001)
    monkeypatch.setattr(progress_notes, "REMOTE_S", 0.001)


def files(folder):
    return [f.path for f in FileSystems.match([f"{folder}/*"])[0].metadata_list]


def wait_for(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def become_another_process(folder):
    """What this one keeps is written, then forgotten."""
    book = progress_notes._books.pop(folder)
    book._next.cancel()
    book._write()


def numbers(sums):
    return sums.unit, sums.done, sums.found, sums.records


def test_processes_are_added_up_and_each_has_one_file(folder):
    options = PipelineOptions([])
    with ProgressNotes(folder).shared(options):
        stage = notes_in(options).stage("merge", "buckets")
        stage.found(3)
        stage.done(records=10)
        become_another_process(folder)
        stage.done(records=5)
        notes_in(options).stage("link", "bytes").begin()
        become_another_process(folder)
        assert len(files(folder)) == 2
        stage.done(records=7)  # not written yet, but this process knows it
        found = ProgressNotes(folder).totals()
        progress_notes._books[folder]._write()
        assert ProgressNotes(folder).totals() == found
    assert {name: numbers(sums) for name, sums in found.items()} == {
        "merge": ("buckets", 3, 3, 22),
        "link": ("bytes", 0, 0, 0),
    }


def test_the_file_holds_names_and_numbers_and_is_rewritten(folder, often):
    with ProgressNotes(folder).shared(PipelineOptions([])):
        stage = ProgressNotes(folder).stage("merge", "buckets")
        for done in range(1, 4):
            stage.done(records=2)
            wait_for(lambda done=done: [s["merge"][1] for s in read(folder)] == [done])
        (written,) = read(folder)
        assert list(written) == ["merge"]
        assert written["merge"][:4] == ["buckets", 3, 0, 6]


def read(folder):
    found = []
    for path in files(folder):
        if path.endswith(".notes"):
            with FileSystems.open(path) as file:
                found.append(json.loads(file.read()))
    return found


def test_nothing_is_left_when_the_run_is_published(folder, often):
    options = PipelineOptions([])
    with ProgressNotes(folder).shared(options):
        stage = notes_in(options).stage("merge", "buckets")
        stage.done()
        wait_for(lambda: files(folder))
        stage.done()  # the next write is still to come
    assert notes_in(options) == ProgressNotes("")
    staging = folder.rpartition("/")[0]
    remove_folder(staging)
    time.sleep(0.01)
    assert files(staging) == files(folder) == []
    assert not os.path.exists(staging)


def test_a_stage_lasts_from_its_first_worker_to_the_last_note():
    one, two = Sums("files", began=10.0, last=20.0), Sums("files", began=5.0, last=15.0)
    both = one + two + Sums("files", found=7)
    assert (both.began, both.last, both.found) == (5.0, 20.0, 7)


def test_epochs_are_told_and_those_not_needed_are_not_to_do(tmp_path):
    notes = ProgressNotes(str(tmp_path / "notes"))

    def keep(member, epochs):
        folder = tmp_path / f"built-epochs-{member}"
        folder.mkdir(exist_ok=True)
        state = {"losses": [1.0] * epochs, "best_epoch": 0, "best": 1.0}
        write_whole(f"{folder}/state.json", json.dumps(state))  # another thread reads it

    with notes.shared(PipelineOptions([])):
        keep(0, 2)  # by a process that was killed
        with epochs_noted(notes.stage("fit", "epochs"), str(tmp_path), 2, 10, 0.001):
            assert numbers(notes.totals()["fit"]) == ("epochs", 0, 18, 0)
            keep(0, 5)
            wait_for(lambda: notes.totals()["fit"].done == 3)
            keep(1, 4)
        assert numbers(notes.totals()["fit"]) == ("epochs", 7, 7, 0)


def test_a_training_tells_all_its_stages(tmp_path_factory):
    told = {n: numbers(s) for n, s in told_in(tmp_path_factory.getbasetemp()).items()}
    for model in ("logistic", "forest"):
        unit, done, found, rows = told[f"examples_{model}"]
        assert (unit, done) == ("buckets", found)
        assert told[f"transform_{model}"][3] == rows > told[f"analyze_{model}"][3] > 0
        held_out = told[f"score_{model}"][1]
        assert told[f"read_{model}"][3] == told[f"measure_{model}"][3] == held_out > 0
        for name in ("analyze", "transform", "read", "measure"):
            _, done, found, _ = told[f"{name}_{model}"]
            assert done == found > 0
    assert told["fit_forest"] == ("forests", 1, 1, 0)
    unit, done, found, _ = told["fit_logistic"]
    assert (unit, done) == ("epochs", found)
    assert done > 0

import io
import threading

from pipelines.cli import main
from pipelines.progress import MOST_BARS, Progress, StageState, describe
from pipelines.runner import pipeline_options
from tests.builders import lines, observation, patient
from transforms.progress_notes import ProgressNotes, notes_in


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_plain_lines_come_first_last_and_every_few_seconds():
    stream, clock = io.StringIO(), Clock()
    with Progress(stream=stream, clock=clock, line_seconds=5) as progress:
        for second, done in [(0, 0), (1, 10), (5, 50), (6, 60), (9, 90), (10, 100), (11, 100)]:
            clock.now = 100.0 + second
            progress.update("read_fhir", done, 100, "resources")
    assert stream.getvalue().splitlines() == [
        "read_fhir: 0 of 100 resources",
        "read_fhir: 50 of 100 resources, 10/s, 0:05 left",
        "read_fhir: 100 of 100 resources, 10/s",
    ]


def test_that_a_job_elsewhere_starts_is_told_before_its_workers_tell_anything(tmp_path):
    for stream in (io.StringIO(), Terminal()):
        options = pipeline_options(1, ["--runner", "FlinkRunner"])
        notes = ProgressNotes(str(tmp_path / "notes"))
        with Progress(stream=stream) as progress, progress.follow(notes, options):
            pass
        assert "a job starts on FlinkRunner" in stream.getvalue()


def test_leaving_prints_where_a_stage_stopped():
    stream, clock = io.StringIO(), Clock()
    with Progress(stream=stream, clock=clock) as progress:
        progress.update("train", 1, unit="epochs")
        clock.now += 2
        progress.update("train", 4, unit="epochs")
    assert stream.getvalue() == "train: 1 epochs\ntrain: 4 epochs, 2/s\n"


def test_nothing_when_disabled(tmp_path):
    stream, options = io.StringIO(), pipeline_options()
    notes = ProgressNotes(str(tmp_path / "notes"))
    with Progress(False, stream=stream) as progress, progress.follow(notes, options):
        progress.update("train", 1)
        notes_in(options).stage("score", "records").done(1)
    assert stream.getvalue() == ""
    assert list(tmp_path.iterdir()) == []


def test_stdout_stays_clean(capsys):
    with Progress() as progress:
        progress.update("train", 1, 2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "train: 1 of 2 items\n"


def test_terminal_gets_bars():
    stream = Terminal()
    with Progress(stream=stream) as progress:
        progress.update("merge_events", 3, 4, "buckets")
        progress.update("merge_events", 4, 4, "buckets")
    assert "merge_events" in stream.getvalue()
    assert "4 of 4 buckets" in stream.getvalue()


def test_a_terminal_gets_a_few_bars_at_a_time():
    stream = Terminal()
    with Progress(stream=stream) as progress:
        for number in range(MOST_BARS + 2):
            progress.update(f"stage_{number}", 1, 1)
        assert progress._bars is not None
        shown = [task.fields["stage"] for task in progress._bars.tasks]
    assert shown == [f"stage_{number}" for number in range(2, MOST_BARS + 2)]
    assert "stage_0: 1 of 1 items" in stream.getvalue()  # left as a line


def test_watch_polls_until_the_end_and_once_more():
    stream, clock, polled = io.StringIO(), Clock(), threading.Event()
    done = [0]

    def poll():
        polled.set()
        return [StageState("score", done[0], 9, "rows")]

    with Progress(stream=stream, clock=clock) as progress:
        with progress.watch(poll, 0.001):
            assert polled.wait(10)
            clock.now += 3
            done[0] = 9
        assert stream.getvalue().splitlines() == [
            "score: 0 of 9 rows",
            "score: 9 of 9 rows, 3/s",
        ]
    assert not any(thread.name == "progress" for thread in threading.enumerate())


def test_what_the_workers_note_is_shown(tmp_path):
    stream, options = io.StringIO(), pipeline_options()
    notes = ProgressNotes(str(tmp_path / "notes"))
    with Progress(stream=stream) as progress, progress.follow(notes, options):
        stage = notes_in(options).stage("merge", "buckets")
        stage.found(2)
        for records in (10, 20, 30):  # the third is one of these once more, after a fault
            stage.done(records=records)
    assert stream.getvalue().startswith("merge: 2 of 2 buckets, 60 records")
    assert notes_in(options) == ProgressNotes("")


def test_a_store_that_does_not_answer_costs_the_display_alone(tmp_path):
    stream, options = io.StringIO(), pipeline_options()
    notes = ProgressNotes(str(tmp_path / "notes"))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "half.notes").write_text('{"merge": [')
    with Progress(stream=stream) as progress, progress.follow(notes, options):
        pass
    assert stream.getvalue() == ""


def test_an_ingest_in_several_processes_tells_all_of_it(tmp_path, monkeypatch, keys, capsys):
    monkeypatch.setenv("NIGHTROUNDS_ID_KEY", keys.secret.decode())
    folder = tmp_path / "in"
    folder.mkdir()
    data = lines(
        patient("a", identifiers=[("urn:x", "7")]),
        observation("o1", "Patient/a"),
        observation("o2", "Patient?identifier=urn:x|7"),
    )
    (folder / "all.ndjson").write_bytes(data)
    where = ["--warehouse", str(tmp_path / "w"), "--buckets", "2", "--workers", "2"]
    assert main(["ingest", *where, "--fhir", str(folder)]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if ": " in line]
    last = {stage: text for stage, _, text in (line.partition(": ") for line in told)}
    assert last["read_fhir"].startswith("0.0 of 0.0 MB, 3 records"), told
    assert last["link"].startswith("0.0 of 0.0 MB, 1 records"), told
    # Rows of all tables, before those that say the same become one.
    assert last["merge"].startswith("0.0 of 0.0 MB, 8 records"), told
    assert list((tmp_path / "w" / "staging").iterdir()) == []


def test_time_left_in_hours():
    assert describe(StageState("s", 1, 7201), 1.0) == "1 of 7,201 items, 1/s, 2:00:00 left"

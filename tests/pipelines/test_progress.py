import io
import threading

from pipelines.progress import Progress, StageState, describe


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


def test_leaving_prints_where_a_stage_stopped():
    stream, clock = io.StringIO(), Clock()
    with Progress(stream=stream, clock=clock) as progress:
        progress.update("train", 1, unit="epochs")
        clock.now += 2
        progress.update("train", 4, unit="epochs")
    assert stream.getvalue() == "train: 1 epochs\ntrain: 4 epochs, 2/s\n"


def test_nothing_when_disabled():
    stream = io.StringIO()
    with Progress(False, stream=stream) as progress:
        progress.update("train", 1)
        progress.watch(lambda: [StageState("score", 1)])
    assert stream.getvalue() == ""


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


def test_watch_polls_until_the_end_and_once_more():
    stream, clock, polled = io.StringIO(), Clock(), threading.Event()
    done = [0]

    def poll():
        polled.set()
        return [StageState("score", done[0], 9, "rows")]

    with Progress(stream=stream, clock=clock, poll_seconds=0.001) as progress:
        progress.watch(poll)
        assert polled.wait(10)
        clock.now += 3
        done[0] = 9
    assert stream.getvalue().splitlines() == [
        "score: 0 of 9 rows",
        "score: 9 of 9 rows, 3/s",
    ]
    assert not any(thread.name == "progress" for thread in threading.enumerate())


def test_time_left_in_hours():
    assert describe(StageState("s", 1, 7201), 1.0) == "1 of 7,201 items, 1/s, 2:00:00 left"

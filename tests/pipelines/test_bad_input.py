"""Bad input: every one ends in exactly one count, with a message that tells no value."""

import gzip
import json
import os
import zipfile
from pathlib import Path

import pytest

from tests.builders import bundle, lines, observation
from tests.pipelines.warehouses import select
from transforms.limits import Limits

pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match:UserWarning")

SECRET = "PLANTED"
GOOD = lines(observation("good", "Patient/a"))


def raw_observation(name: str, **texts: str) -> bytes:
    """An Observation of `a`, some of whose values are JSON text that json would not write."""
    found = {**observation(name, "Patient/a"), "note": [{"text": SECRET}]}
    texts = {key: f"{json.dumps(key)}: {text}" for key, text in texts.items()}
    rest = json.dumps({key: value for key, value in found.items() if key not in texts})
    return (rest[:-1] + "".join(f", {text}" for text in texts.values()) + "}").encode()


def refusals(tmp_path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Name of the file -> (position, class, message), sorted; no message tells a value."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for uri, *rest in select(
        tmp_path,
        "SELECT s.uri, q.position, q.error_class, q.message FROM quarantine q "
        "JOIN sources s USING (source_id) ORDER BY s.uri, q.position, q.message",
    ):
        found.setdefault(uri.rsplit("/", 1)[-1], []).append(tuple(rest))
    assert SECRET not in str([rest for several in found.values() for rest in several])
    return found


def names(tmp_path: Path, keys, *candidates: str) -> set[str]:
    """Which of the Observations are in the events."""
    ids = {keys.resource_id("Observation", name): name for name in candidates}
    found = select(tmp_path, "SELECT DISTINCT resource_id FROM events")
    return {ids[n] for (n,) in found if n in ids}


BAD_LINES = {
    "invalid-utf8": raw_observation("x1", status='"\xff"').decode().encode("latin-1"),
    "nan": raw_observation("x2", valueQuantity='{"value": NaN}'),
    "infinity": raw_observation("x3", valueQuantity='{"value": -Infinity}'),
    "huge": raw_observation("x7", valueQuantity='{"value": 1%s}' % ("0" * 400)),
    "exponent": raw_observation("x8", valueQuantity='{"value": 1e400}'),
    "deep": raw_observation("x4", extension="[" * 100_000 + "]" * 100_000),
    "unclosed": raw_observation("x5", extension='{"a":' * 100_000),
    "lone-surrogate": raw_observation("x6", status='"\\ud800"'),
    "nul": b"\0" * 30,
    "no-type": b'{"id": "PLANTED"}',
    "an-array": b'[{"resourceType": "Patient", "id": "PLANTED"}]',
    "null": b"null",
}


def test_each_bad_line_is_refused_alone(tmp_path, run, keys):
    folder = tmp_path / "export"
    folder.mkdir()
    for name, line in BAD_LINES.items():
        (folder / f"{name}.ndjson").write_bytes(
            line + b"\n" + lines(observation(name, "Patient/a"))
        )
    outcome = run(folder, limit=1.0)
    stage = outcome.stages["read_fhir"]
    assert (stage.read, stage.written, stage.quarantined) == (24, 12, 12)
    found = refusals(tmp_path)
    assert {name: rows[0][0] for name, rows in found.items()} == {
        f"{name}.ndjson": 0 for name in BAD_LINES
    }
    assert found["deep.ndjson"] == [(0, "InputError", "JSON nested too deeply")]
    assert names(tmp_path, keys, *BAD_LINES) == set(BAD_LINES)


def test_odd_input_that_can_be_read_is_written(tmp_path, run, keys):
    folder = tmp_path / "export"
    folder.mkdir()
    twice = raw_observation("twice", status='"preliminary", "status": "final"')
    (folder / "twice.json").write_bytes(twice)
    (folder / "bom.json").write_bytes(b"\xef\xbb\xbf  \n" + raw_observation("bom"))
    part_of = [
        {
            "resourceType": "Encounter",
            "id": name,
            "status": "finished",
            "class": {"code": "IMP"},
            "subject": {"reference": "Patient/a"},
            "period": {"start": "2024-01-01", "end": "2024-01-02"},
            "partOf": {"reference": f"Encounter/{other}"},
        }
        for name, other in (("e1", "e2"), ("e2", "e1"), ("e3", "e3"))
    ]
    members = observation("m1", "Patient/a", hasMember=[{"reference": "Observation/m1"}])
    (folder / "cycles.json").write_text(json.dumps(bundle(*part_of, members)))
    outcome = run(folder, limit=1.0)
    stage = outcome.stages["read_fhir"]
    assert (stage.read, stage.written) == (6, 6)


def test_empty_files_are_counted(tmp_path, run):
    folder = tmp_path / "export"
    folder.mkdir()
    for name in ("empty.json", "empty.ndjson"):
        (folder / name).touch()
    (folder / "blank.json").write_bytes(b" \n" * 100)
    (folder / "bom.json").write_bytes(b"\xef\xbb\xbf")
    (folder / "packed.gz").write_bytes(gzip.compress(b""))
    (folder / "utf16.json").write_bytes('{"resourceType": "Patient"}'.encode("utf-16"))
    with zipfile.ZipFile(folder / "empty.zip", "w"):
        pass
    with zipfile.ZipFile(folder / "folders.zip", "w") as archive:
        archive.mkdir("a")
    stage = run(folder).stages["read_fhir"]
    assert stage.summary()["skipped"] == {"empty file": 5, "empty zip": 2, "not FHIR JSON": 1}
    assert stage.read == 8


def test_a_bundle_of_many_entries_is_read(tmp_path, run):
    path = tmp_path / "large.json"
    entries = [observation(f"o{number}", "Patient/a") for number in range(20_000)]
    entries[777] = {"resourceType": "Observation", "id": SECRET}
    path.write_text(json.dumps(bundle(*entries)))
    stage = run(path).stages["read_fhir"]
    assert (stage.read, stage.written, stage.quarantined) == (20_000, 19_999, 1)
    assert [row[0] for row in refusals(tmp_path)["large.json"]] == [777]


def test_bundles_in_bundles_end(tmp_path, run, keys):
    folder = tmp_path / "export"
    folder.mkdir()
    for depth in (8, 9, 100, 100_000):
        inner = raw_observation(f"o{depth}").decode()
        text = '{"resourceType":"Bundle","type":"collection","entry":[{"resource":' * (depth + 1)
        (folder / f"{depth:06}.json").write_text(text + inner + "}]}" * (depth + 1))
    stage = run(folder).stages["read_fhir"]
    assert (stage.read, stage.written, stage.quarantined) == (4, 1, 3)
    assert [rows[0][2] for rows in refusals(tmp_path).values()] == [
        "Bundle within 8 others",
        "Bundle within 8 others",
        "JSON nested too deeply",
    ]
    assert names(tmp_path, keys, "o8", "o9", "o100") == {"o8"}


def sparse_text(path: Path, size: int, before: bytes, after: bytes) -> None:
    """Writes a file of `size` zero bytes between the two, which take no space on disk."""
    with path.open("wb") as file:
        file.write(before)
        file.seek(size, os.SEEK_CUR)
        file.write(after)


def test_what_is_over_a_limit_is_refused_and_the_rest_goes_on(tmp_path, run, keys, monkeypatch):
    monkeypatch.setattr("transforms.sources.RANGE_BYTES", 1 << 20)
    monkeypatch.setattr("transforms.sources._BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr("transforms.read_fhir.BLOCK_BYTES", 1 << 16)
    folder = tmp_path / "export"
    folder.mkdir()
    first, last = lines(observation("first", "Patient/a")), lines(observation("last", "Patient/a"))
    begin = b'{"resourceType": "Observation", "id": "' + SECRET.encode()
    sparse_text(folder / "line.ndjson", 3 << 20, first + begin, b'"}\n' + last)
    packed = first + begin + os.urandom(1 << 19).hex().encode() + b'"}\n' + last
    (folder / "line.ndjson.gz").write_bytes(gzip.compress(packed))
    entries = [observation("entry", "Patient/a"), observation("long", "Patient/a", x="y" * 20_000)]
    (folder / "entry.json").write_text(json.dumps(bundle(*entries)))
    (folder / "resource.json").write_text(json.dumps(entries[1]))
    sparse_text(folder / "whole.json", 3 << 20, begin, b'"}')
    limits = Limits(resource_bytes=10_000, file_bytes=1 << 20)
    stage = run(folder, limit=1.0, limits=limits).stages["read_fhir"]
    line = (len(first), "OverLimit", "more than --max-resource-bytes 10000")
    assert refusals(tmp_path) == {
        "line.ndjson": [line],
        "line.ndjson.gz": [line],
        "entry.json": [(1, *line[1:])],
        "resource.json": [(0, *line[1:])],
        "whole.json": [(-1, "OverLimit", "more than --max-file-bytes 1048576")],
    }
    assert (stage.read, stage.written, stage.duplicate, stage.quarantined) == (10, 3, 2, 5)
    assert names(tmp_path, keys, "first", "last", "entry") == {"first", "last", "entry"}
    assert select(tmp_path, "SELECT count(raw) FROM quarantine") == [(0,)]


def test_what_inflates_too_far_is_refused(tmp_path, run, keys):
    folder = tmp_path / "export"
    folder.mkdir()
    blank = GOOD + b" " * (32 << 20)
    (folder / "bomb.ndjson.gz").write_bytes(gzip.compress(blank))
    (folder / "doubly.ndjson.gz").write_bytes(gzip.compress(gzip.compress(blank)))
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.ndjson", blank)
        archive.writestr("fine.ndjson", lines(observation("fine", "Patient/a")))
    stage = run(folder, limit=1.0).stages["read_fhir"]
    ratio = (-1, "OverLimit", "more than --max-inflation-ratio 200")
    assert refusals(tmp_path) == {
        "bomb.ndjson.gz": [ratio],
        "bomb.zip!bomb.ndjson": [ratio],
        "doubly.ndjson.gz": [(-1, "InputError", "gzip within a gzip")],
    }
    assert (stage.read, stage.written, stage.duplicate, stage.quarantined) == (6, 2, 1, 3)
    assert names(tmp_path, keys, "good", "fine") == {"good", "fine"}
    limits = Limits(inflated_bytes=1000, inflation_ratio=10**6)
    assert run(folder, limit=1.0, limits=limits).stages["read_fhir"].quarantined == 3
    size = (-1, "OverLimit", "more than --max-inflated-bytes 1000")
    assert refusals(tmp_path)["bomb.ndjson.gz"] == [size]

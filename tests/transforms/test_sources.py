"""Input paths -> units; ranges of NDJSON hold each line once."""

import contextlib
import gzip
import io
import zipfile

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st

from pipelines.runner import pipeline_options
from transforms import sources
from transforms.errors import RunFailed, UsageError
from transforms.find_files import check_inputs, match_files
from transforms.limits import DEFAULT_LIMITS
from transforms.ndjson import whole_lines
from transforms.sources import Unit, parts, read_range, split_units


@pytest.fixture
def small_ranges(monkeypatch):
    monkeypatch.setattr(sources, "RANGE_BYTES", 10)
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 3)


def units_of(path, *, ranges=True):
    return [
        unit
        for file in match_files(str(path))
        for unit in split_units(file, ranges=ranges, limits=DEFAULT_LIMITS)
    ]


def find(paths, expected, between):
    """What FindUnits finds; `between` happens after the launcher has built the pipeline."""
    pipeline = beam.Pipeline(options=pipeline_options())
    units = pipeline | sources.FindUnits("s", paths, False, DEFAULT_LIMITS)
    assert_that(units | beam.Map(lambda unit: unit.uri), equal_to(expected))
    between()
    pipeline.run().wait_until_finish()


def test_a_relative_path_is_the_launchers_and_not_the_workers(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    find(("a.json",), [str(tmp_path / "a.json")], lambda: monkeypatch.chdir("/"))


def test_a_worker_that_sees_no_file_fails_the_run(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(RunFailed, match="a worker sees no file where the launcher sees some"):
        find((str(tmp_path / "a.json"),), [], (tmp_path / "a.json").unlink)


def test_a_folder_stands_for_all_files_below_it(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "b").write_text("{}")
    found = [file.uri for file in match_files(str(tmp_path))]
    assert found == [str(tmp_path / "a.json"), str(tmp_path / "deep/er/b")]


def test_a_name_with_glob_characters_is_a_name(tmp_path):
    file = tmp_path / "export[1].json"
    file.write_text("{}")
    assert [f.uri for f in match_files(str(file))] == [str(file)]


def test_a_file_has_one_uri_wherever_the_command_is_called(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    found = [[f.uri for f in match_files(path)] for path in ("a.json", ".", "*.json")]
    assert found == [[str(tmp_path / "a.json")]] * 3


def test_a_path_that_matches_nothing_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match=r"--fhir .*nowhere: no such file"):
        check_inputs("--fhir", (str(tmp_path / "nowhere"),))


def test_members_of_a_zip_are_units(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.json", "{}")
        archive.writestr("b/c.ndjson", "{}\n{}\n")
    (unit,) = units_of(path)
    assert unit.members == (0, 2)
    found = [part.unit for part in parts(unit, DEFAULT_LIMITS)]
    assert [(u.name, u.size_bytes) for u in found] == [
        (f"{path}!a.json", 2),
        (f"{path}!b/c.ndjson", 6),
    ]
    opener = sources.Opener()
    with contextlib.closing(opener), opener(found[1]) as file:
        assert file.read() == b"{}\n{}\n"


def test_a_broken_zip_stays_one_unit(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK\x03\x04 broken")
    assert units_of(path) == [Unit(str(path), 11)]


def test_only_plain_ndjson_is_cut(tmp_path, small_ranges):
    lines = b'{"a":1}\n' * 4
    (tmp_path / "a.ndjson").write_bytes(lines)
    (tmp_path / "b.gz").write_bytes(gzip.compress(lines) + b" " * 20)
    (tmp_path / "c.json").write_bytes(b'{\n"a": 1,\n"b": 2222222222\n}')
    (tmp_path / "d.txt").write_bytes(b'{"a":1, "b": 2}\n{"a":2}\n')
    cuts = {}
    for unit in units_of(tmp_path):
        cuts.setdefault(unit.uri.rsplit("/", 1)[1], []).append((unit.start, unit.end))
    assert cuts["a.ndjson"] == [(0, 10), (10, 20), (20, 30), (30, 32)]
    assert cuts["b.gz"] == [(0, -1)]
    assert cuts["c.json"] == [(0, -1)]


@given(
    lines=st.lists(st.binary(max_size=12).filter(lambda b: b"\n" not in b), max_size=12),
    size=st.integers(1, 40),
    ends_with_newline=st.booleans(),
)
def test_ranges_hold_every_line_once(tmp_path_factory, lines, size, ends_with_newline):
    data = b"\n".join(lines) + (b"\n" if ends_with_newline else b"")
    path = tmp_path_factory.mktemp("ranges") / "a.ndjson"
    path.write_bytes(data)
    parts = []
    for start in range(0, len(data), size):
        unit = Unit(str(path), len(data), start=start, end=min(start + size, len(data)))
        found, offset = read_range(unit, 100)
        if found:
            assert data[offset : offset + len(found)] == found
            assert start <= offset < unit.end
        parts.append(found)
    assert b"".join(parts) == data


@given(st.binary(max_size=60), st.integers(1, 20))
def test_whole_lines_lose_nothing(data, size):
    blocks = list(whole_lines(io.BytesIO(data), 100, block_bytes=size))
    assert b"".join(block for block, _ in blocks) == data
    for block, offset in blocks[:-1]:
        assert block.endswith(b"\n")
        assert data[offset : offset + len(block)] == block

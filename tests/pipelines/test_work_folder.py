"""Where trainings and measurements work."""

import types

import pytest

from pipelines.runner import pipeline_options
from pipelines.work_folder import temporary_folder, work_root
from transforms.errors import UsageError

FLINK = pipeline_options(1, ["--runner", "FlinkRunner"])


def warehouse(folder, work_folder=""):
    return types.SimpleNamespace(folder=folder, work_folder=work_folder)


@pytest.mark.parametrize(
    ("folder", "given", "expected"),
    [
        ("/w", "", "/w/models"),
        ("/w", "/scratch", "/scratch"),
        ("s3://b/w", "", "/home/me/.cache/nightrounds"),
        ("s3://b/w", "/scratch", "/scratch"),
    ],
)
def test_it_is_beside_the_models_or_where_it_is_said(folder, given, expected, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert work_root(warehouse(folder, given), pipeline_options()) == expected


def test_a_folder_of_this_machine_alone_is_refused_where_others_take_part():
    assert work_root(warehouse("/w"), FLINK) == "/w/models"
    assert work_root(warehouse("s3://b/w", "/shared"), FLINK) == "/shared"
    with pytest.raises(UsageError, match="as work_folder in s3://b/w/"):
        work_root(warehouse("s3://b/w"), FLINK)


def test_a_temporary_one_leaves_nothing(tmp_path):
    given = warehouse("s3://b/w", str(tmp_path / "work"))
    with temporary_folder(given, pipeline_options(), "evaluate") as first:
        with temporary_folder(given, pipeline_options(), "evaluate") as second:
            assert first != second
        assert len(list((tmp_path / "work" / "evaluate").glob(".work-*"))) == 1
    assert list((tmp_path / "work" / "evaluate").iterdir()) == []

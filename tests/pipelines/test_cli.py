"""The command line: exit statuses, the JSON summary, what is imported when."""

import json
import subprocess
import sys

import pytest

from pipelines.cli import main
from tests.builders import lines, observation, patient
from tests.pipelines.trained import set_defaults

KEY = "the key of the tests, not of a site"
pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match:UserWarning")


@pytest.fixture
def export(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTROUNDS_ID_KEY", KEY)
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "a.ndjson").write_bytes(lines(patient("a"), observation("o1", "Patient/a")))
    return folder


def summary(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_help_imports_neither_beam_nor_tensorflow():
    code = (
        "import sys; from pipelines.cli import build_parser; build_parser().format_help(); "
        "print([m for m in ('apache_beam', 'tensorflow', 'polars', 'pyarrow') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert found.stdout == b"[]\n"


def test_nightly_without_models_ingests_reports_and_says_what_it_did(tmp_path, export, capsys):
    arguments = ["nightly", "--json", "--quiet", "--buckets", "2", "--as-of", "2024-06-01"]
    arguments += ["--warehouse", str(tmp_path / "w"), "--fhir", str(export)]
    assert main(arguments) == 0
    found = summary(capsys)
    assert found["status"] == "published"
    assert found["verb"] == "nightly"
    assert found["stages"][0] == {
        "stage": "read_fhir",
        "read": 2,
        "written": 2,
        "quarantined": 0,
        "duplicate": 0,
        "skipped": {},
    }
    assert found["tables"]["crosswalk"] == 1
    assert found["predictions"] == {}
    assert (tmp_path / "w" / "reports" / "2024-06-01.html").read_text().startswith("<!DOCTYPE html")
    query = ["query", "SELECT count(*) AS n FROM crosswalk", "--format", "json"]
    assert main([*query, "--warehouse", str(tmp_path / "w")]) == 0
    assert json.loads(capsys.readouterr().out) == [{"n": 1}]


def test_a_refused_run_exits_with_3_and_publishes_nothing(tmp_path, export, capsys):
    (export / "b.ndjson").write_bytes(b"{broken\n" * 11)
    arguments = ["ingest", "--json", "--quiet", "--warehouse", str(tmp_path / "w")]
    assert main([*arguments, "--fhir", str(export)]) == 3
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[-1])["status"] == "refused"
    assert "11 of 13 inputs were refused" in captured.err
    main(["query", "SELECT count(*) AS n FROM events", "--format", "json", *arguments[3:]])
    assert json.loads(capsys.readouterr().out) == [{"n": 0}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ingest", "--warehouse", "W"], "nothing to read"),
        (["ingest", "--warehouse", "W", "--fhir", "nowhere"], "--fhir nowhere: no such file"),
        (["query", "SELECT 1", "--warehouse", "nowhere"], "--warehouse nowhere: no warehouse"),
        (["score", "all", "--warehouse", "nowhere"], "--warehouse nowhere: no warehouse"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_the_argument(arguments, message, export, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["ingest", "--warehouse", "W", "--fhir", "x", "--max-quarantined", "2"],
        ["score", "all", "--warehouse", "W", "--as-of", "yesterday"],
        ["ingest", "--warehouse", "W", "--fhir", "x", "--workers", "0"],
        ["knit"],
    ],
)
def test_arguments_that_cannot_be_read_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert arguments[-1] in capsys.readouterr().err


def test_an_untrained_model_is_named(tmp_path, export, capsys):
    arguments = ["--warehouse", str(tmp_path / "w"), "--quiet"]
    assert main(["ingest", *arguments, "--fhir", str(export)]) == 0
    assert main(["score", "readmission", *arguments]) == 2
    assert "run `nightrounds train readmission` first" in capsys.readouterr().err
    assert main(["score", "nothing", *arguments]) == 2
    assert "no model is called 'nothing'" in capsys.readouterr().err


def test_training_all_where_nothing_can_be_trained_is_refused(tmp_path, export, capsys):
    warehouse = ["--warehouse", str(tmp_path / "w")]
    main(["ingest", "--quiet", *warehouse, "--fhir", str(export)])
    assert main(["train", "all", "--quiet", *warehouse]) == 3
    assert "too little data to train any model" in capsys.readouterr().err


def test_a_night_refits_with_its_own_counts_and_goes_on_where_it_cannot(
    tmp_path, export, capsys, monkeypatch
):
    for name in ("outbreak", "drug_target"):
        set_defaults(monkeypatch, name, epochs=1, members=1)
    counts = tmp_path / "ILI.csv"
    weeks = [f"2023-W{week:02d},{20 + 10 * (week % 5)}" for week in range(1, 41)]
    counts.write_text("region,week,cases\n" + "".join(f"north,{row}\n" for row in weeks))
    arguments = ["nightly", "--json", "--quiet", "--buckets", "2", "--as-of", "2024-06-01"]
    arguments += ["--warehouse", str(tmp_path / "w"), "--fhir", str(export)]
    refit = ["--refit", "outbreak", "drug_target"]
    assert main([*arguments, *refit]) == 0
    captured = capsys.readouterr()
    assert "not trained: outbreak" in captured.err
    found = json.loads(captured.out.splitlines()[-1])
    assert set(found["models"]) == {"outbreak", "drug_target"}
    assert found["predictions"] == {}

    assert main([*arguments, "--counts", str(counts), *refit]) == 0
    captured = capsys.readouterr()
    assert "not trained: drug_target" in captured.err
    found = json.loads(captured.out.splitlines()[-1])
    assert found["models"]["outbreak"]["champion"]
    # Four horizons at each week that has enough weeks before it.
    assert found["predictions"] == {"outbreak": 4 * 36}


def test_another_key_is_refused_and_a_new_warehouse_has_no_id_in_common(
    tmp_path, export, capsys, monkeypatch
):
    def ids(name):
        warehouse = ["--warehouse", str(tmp_path / name)]
        main(
            ["query", "SELECT subject_id, resource_id FROM events", "--format", "json", *warehouse]
        )
        rows = json.loads(capsys.readouterr().out)
        return {(column, value) for row in rows for column, value in row.items()}, len(rows)

    ingest = ["ingest", "--quiet", "--fhir", str(export), "--warehouse"]
    assert main([*ingest, str(tmp_path / "old")]) == 0
    monkeypatch.setenv("NIGHTROUNDS_ID_KEY", "another key, of the year after")
    assert main([*ingest, str(tmp_path / "old")]) == 2
    assert "the id key is not the one" in capsys.readouterr().err
    assert main([*ingest, str(tmp_path / "new")]) == 0
    capsys.readouterr()
    (old, rows), (new, as_many) = ids("old"), ids("new")
    assert rows == as_many > 0
    assert not old & new


def test_limits_are_options_and_a_replay_with_a_higher_one_brings_the_input_in(
    tmp_path, export, capsys
):
    (export / "b.ndjson").write_bytes(
        lines(observation("o2", "Patient/a", note=[{"text": "x" * 2000}]))
    )
    reading = ["--json", "--quiet", "--warehouse", str(tmp_path / "w")]
    assert main(["ingest", *reading, "--fhir", str(export), "--max-resource-bytes", "2K"]) == 0
    stage = summary(capsys)["stages"][0]
    assert (stage["read"], stage["written"], stage["quarantined"]) == (3, 2, 1)
    listing = ["quarantine", "list", "--format", "json", *reading[2:]]
    main(listing)
    assert (
        json.loads(capsys.readouterr().out)[0]["message"] == "more than --max-resource-bytes 2048"
    )
    assert main(["quarantine", "replay", *reading, "--max-resource-bytes", "1M"]) == 0
    assert summary(capsys)["stages"][0]["written"] == 1
    main(listing)
    assert json.loads(capsys.readouterr().out) == []
    query = ["query", "SELECT parameters FROM runs WHERE stage='read_fhir' ORDER BY started"]
    main([*query, "--format", "json", *reading[2:]])
    found = [json.loads(row["parameters"]) for row in json.loads(capsys.readouterr().out)]
    assert [parameters["max_resource_bytes"] for parameters in found] == [2048, 1 << 20]


@pytest.mark.parametrize("value", ["0", "-1", "64X", "many"])
def test_a_limit_that_is_no_size_is_wrong_usage(capsys, value):
    with pytest.raises(SystemExit) as status:
        main(["ingest", "--warehouse", "W", f"--max-file-bytes={value}"])
    assert status.value.code == 2
    assert f"--max-file-bytes: {value!r} is no size such as" in capsys.readouterr().err

import json
import subprocess
import sys


def test_a_blind_run_counts_what_it_did(tmp_path):
    """The process that works is another one; what it counted is read from its state file."""
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "one").write_bytes(bytes(128) + b"DICM" + bytes(50))
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "tests.fuzz.run", "dicom_header", "--mode", "blind"]
    command += ["--corpus", tmp_path / "seeds", "--folder", folder]
    command += ["--seconds", "60", "--executions", "100"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["seeds"] == 1
    assert summary["executions"] >= 100
    assert (summary["failures"], summary["crashes"], summary["hangs"]) == (0, 0, 0)
    assert list((folder / "findings").iterdir()) == []

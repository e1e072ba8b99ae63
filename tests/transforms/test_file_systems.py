"""Workers that a pool starts set no options for Beam's file systems: ours have some."""

import subprocess
import sys

import boto3

from transforms.file_systems import FileSystems


def test_file_systems_have_options_where_no_pipeline_set_any():
    code = (
        "import transforms.parquet as p; print(p.FileSystems._pipeline_options.get_all_options())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'s3_endpoint_url': None" in done.stdout


def test_options_that_are_set_stay():
    code = (
        "from apache_beam.io.filesystems import FileSystems as f\n"
        "from apache_beam.options.pipeline_options import PipelineOptions\n"
        "f.set_options(PipelineOptions(['--s3_endpoint_url=http://s']))\n"
        "import transforms.parquet as p; print(p.FileSystems._pipeline_options.get_all_options())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'s3_endpoint_url': 'http://s'" in done.stdout


def test_files_on_s3_share_a_client_and_each_has_its_own_place(object_store, monkeypatch):
    bucket = object_store.new_bucket()
    texts = {name: name.encode() * 100_000 for name in ("a", "b")}
    for name, text in texts.items():
        object_store.write(f"{bucket}/{name}", text.decode())
    made = []
    session = boto3.session.Session

    def count():
        made.append(session())
        return made[-1]

    monkeypatch.setattr(boto3.session, "Session", count)
    with FileSystems.open(f"{bucket}/a") as first, FileSystems.open(f"{bucket}/b") as second:
        parts = [(first.read(1000), second.read(10)) for _ in range(50)]
        assert first.read() == texts["a"][50_000:]
        assert second.read() == texts["b"][500:]
    assert b"".join(part for part, _ in parts) == texts["a"][:50_000]
    assert b"".join(part for _, part in parts) == texts["b"][:500]
    assert len(made) <= 1

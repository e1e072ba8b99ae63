"""Workers that a pool starts set no options for Beam's file systems: ours have some."""

import subprocess
import sys


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

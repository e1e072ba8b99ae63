"""Beam's file systems, usable in every process.

Beam's S3 opens nothing where no options were set, and nothing sets them in a worker that a pool
started. With empty ones it takes what AWS's own variables and files say.
"""

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

__all__ = ["FileSystems"]

if FileSystems._pipeline_options is None:
    FileSystems.set_options(PipelineOptions([]))

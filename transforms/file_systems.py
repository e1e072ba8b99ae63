"""Beam's file systems, usable in every process.

Beam's S3 opens nothing where no options were set, and nothing sets them in a worker that a pool
started. With empty ones it takes what AWS's own variables and files say.
"""

import copy
from typing import Any

from apache_beam.io.aws import s3io
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions, S3Options

__all__ = ["FileSystems"]

_SETTINGS = (
    *("s3_access_key_id", "s3_secret_access_key", "s3_session_token", "s3_endpoint_url"),
    *("s3_disable_ssl", "s3_region_name", "s3_api_version", "s3_verify"),
)

if FileSystems._pipeline_options is None:
    FileSystems.set_options(PipelineOptions([]))


def _share_clients() -> None:
    """Has Beam make one of AWS's clients in a process, not one for every file.

    Each costs a fifth of a second of parsing; AWS's clients may be shared by threads. What Beam
    keeps beside it, the place in a download, stays each file's own.
    """
    make, made = s3io.boto3_client.Client, dict[str, Any]()

    def shared(options: PipelineOptions) -> Any:
        found = options.view_as(S3Options)
        settings = repr([getattr(found, name) for name in _SETTINGS])
        if settings not in made:
            made[settings] = make(options)
        return copy.copy(made[settings])

    s3io.boto3_client.Client = shared


if s3io.BOTO3_INSTALLED:
    _share_clients()

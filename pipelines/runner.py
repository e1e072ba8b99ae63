"""Which Beam runner executes a pipeline: named, never guessed."""

import logging
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.typehints import disable_type_annotations

# mypy checks the annotations; Beam would read them as element types of PCollections and warn
# of every one that is not (side outputs, dictionaries of PCollections).
disable_type_annotations()

# Their Java part fuses a Flatten and a GroupByKey of one collection wrongly (apache/beam#34647).
_PORTABLE = ("FlinkRunner", "PortableRunner")
_FUSE_HERE = "pre_optimize=all"
# Else a worker process, with all that it imported and loaded, ends with each stage of a job (Flink:
# where its own class path has Beam).
_KEEP_WORKERS = ("--environment_cache_millis", "60000")
# `DirectRunner` may fetch another engine from the network; this is the one in this process.
LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"


def runs_here(options: PipelineOptions) -> bool:
    """Whether all of a pipeline runs on this machine."""
    return options.get_all_options()["runner"] in (LOCAL_RUNNER, "DirectRunner")


class _WithoutNoise(logging.Filter):
    """Drops what Beam says in every run and nobody can act on."""

    _NOISE = ("Resource module is not available", "No semi_persistent_directory found")

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown."""
        message = record.getMessage()
        return not any(noise in message for noise in self._NOISE)


for _name in ("", "apache_beam.runners.portability.local_job_service"):
    logging.getLogger(_name).addFilter(_WithoutNoise())


def pipeline_options(workers: int = 1, beam_arguments: Sequence[str] = ()) -> PipelineOptions:
    """Options of a run: the local runner with that many processes, unless the arguments name one.

    `beam_arguments` are what stands after `--` on the command line.
    """
    arguments = ["--no_pipeline_type_check", *beam_arguments]
    if PipelineOptions(arguments).get_all_options()["runner"] in _PORTABLE:
        arguments = [*_KEEP_WORKERS, *arguments, "--experiments", _FUSE_HERE]
    if not any(argument.split("=")[0] == "--runner" for argument in arguments):
        arguments += ["--runner", LOCAL_RUNNER, "--direct_num_workers", str(workers)]
        if workers > 1:
            arguments += ["--direct_running_mode", "multi_processing"]
    return PipelineOptions(arguments)

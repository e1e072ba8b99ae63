"""What the launcher of Flex Templates starts: `nightrounds ingest`, its job's graph as a template.

The service starts the job itself, after this process has written the graph and ended; so the run
is published afterwards, by `nightrounds commit RUN_ID`. A whole night needs a launcher that stays:
docs/DEPLOYMENT.md.

Source: https://cloud.google.com/dataflow/docs/guides/templates/configuring-flex-templates
"""

import argparse
import os
import sys
from collections.abc import Sequence


def build_parser() -> argparse.ArgumentParser:
    """The parameters of metadata.json; what else there is goes to Beam."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--warehouse", required=True)
    parser.add_argument("--id_key_secret", required=True)
    parser.add_argument("--fhir")
    parser.add_argument("--dicom")
    return parser


def command_line(given: Sequence[str]) -> list[str]:
    """Parameters of the template -> arguments of `nightrounds`; several paths have commas between.

    >>> command_line(["--warehouse=gs://b/w", "--id_key_secret=s", "--fhir=gs://b/1,gs://b/2"])
    ['ingest', '--warehouse', 'gs://b/w', '--quiet', '--fhir', 'gs://b/1', 'gs://b/2', '--']
    """
    options, beam = build_parser().parse_known_args(given)
    arguments = ["ingest", "--warehouse", options.warehouse, "--quiet"]
    for name in ("fhir", "dicom"):
        if paths := getattr(options, name):
            arguments += [f"--{name}", *paths.split(",")]
    return [*arguments, "--", *beam]


def read_secret(name: str) -> str:
    """`projects/P/secrets/S/versions/V` of Secret Manager -> its text."""
    from google.cloud import secretmanager

    client = secretmanager.SecretManagerServiceClient()
    return client.access_secret_version(name=name).payload.data.decode()  # type: ignore[no-any-return]


def end_with_the_graph() -> None:
    """Makes this process end when a graph is written, as a launcher would that is gone.

    What follows a pipeline, the publication, would find nothing: the job has not begun. An
    exception would be recorded as a failure of the run, which `commit` then could not publish.
    """
    from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

    write = DataflowRunner.run_pipeline

    def write_and_end(*arguments: object, **named: object) -> None:
        write(*arguments, **named)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    DataflowRunner.run_pipeline = write_and_end


def main() -> int:
    """Ends with the exit status of `nightrounds`, or 0 when the graph is written."""
    from pipelines.cli import main as nightrounds
    from transforms.keys import ENVIRONMENT_VARIABLE

    options, beam = build_parser().parse_known_args(sys.argv[1:])
    os.environ[ENVIRONMENT_VARIABLE] = read_secret(options.id_key_secret)
    if any(argument.startswith("--template_location") for argument in beam):
        end_with_the_graph()
    return nightrounds(command_line(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())

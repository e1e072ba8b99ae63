"""What deploys the engine: pins that agree with each other, nobody root, commands that parse."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import kubernetes_validate
import pytest
import yaml
from apache_beam.options.pipeline_options import GoogleCloudOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.dataflow.internal.apiclient import DataflowApplicationClient

import model_defs
from bench.dockerfile import read_stages, script
from pipelines import score as score_module
from pipelines.cli import build_parser
from pipelines.commit import find_finished
from pipelines.ingest import Inputs, ingest
from pipelines.run import new_run
from pipelines.runner import pipeline_options
from pipelines.score import ScoreRun
from tests.standins import logistic
from tests.standins.examples import AS_OF, as_buckets, tables
from transforms.errors import RunFailed
from transforms.inference import feature_types
from transforms.keys import Keys
from transforms.registry import ModelVersion
from transforms.warehouse import open_warehouse

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
TARGETS = ["launcher", "worker", "dataflow"]
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
CRON_POD = yaml.safe_load((DOCKER / "kubernetes/nightly-cronjob.yaml").read_text())["spec"][
    "jobTemplate"
]["spec"]["template"]["spec"]
FLINK = yaml.safe_load((DOCKER / "kubernetes/flink-deployment.yaml").read_text())
PARAMETERS = json.loads((DOCKER / "dataflow/metadata.json").read_text())["parameters"]


def in_file(path, pattern):
    return re.search(pattern, (ROOT / path).read_text(), re.MULTILINE)[1]


FLINK_VERSION = in_file("Makefile", r"^FLINK_VERSION := (\S+)$")
FLINK_MINOR = FLINK_VERSION.rsplit(".", 1)[0]


@pytest.fixture(scope="module")
def stages():
    return read_stages((DOCKER / "Dockerfile").read_text())


@pytest.fixture(scope="module")
def launch():
    spec = importlib.util.spec_from_file_location("launch", DOCKER / "dataflow/launch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_images_have_the_versions_of_the_packages(stages):
    beam = in_file("constraints.txt", r"^apache-beam==(\S+)$")
    python = in_file("setup.py", r'python_requires=">=(3\.\d+),')
    assert stages["beam"].base == f"apache/beam_python{python}_sdk:{beam}"
    assert stages["base"].base == f"python:{python}-slim-bookworm"
    assert f"python{python.replace('.', '')}-" in stages["template"].base


def test_every_image_has_a_tag_that_does_not_move(stages):
    images = [s.base for s in stages.values() if s.base not in stages]
    images += [s["image"] for s in SERVICES.values()]
    images += [c["image"] for k in ("initContainers", "containers") for c in CRON_POD[k]]
    assert len(images) > 12
    for image in images:
        tag = image.rsplit("/", 1)[-1].partition(":")[2]
        assert tag, image
        assert tag != "latest", image


def test_nothing_of_ours_runs_as_root(stages):
    starts = [
        words for line in script(stages, TARGETS) if (words := shlex.split(line))[0] == "start"
    ]
    assert {words[1]: words[2] for words in starts} == dict.fromkeys(TARGETS, "10001:10001")
    assert CRON_POD["securityContext"]["runAsNonRoot"] is True
    (_, workers) = FLINK["spec"]["taskManager"]["podTemplate"]["spec"]["containers"]
    for context in (CRON_POD["securityContext"], workers["securityContext"]):
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 10001)


def test_a_build_installs_with_the_constraints_and_takes_no_other_way(stages):
    runs = [i.rest for s in stages.values() for i in s.instructions if i.name == "RUN"]
    installs = [part for run in runs for part in run.split("&&") if "pip install" in part]
    assert len(installs) == 2
    assert all("--constraint source/constraints.txt" in part for part in installs)
    assert not [run for run in runs if re.search(r"curl|wget|apt-get|sudo|git ", run)]
    assert not [i for s in stages.values() for i in s.instructions if i.name == "ADD"]


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_a_device_is_one_argument(device):
    text = (DOCKER / "Dockerfile").read_text().replace("ARG DEVICE=cpu", f"ARG DEVICE={device}")
    runs = [line for line in script(read_stages(text), ["worker"]) if line.startswith("step")]
    assert any("[gpu,postgresql,s3]" in line for line in runs) == (device == "gpu")


def test_the_script_of_a_dockerfile_follows_its_stages():
    text = (
        "ARG I=x:1\nFROM ${I} AS image\nFROM x:2 AS a\nENV K=1\nUSER 7\nRUN one \\\n && two\n"
        "FROM a AS b\nWORKDIR /w\nCOPY --from=image /l /l\nCOPY --chown=7:7 f g/\nCMD []\n"
        'ENTRYPOINT ["p", "q r"]\n'
    )
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert list(script(read_stages(text), ["b"])) == [
        "begin a ''",
        f"step a 7 / {path} K=1 -- 'one   && two'",
        "begin b a",
        "echo 'left out: COPY --from=image /l /l'",
        "copy b 7:7 /w/g/ f",
        f"start b 7 /w {path} K=1 -- p 'q r'",
    ]


def test_flink_and_its_job_server_are_those_that_are_tested():
    pom = ElementTree.parse(ROOT / "tests/flink/pom.xml")  # noqa: S314 - our own file
    beam = {d[1].text: d[2].text for d in pom.iter() if d.tag.endswith("}dependency")}
    server = (
        f"apache/beam_flink{FLINK_MINOR}_job_server:" + beam[f"beam-runners-flink-{FLINK_MINOR}"]
    )
    assert SERVICES["jobserver"]["image"] == server
    assert CRON_POD["initContainers"][0]["image"] == server
    flink = FLINK["spec"]
    images = {SERVICES["jobmanager"]["image"], SERVICES["taskmanager-1"]["image"], flink["image"]}
    assert {image.split("-")[0] for image in images} == {f"flink:{FLINK_VERSION}"}
    assert flink["flinkVersion"] == "v" + FLINK_MINOR.replace(".", "_")
    assert "job" not in flink  # a session: the job server brings the jobs


def test_pools_share_the_network_of_their_task_manager():
    pools = [s["network_mode"] for n, s in SERVICES.items() if n.startswith("workers-")]
    managers = [n for n in SERVICES if n.startswith("taskmanager-")]
    assert pools == [f"service:{name}" for name in managers]


def test_ports_are_open_to_this_machine_only_and_secrets_come_as_files():
    ports = [port for s in SERVICES.values() for port in s.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    values = {k: v for s in SERVICES.values() for k, v in s.get("environment", {}).items()}
    secret = {k: v for k, v in values.items() if re.search("PASSWORD|ROOT|CREDENTIAL|KEY", k)}
    assert len(secret) == 4
    assert all(value.startswith("/run/secrets/") for value in secret.values())


def test_the_pods_of_the_task_managers_are_valid():
    pod = FLINK["spec"]["taskManager"]["podTemplate"]
    kubernetes_validate.validate(pod, "1.33", strict=True)
    assert [c["name"] for c in pod["spec"]["containers"]] == ["flink-main-container", "workers"]


@pytest.mark.parametrize(
    "command",
    [SERVICES["nightly"]["command"], CRON_POD["containers"][0]["args"]],
    ids=["compose", "cronjob"],
)
def test_the_nightly_commands_parse(command):
    cut = command.index("--")
    options = build_parser().parse_args(command[:cut])
    assert (options.verb, options.fhir, options.dicom) == (
        "nightly",
        ["s3://export/fhir"],
        ["s3://export/dicom"],
    )
    beam = pipeline_options(1, command[cut + 1 :]).get_all_options(drop_default=True)
    port = (
        beam.pop("job_endpoint").partition(":")[2],
        beam.pop("artifact_endpoint").partition(":")[2],
    )
    assert port == ("8099", "8098")
    assert beam == {
        "runner": "FlinkRunner",
        "flink_version": FLINK_MINOR,
        "environment_type": "EXTERNAL",
        "environment_config": "localhost:50000",
        "parallelism": 4,
        "pipeline_type_check": False,
        "experiments": ["pre_optimize=all"],
        "environment_cache_millis": "60000",
    }


GIVEN = {
    "warehouse": "gs://site-warehouse/nightrounds",
    "id_key_secret": "projects/p/secrets/id-key/versions/3",
    "fhir": "gs://export/fhir/*.ndjson,gs://export/more",
    "dicom": "gs://export/dicom",
    "sdk_container_image": "europe-docker.pkg.dev/p/r/nightrounds-dataflow:0.1.0",
}


def test_the_parameters_of_the_template_become_a_command(launch):
    assert [p["name"] for p in PARAMETERS] == list(GIVEN)
    for parameter in PARAMETERS:
        assert re.fullmatch(parameter["regexes"][0], GIVEN[parameter["name"]])
        assert not re.fullmatch(parameter["regexes"][0], "s3://b/x,")
    command = launch.command_line([f"--{k}={v}" for k, v in GIVEN.items()] + ["--runner=X"])
    cut = command.index("--")
    options = build_parser().parse_args(command[:cut])
    assert options.verb == "ingest"
    assert options.warehouse == GIVEN["warehouse"]
    assert options.fhir == GIVEN["fhir"].split(",")
    assert options.dicom == [GIVEN["dicom"]]
    assert command[cut + 1 :] == [
        f"--sdk_container_image={GIVEN['sdk_container_image']}",
        "--runner=X",
    ]


class Submitted(Exception):
    """In place of the call to the service."""


def submit(tmp_path, name, work):
    """Has `work` submit a job with the options it gets -> the job, and its graph; no service."""
    job_file = tmp_path / "job.json"
    given = [
        "--runner=DataflowRunner",
        "--project=project",
        "--region=europe-west1",
        "--temp_location=gs://bucket/temporary",
        f"--job_name={name}",
        "--no_auth",
        "--sdk_location=container",
        f"--sdk_container_image={GIVEN['sdk_container_image']}",
        f"--dataflow_job_file={job_file}",
    ]
    staged = {}

    def stage(_self, folder, name, stream, *_):
        path = f"{folder}/{name}"
        data = Path(stream).read_bytes() if isinstance(stream, str) else stream.read()
        if path == str(job_file):
            job_file.write_bytes(data)
        staged[name] = data

    client = DataflowApplicationClient
    with (
        mock.patch.object(GoogleCloudOptions, "_warn_if_soft_delete_policy_enabled"),
        mock.patch.object(client, "stage_file", stage),
        mock.patch.object(client, "submit_job_description", side_effect=Submitted),
        pytest.raises(Submitted),
    ):
        work(pipeline_options(1, given))
    job = json.loads(job_file.read_text())
    return job, beam_runner_api_pb2.Pipeline.FromString(staged["pipeline.pb"]).components


def test_the_graph_of_a_dataflow_job_is_built_without_the_service(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.ndjson").write_text('{"resourceType": "Patient", "id": "p"}\n')
    paths = (str(tmp_path / "in"),)
    job, graph = submit(
        tmp_path,
        "ingest",
        lambda options: ingest(
            new_run("ingest"),
            open_warehouse(str(tmp_path / "warehouse"), create=True, buckets=4),
            Keys(b"0" * 16),
            Inputs(fhir=paths, dicom=paths),
            options,
        ),
    )
    assert (job["name"], job["type"]) == ("ingest", "JOB_TYPE_BATCH")
    (pool,) = job["environment"]["workerPools"]
    assert pool["workerHarnessContainerImage"] == GIVEN["sdk_container_image"]
    transforms = graph.transforms
    names = {transforms[name].unique_name.split("/")[0] for name in transforms}
    assert {"FindFhir", "ReadFhir", "FindDicom", "ReadDicom", "Link", "AllRows"} <= names
    assert {"WriteBuckets", "AllCounts", "WriteManifest"} <= names
    shuffles = [t for t in transforms.values() if t.spec.urn == "beam:transform:group_by_key:v1"]
    assert len(shuffles) > 2
    images = {
        beam_runner_api_pb2.DockerPayload.FromString(e.payload).container_image
        for e in graph.environments.values()
    }
    assert images == {GIVEN["sdk_container_image"]}


def test_a_dataflow_job_asks_for_an_accelerator_only_where_models_score(tmp_path, monkeypatch):
    version = ModelVersion("logistic", "v", str(tmp_path))
    described = {"features": feature_types(logistic.FEATURES), "estimator": "keras"}
    described |= {"classes": [], "config": {}}
    (tmp_path / "model.json").write_text(json.dumps(described))
    monkeypatch.setattr(model_defs, "find", lambda name: logistic)
    monkeypatch.setattr(score_module, "verify", lambda version: None)
    hint = "type:nvidia-l4;count:1;install-nvidia-driver"
    source = as_buckets(tables(subjects=4), tmp_path)
    run = ScoreRun("r", AS_OF, {"predictions": "gs://b/p", "extractions": "gs://b/e"})
    _, graph = submit(
        tmp_path,
        "score",
        lambda options: score_module.score([version], source, run, options, accelerator=hint),
    )
    hints = {
        step.unique_name: dict(graph.environments[step.environment_id].resource_hints)
        for step in graph.transforms.values()
        if step.spec.urn == "beam:transform:pardo:v1"
    }
    asking = {name for name, found in hints.items() if found}
    assert asking == {"Score_logistic/BeamML_RunInference"}
    assert hints.pop(*asking) == {"beam:resources:accelerator:v1": hint.encode()}
    assert len(hints) > 5


_LAUNCH = """
import runpy, sys
from pathlib import Path
from unittest import mock
from apache_beam.options.pipeline_options import GoogleCloudOptions
from apache_beam.runners.dataflow.internal.apiclient import DataflowApplicationClient as Client
from google.cloud import secretmanager

def stage(self, folder, name, stream, *_):
    if not folder.startswith("gs://"):
        Path(folder, name).write_bytes(stream.read())

secrets = mock.Mock()
secrets().access_secret_version().payload.data = b"0123456789abcdef"
with (
    mock.patch.object(secretmanager, "SecretManagerServiceClient", secrets),
    mock.patch.object(GoogleCloudOptions, "_warn_if_soft_delete_policy_enabled"),
    mock.patch.object(Client, "stage_file", stage),
):
    runpy.run_path(sys.argv[1], run_name="__main__")
"""


def test_the_launcher_of_the_template_writes_the_graph_and_leaves_a_run_to_be_committed(tmp_path):
    (tmp_path / "a.ndjson").write_text('{"resourceType": "Patient", "id": "p"}\n')
    given = {
        "warehouse": tmp_path / "warehouse",
        "id_key_secret": GIVEN["id_key_secret"],
        "fhir": tmp_path / "a.ndjson",
        "sdk_container_image": GIVEN["sdk_container_image"],
        "runner": "DataflowRunner",
        "project": "project",
        "region": "europe-west1",
        "temp_location": "gs://bucket/temporary",
        "job_name": "ingest",
        "template_location": tmp_path / "job_object",
    }
    command = [sys.executable, "-c", _LAUNCH, str(DOCKER / "dataflow/launch.py"), "--no_auth"]
    command += ["--sdk_location=container", *(f"--{k}={v}" for k, v in given.items())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "job_object").read_text())["name"] == "ingest"
    warehouse = open_warehouse(str(tmp_path / "warehouse"))
    assert warehouse.files("events") == []
    (run,) = [p.name for p in (tmp_path / "warehouse/staging").iterdir()]
    with pytest.raises(RunFailed, match=f"{run} is not finished: wait until its job has ended"):
        find_finished(warehouse, run)

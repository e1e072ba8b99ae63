"""Values planted in every input come out where the allow-lists say, and nowhere else.

What is searched: every byte that a night leaves outside the namespace `restricted` - tables, the
metadata of the tables, the catalog, models, the report, the MEDS export, temporary files - and what
it says on stdout and stderr.
"""

import dataclasses
import json
import os
import re
import stat
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.simulate import simulate_hospital
from tests.privacy import planted_dicom
from tests.privacy.planted_fhir import TEXT, Planter, variants, with_fallbacks
from transforms.dicom.allowlist import ATTRIBUTES
from transforms.fhir.allowlist import ELEMENTS, Use
from transforms.fhir.kinds import MAPPED

KEY = "PLANTED-KEY-9c1f6a0d2b7e4c53"
NOT_A_TYPE = "PlantedDoe"  # a reference's type is letters alone
# One model in every test run; `make torture` trains and scores them all.
MODELS = os.environ.get("NIGHTROUNDS_PLANTED_MODELS", "readmission").split()
QUICK = ["--set", "epochs=2"] if MODELS == ["readmission"] else []
_NUMBER = re.compile(r"\b7\d{6}\b")
_MOMENT = re.compile(
    r"\b(?:20\d\d-\d\d-\d\dT[\d:.]{15}\+00:00|1[89]\d\d-\d\d-\d\d|05:06:07\.\d{6})"
)
_FORBIDDEN = re.compile(rb"PLANTED\d{6}|PLANTED-KEY[-\w]*|PlantedDoe")

# Beside the allow-lists of FHIR and DICOM: what a table that is brought along says.
NAMED_BY_THE_SITE = {
    ("counts", "series"): "what is counted; a file without the column says it by its name",
    ("counts", "region"): "a region of many people",
    ("pairs", "compound"): "a compound is no patient",
    ("pairs", "target"): "a target is no patient",
    ("labels", "model"): "the model; a file without the column says it by its name",
    ("labels", "categorical_value"): "the class to be learnt",
}
_HOLDINGS = {"SITE.counts.series", "SITE.labels.model"}  # the report counts their rows by name


@dataclasses.dataclass(frozen=True)
class Night:
    """What was planted, and what is left of it."""

    root: Path
    paths: dict[str, str]
    said: str

    @property
    def warehouse(self) -> Path:
        """The warehouse's folder."""
        return self.root / "w"


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Night:
    root = tmp_path_factory.mktemp("planted")
    planter = Planter()
    inputs = _write_inputs(root, planter)
    for name in ("tmp", "told"):
        (root / name).mkdir()
    (root / "id.key").write_text(KEY)
    (root / "id.key").chmod(0o600)
    at, as_of = ["--warehouse", "w"], ["--as-of", "2024-12-31"]
    told = ["--metrics-file", "told/n.prom", "--lineage-file", "told/lineage.ndjson", "--json"]
    done = _nightrounds(
        root,
        ["ingest", *at, *inputs, "--buckets", "2", "--id-key-file", "id.key", *told],
        ["train", *MODELS, *at, *as_of, *told, *QUICK],
        ["evaluate", *MODELS, *at, *as_of, *told],
        ["score", *MODELS, *at, *as_of, *told],
        ["nightly", *at, *inputs, *as_of, "--id-key-file", "id.key", *told],
        ["query", *at, "SELECT * FROM predictions"],
        ["report", *at, "-o", "report/morning.html"],
        ["export-meds", *at, "meds"],
    )
    assert done.returncode == 0, done.stderr
    return Night(root, planter.paths, done.stdout + done.stderr)


_VERBS = """
import json, sys
from pipelines.cli import main
for arguments in json.loads(sys.argv[1]):
    if status := main(arguments):
        sys.exit(status)
"""


def _nightrounds(root: Path, *commands: list[str]) -> subprocess.CompletedProcess[str]:
    """The commands, in a process of their own, so that all it says and leaves is seen."""
    path = os.pathsep.join(filter(None, (os.getcwd(), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "TMPDIR": str(root / "tmp"), "PYTHONPATH": path}
    command = [sys.executable, "-c", _VERBS, json.dumps(commands)]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


def _write_inputs(root: Path, planter: Planter) -> list[str]:
    """The planted files beside a small hospital's; the arguments that name them."""
    hospital = simulate_hospital(root / "hospital", patients=150, studies=10, seed=7, broken=True)
    fhir, dicom = _new_folder(root, planter), _new_folder(root, planter)
    for name in MAPPED:
        folder = fhir / planter.text("(folder)")
        folder.mkdir(parents=True)
        plain = folder / f"{planter.text('(file)')}.ndjson"
        found = list(variants(planter, name))
        plain.write_text("".join(json.dumps(resource) + "\n" for resource in found))
        in_bundle = planter.resource(name, f"{name}-{planter.text(f'{name}.id')}")
        del in_bundle["meta"]
        bundle = planter.bundle(in_bundle)
        (folder / f"{planter.text('(file)')}.json").write_text(json.dumps(bundle))
        plain = _new_folder(root / "refused", planter) / f"{planter.text('(file)')}.ndjson"
        plain.write_text(_refused(planter, name))
    found = list(with_fallbacks(planter))
    plain = _new_folder(fhir, planter) / f"{planter.text('(file)')}.ndjson"
    plain.write_text("".join(json.dumps(document) + "\n" for document in found))
    paths = planted_dicom.files(
        lambda what: planter.text(f"DICOM.{what}"),
        lambda number: str(_new_folder(dicom, planter) / f"{planter.text('(file)')}.dcm"),
    )
    assert len(list(paths)) == 8
    broken = dicom / f"{planter.text('(file)')}.dcm"
    broken.write_bytes(b"\0" * 128 + b"DICM" + planter.text("DICOM.broken").encode() * 100)
    labels, pairs, counts = _tables_of_the_site(_new_folder(root, planter), planter)
    return [
        *("--fhir", str(hospital.fhir), str(fhir), "refused"),
        *("--dicom", str(hospital.dicom), str(dicom)),
        *("--labels", str(hospital.labels), str(labels)),
        *("--pairs", str(hospital.pairs), str(pairs)),
        *("--counts", str(hospital.counts), str(counts), "--max-quarantined", "1"),
    ]


def _tables_of_the_site(folder: Path, planter: Planter) -> Iterator[Path]:
    """Files of labels, pairs and counts, in this order, each with a column that is not read."""
    for table, stem, cells in (
        (
            "labels",
            "model",
            {
                "subject_id": None,
                "entity_id": "Encounter/",
                "prediction_time": "2024-01-01T00:00:00",
                "categorical_value": None,
            },
        ),
        ("pairs", "(file)", {"compound": None, "target": None, "smiles": "CCO"}),
        ("counts", "series", {"region": None, "week": "2024-W05", "cases": "3"}),
    ):
        path = folder / f"{planter.text(f'SITE.{table}.{stem}')}.csv"
        row = {
            name: (given or "") + planter.text(f"SITE.{table}.{name}")
            if given is None or given.endswith("/")
            else given
            for name, given in {**cells, "patient_name": None}.items()
        }
        path.write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
        yield path


def _new_folder(above: Path, planter: Planter) -> Path:
    folder = above / planter.text("(folder)")
    folder.mkdir(parents=True)
    return folder


def _refused(planter: Planter, name: str) -> str:
    """Lines that are refused or skipped, each for another reason that may hold no value."""
    text = planter.text(f"{name} refused")
    whole = planter.resource(name, f"{name}-{text}")
    lines = [
        {**whole, "status": f"O'{text}' - at `$.{text}`", "id": f"a-{text}"},
        {**whole, "meta": {"lastUpdated": text}, "id": f"b-{text}"},
        {**whole, text: text, "resourceType": text},
        {**whole, "id": [text], text: text},
        {**whole, "subject": {"reference": f"{NOT_A_TYPE}/{text}"}, "id": f"c-{text}"},
        {**whole, "subject": {"reference": text}, "id": f"d-{text}"},
        {**whole, "subject": {"display": text}, "id": f"e-{text}"},
    ]
    return "".join(json.dumps(line) + "\n" for line in lines) + '{"' + text + '": ' + text + "\n"


def _strings(column: pa.ChunkedArray) -> Iterator[str]:
    """Every text and every byte string within a column, however deep."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_map(kind):
        for chunk in column.chunks:
            yield from _strings(pa.chunked_array([chunk.keys]))
            yield from _strings(pa.chunked_array([chunk.items]))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _strings(pc.list_flatten(column))
    elif pa.types.is_struct(kind):
        for index in range(kind.num_fields):
            yield from _strings(pc.struct_field(column, index))
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield from filter(None, column.unique().to_pylist())
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        yield from (value.decode("latin-1") for value in column.unique().to_pylist() if value)


def _tables(folder: Path) -> Iterator[tuple[str, str, pa.ChunkedArray]]:
    """(table, column, values) of the Parquet files of the namespace `clinical`."""
    for path in sorted((folder / "clinical").rglob("*.parquet")):
        table = pq.read_table(path, partitioning=None)
        for name in table.column_names:
            yield path.relative_to(folder / "clinical").parts[0], name, table[name]


def _planted_in(text: str, paths: dict[str, str]) -> set[str]:
    found = {*TEXT.findall(text), *_MOMENT.findall(text), *_NUMBER.findall(text)}
    return {paths[value] for value in found if value in paths}


@pytest.fixture(scope="module")
def arrived(night) -> dict[str, set[tuple[str, str]]]:
    """Path of a planted value -> the (table, column) that hold it."""
    found = defaultdict(set)
    for table, column, values in _tables(night.warehouse):
        for text in _strings(values):
            for path in _planted_in(text, night.paths):
                found[path].add((table, column))
        if pa.types.is_floating(values.type):
            for number in values.unique().to_pylist():
                if number is not None and 7_000_000 < number < 8_000_000:
                    path = night.paths.get(str(int(number)))
                    if path is not None:
                        found[path].add((table, column))
        if pa.types.is_timestamp(values.type):
            for moment in values.unique().to_pylist():
                path = moment and night.paths.get(f"{moment.isoformat()}+00:00")
                if path:
                    found[path].add((table, column))
    return dict(found)


def _use_of(path: str) -> tuple[Use | None, str]:
    """Path of a planted value -> the allow-list's use of its element, and which part it is."""
    name, _, below = path.partition(".")
    below = re.sub(r"^extension\.(extension\.)+", "extension.", below)
    while (shorter := re.sub(r"\bitem\.(answer\.)?item\.", "item.", below)) != below:
        below = shorter
    for listed, use in ELEMENTS.get(name, {}).items():
        if below == listed or below.startswith(listed + "."):
            return use, below[len(listed) + 1 :]
    return None, below


def test_fhir_values_arrive_only_in_the_columns_that_the_list_names(night, arrived):
    leaks = []
    for path, places in arrived.items():
        if path.startswith(("DICOM.", "SITE.", "(")):
            continue
        use, part = _use_of(path)
        allowed = use.kept.get(part, ()) if use is not None else ()
        leaks += [
            (path, *place)
            for place in places
            if place[0] not in ("events", "molecules", "extractions") or place[1] not in allowed
        ]
    assert not leaks


def test_dicom_values_arrive_only_in_the_columns_that_the_list_names(arrived):
    allowed = {(f"DICOM.{line.keyword}", "images", line.column) for line in ATTRIBUTES}
    found = {
        (path, *place)
        for path, places in arrived.items()
        for place in places
        if path.startswith("DICOM.")
    }
    assert found <= allowed
    words = {"DICOM.BodyPartExamined", "DICOM.ViewPosition"}
    assert {path for path, *_ in found} == words  # the only words that are not of a closed list


def test_names_of_files_and_folders_arrive_nowhere(arrived):
    assert not [path for path in arrived if path.startswith("(")]


def test_tables_of_the_site_keep_what_they_say_and_nothing_of_patients(arrived):
    found = {
        place for path, places in arrived.items() if path.startswith("SITE.") for place in places
    }
    assert found == NAMED_BY_THE_SITE.keys()
    for path, places in arrived.items():
        if path.startswith("SITE."):
            assert places == {tuple(path.split(".")[1:])}


def test_whatever_the_list_keeps_arrives(arrived):
    """A list that names more than is kept would hide what begins to leak.

    Times are left out: of several the latest is kept, as the tests of the readers show.
    """
    missing = [
        (name, element, part)
        for name, uses in ELEMENTS.items()
        for element, use in uses.items()
        for part, columns in use.kept.items()
        if not {"time", "version_time"} & set(columns)
        and not any(
            path.startswith(f"{name}.") and _use_of(path) == (use, part) for path in arrived
        )
    ]
    assert not missing


def _texts_of(path: Path) -> bytes:
    """The bytes of a file; those of Avro, which is compressed, as JSON."""
    if path.suffix == ".avro":
        with path.open("rb") as file:
            return repr(list(fastavro.reader(file))).encode()
    return path.read_bytes()


def test_nothing_else_that_a_night_leaves_holds_a_planted_value(night):
    kept = {
        text
        for _, _, values in _tables(night.warehouse)
        for whole in _strings(values)
        for text in TEXT.findall(whole)
    }
    found = defaultdict(set)
    beside = [night.root / name for name in ("meds", "report", "told", "tmp")]
    for folder in (night.warehouse, *beside):
        for path in folder.rglob("*"):
            inside = path.relative_to(folder).parts
            if not path.is_file() or (folder == night.warehouse and inside[0] == "restricted"):
                continue
            tables = inside[0] == "clinical" or folder.name == "meds"
            for value in _FORBIDDEN.findall(_texts_of(path) + str(path).encode()):
                if path.suffix == ".html" and night.paths.get(value.decode()) in _HOLDINGS:
                    continue
                if not (tables and value.decode() in kept):
                    found[str(path.relative_to(night.root))].add(value.decode())
    assert not found
    assert any((night.warehouse / "models").rglob("*"))
    assert (night.root / "told" / "n.prom").stat().st_size > 1000
    assert (night.root / "told" / "lineage.ndjson").read_text().count("\n") == 10


def test_what_was_said_holds_no_planted_value_and_no_key(night):
    assert not _FORBIDDEN.findall(night.said.encode())
    for words in ('"status": "published"', "report: ", "events written"):
        assert words in night.said


def test_a_refusal_gives_its_reasons_without_values(night):
    arguments = ["ingest", "--warehouse", "other", "--fhir", "refused"]
    for validation in ("projection", "full"):
        refused = _nightrounds(
            night.root, [*arguments, "--validation", validation, "--id-key-file", "id.key"]
        )
        assert refused.returncode == 3, refused.stderr
        assert "most frequent" in refused.stderr
        assert not _FORBIDDEN.findall((refused.stdout + refused.stderr).encode())


def test_identities_are_in_the_restricted_namespace(night):
    """The search finds what is there: file names and refused bytes are kept for replay."""
    found = set()
    for path in (night.warehouse / "restricted").rglob("*.parquet"):
        table = pq.read_table(path, partitioning=None)
        for name in table.column_names:
            for text in _strings(table[name]):
                found |= {night.paths[value] for value in TEXT.findall(text)}
    assert {"(file)", "(folder)", "Patient.identifier.value"} <= found


def test_everything_below_the_warehouse_is_its_owners_alone(night):
    open_to_others = [
        f"{path.relative_to(night.warehouse)} {stat.S_IMODE(path.stat().st_mode):04o}"
        for path in [night.warehouse, *night.warehouse.rglob("*")]
        if stat.S_IMODE(path.stat().st_mode) != (0o700 if path.is_dir() else 0o600)
    ]
    assert not open_to_others

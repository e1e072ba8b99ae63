"""A model file is data: nothing is unpickled, or made into Python code, from a file."""

import ast
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import model_defs
from pipelines.score import scoring_of
from tests.pipelines.trained import STANDINS, trained_in
from tests.standins import examples as shared
from transforms.inference import load_estimator
from transforms.registry import verify

ROOT = Path(__file__).parent.parent
FILES = [
    path
    for folder in ("transforms", "model_defs", "pipelines", "bench")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
# Bytes between the stages of one run, of processes that trust each other: never of a file.
BETWEEN_STAGES = {"transforms/coders.py": {"pickle"}}
CALLS = {
    "load_model",
    "model_from_json",
    "model_from_config",
    "from_config",
    "enable_unsafe_deserialization",
}


def unpickling(source):
    """What in a module's source could unpickle or deserialise code, by line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").split(".")[0]]
        found += [name for name in names if name in UNPICKLERS or name == "torch"]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.split(".")[-1] in CALLS and called != "ydf.load_model":
                found.append(called)
            if called in ("eval", "exec", "pd.read_pickle", "pandas.read_pickle"):
                found.append(called)
            found += [k.arg for k in node.keywords if k.arg in ("allow_pickle", "custom_objects")]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_can_unpickle_a_file(path):
    allowed = BETWEEN_STAGES.get(str(path.relative_to(ROOT)), set())
    assert set(unpickling(path.read_text())) - allowed == set()


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "np.load(path, allow_pickle=True)",
        "tf_keras.models.load_model(folder)",
        "torch.load(path)\nimport torch",
        "exec(text)",
    ],
)
def test_the_look_for_it_finds_it(source):
    assert unpickling(source)


def test_what_is_pickled_between_stages_touches_no_file():
    source = (ROOT / "transforms/coders.py").read_text()
    used = {ast.unparse(n) for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Attribute)}
    assert {name for name in used if name.startswith("pickle.")} == {
        "pickle.loads",
        "pickle.dumps",
        "pickle.HIGHEST_PROTOCOL",
    }
    assert "open(" not in source


UNPICKLED = []
WATCH = []


def _watch(event, arguments):
    if WATCH and event == "pickle.find_class":
        UNPICKLED.append(arguments)


sys.addaudithook(_watch)  # it stays; it looks only while a test wants it to


@pytest.mark.parametrize("model", ["logistic", "forest"])
def test_loading_and_asking_a_model_unpickles_nothing(model, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(model_defs, "find", STANDINS.__getitem__)
    version = trained_in(tmp_path_factory.getbasetemp())[model].version
    verify(version)
    scoring = scoring_of(version, STANDINS[model], "r", shared.AS_OF.date())
    WATCH.append(True)
    try:
        estimator = load_estimator(scoring)
        batch = pa.record_batch(
            {"value": pa.array([1.0], pa.float32()), "ward": pa.array([b"x"]).dictionary_encode()}
        )
        assert len(estimator.predict(batch).values[scoring.label.name]) == 1
    finally:
        WATCH.clear()
    assert UNPICKLED == []


def test_the_watch_sees_an_unpickling():
    import pickle

    WATCH.append(True)
    pickle.loads(pickle.dumps(Path("x")))  # noqa: S301 - its own
    WATCH.clear()
    assert UNPICKLED
    UNPICKLED.clear()


@pytest.mark.parametrize("model", ["logistic", "forest"])
def test_the_files_of_a_version_are_of_known_kinds(model, tmp_path_factory):
    """SavedModel and TFT graphs (protobuf, checkpoints), ydf's own format, JSON and Markdown."""
    version = trained_in(tmp_path_factory.getbasetemp())[model].version
    for path in Path(version.folder).rglob("*"):
        if path.is_file():
            assert not path.read_bytes().startswith((b"\x80\x03", b"\x80\x04", b"\x80\x05")), path
            assert path.suffix not in (".pkl", ".pickle", ".joblib", ".npy", ".keras", ".h5", ".py")

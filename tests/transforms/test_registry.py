import pytest

from transforms import registry
from transforms.errors import Refused, UsageError


@pytest.fixture
def built(tmp_path):
    folder = tmp_path / "built"
    (folder / "saved_model").mkdir(parents=True)
    (folder / "saved_model" / "weights").write_bytes(b"w" * 3_000_000)
    (folder / "model.json").write_text('{"estimator": "keras"}')
    return folder


@pytest.fixture
def version(built, tmp_path):
    return registry.store(str(built), str(tmp_path / "models"), "readmission", "v1")


def test_a_stored_version_is_found_and_verified(version, tmp_path):
    models = str(tmp_path / "models")
    assert registry.version_of(models, "readmission", "v1") == version
    assert version.read_json("model.json") == {"estimator": "keras"}
    assert set(version.read_json("MANIFEST.json")["sha256"]) == {
        "model.json",
        "saved_model/weights",
    }
    registry.verify(version)
    with registry.local_copy(version) as folder:
        assert folder == version.folder


def test_a_changed_or_missing_file_is_named(version, tmp_path):
    weights = tmp_path / "models/readmission/v1/saved_model/weights"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + b"x")
    with pytest.raises(Refused, match="readmission v1: saved_model/weights was changed"):
        registry.verify(version)
    weights.unlink()
    with pytest.raises(Refused, match="saved_model/weights is missing"):
        registry.verify(version)


def test_an_added_file_is_named(version, tmp_path):
    folder = tmp_path / "models/readmission/v1"
    (folder / "saved_model" / "assets").mkdir()  # an empty folder is nothing
    registry.verify(version)
    added = folder / "saved_model" / "custom_ops.so"
    added.write_bytes(b"")
    with pytest.raises(Refused, match=r"saved_model/custom_ops\.so was added after training"):
        registry.verify(version)
    added.unlink()
    (folder / "more").symlink_to(tmp_path)
    with pytest.raises(Refused, match="more was added"):
        registry.verify(version)


def test_an_added_file_of_an_object_store_is_named(version, tmp_path, monkeypatch):
    folder = str(tmp_path / "models/readmission/v1")
    remote = registry.ModelVersion("readmission", "v1", f"file://{folder}")
    match = registry.FileSystems.match

    def remote_match(patterns):
        (found,) = match([pattern.removeprefix("file://") for pattern in patterns])
        for file in found.metadata_list:
            file.path = f"file://{file.path}"
        return [found]

    monkeypatch.setattr(registry.FileSystems, "match", remote_match)
    assert registry._names(remote.folder) == {"MANIFEST.json", "model.json", "saved_model/weights"}


def test_there_is_no_champion_before_the_first(version, tmp_path):
    models = str(tmp_path / "models")
    assert registry.champion(models, "readmission") is None
    registry.promote(version)
    assert registry.champion(models, "readmission") == version


def test_a_champion_is_replaced(version, built, tmp_path):
    models = str(tmp_path / "models")
    second = registry.store(str(built), models, "readmission", "v2")
    registry.promote(version)
    registry.promote(second)
    assert registry.champion(models, "readmission") == second


def test_a_folder_without_manifest_is_no_version(version, tmp_path):
    (tmp_path / "models/readmission/v1/MANIFEST.json").unlink()
    with pytest.raises(UsageError, match="no version 'v1'"):
        registry.version_of(str(tmp_path / "models"), "readmission", "v1")

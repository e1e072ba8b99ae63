"""Trained models: `<models>/<name>/<version>/`, with the hash of every file, and the champion.

A version is written elsewhere first and copied whole, its MANIFEST.json last: a folder without
one is no version. `<models>/<name>/champion` holds the version that scores.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apache_beam.io.filesystem import CompressionTypes

from transforms.errors import Refused, UsageError
from transforms.file_systems import FileSystems
from transforms.local_files import make_folder
from transforms.sources import open_binary

MANIFEST = "MANIFEST.json"
CHAMPION = "champion"
MODEL = "model.json"
METRICS = "metrics.json"
CARD = "card.md"
_BLOCK_BYTES = 1 << 20
# Beam cannot write a file without content to S3: at a URL the manifest alone tells of it.
_EMPTY = hashlib.sha256().hexdigest()


@dataclasses.dataclass(frozen=True)
class ModelVersion:
    """One trained version; `folder` is a local path or a URL without trailing slash."""

    model: str
    version: str
    folder: str

    def file(self, name: str) -> str:
        """The path of one of its files."""
        return f"{self.folder}/{name}"

    def read_json(self, name: str) -> dict[str, Any]:
        """One of its JSON files."""
        with open_binary(self.file(name)) as file:
            found: dict[str, Any] = json.loads(file.read())
        return found


def version_of(models: str, model: str, version: str) -> ModelVersion:
    """A version by its name.

    Raises: UsageError, when there is none.
    """
    found = ModelVersion(model, version, f"{models}/{model}/{version}")
    if not FileSystems.exists(found.file(MANIFEST)):
        raise UsageError(f"{model} has no version {version!r} in {models}")
    return found


def champion(models: str, model: str) -> ModelVersion | None:
    """The version of a model that scores; None before the first was trained."""
    path = f"{models}/{model}/{CHAMPION}"
    if not FileSystems.exists(path):
        return None
    with open_binary(path) as file:
        return version_of(models, model, file.read().decode().strip())


def promote(version: ModelVersion) -> None:
    """Makes the version the champion of its model."""
    path = f"{version.folder.rpartition('/')[0]}/{CHAMPION}"
    text = f"{version.version}\n".encode()
    if "://" in path:
        with FileSystems.create(path) as file:
            file.write(text)
        return
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as temporary:
        temporary.write(text)
    os.replace(temporary.name, path)


def file_hashes(folder: str) -> dict[str, str]:
    """SHA-256 of every file below a local folder, by relative path, the manifest left out."""
    root = Path(folder)
    return {
        str(path.relative_to(root)): _sha256(str(path))
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def content_hash(hashes: dict[str, str]) -> str:
    """One hash of a folder's files and names."""
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open_binary(path) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def store(built: str, models: str, model: str, version: str) -> ModelVersion:
    """Copies a version that was built in a local folder into the registry, manifest last."""
    target = ModelVersion(model, version, f"{models}/{model}/{version}")
    hashes = file_hashes(built)
    for name in hashes:
        if not _is_only_told(target, hashes[name]):
            _copy(f"{built}/{name}", target.file(name))
    manifest = json.dumps({"model": model, "version": version, "sha256": hashes}, indent=1)
    _write(target.file(MANIFEST), manifest.encode())
    return target


def _is_only_told(version: ModelVersion, digest: str) -> bool:
    return digest == _EMPTY and "://" in version.folder


def _copy(source: str, target: str) -> None:
    with open_binary(source) as file:
        _write(target, file.read())


def _write(path: str, data: bytes) -> None:
    make_folder(os.path.dirname(path))
    with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        file.write(data)


def verify(version: ModelVersion) -> None:
    """Compares every file with the manifest: a SavedModel is code, and runs as whoever scores.

    Raises: Refused, when a file is missing, was added or is not what was trained, naming it.
    """
    hashes = version.read_json(MANIFEST)["sha256"]
    for name in sorted(_names(version.folder) - {MANIFEST, *hashes}):
        raise Refused(
            f"{version.model} {version.version}: {name} was added after training; take it away"
        )
    for name, expected in hashes.items():
        path = version.file(name)
        if _is_only_told(version, expected):
            continue
        if not FileSystems.exists(path):
            raise Refused(f"{version.model} {version.version}: {name} is missing")
        if _sha256(path) != expected:
            raise Refused(
                f"{version.model} {version.version}: {name} was changed after training; "
                "train again, or restore the file"
            )


def _names(folder: str) -> set[str]:
    """Everything below a folder that is no folder, by relative path; links too."""
    if "://" in folder:
        found = FileSystems.match([f"{folder}/**"])[0].metadata_list
        return {file.path.removeprefix(f"{folder}/") for file in found}
    return {
        str(path.relative_to(folder))
        for path in Path(folder).rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


@contextlib.contextmanager
def local_copy(version: ModelVersion) -> Iterator[str]:
    """A local folder with the version's files: its own, or for the `with` block a download."""
    if "://" not in version.folder:
        yield version.folder
        return
    with tempfile.TemporaryDirectory(prefix=f"{version.model}-") as folder:
        for name, digest in version.read_json(MANIFEST)["sha256"].items():
            if _is_only_told(version, digest):
                _write(f"{folder}/{name}", b"")
            else:
                _copy(version.file(name), f"{folder}/{name}")
        yield folder

"""Input arguments -> the files behind them; what must not be opened is named, with the reason.

Source: POSIX stat(2): opening a FIFO waits for a writer, so only regular files are opened.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from transforms.errors import UsageError
from transforms.file_systems import FileSystems

LINK_OUT = "symbolic link out of the folder"
LINK_TO_FOLDER = "symbolic link to a folder that is read anyway"
NO_FILE = "neither a file nor a folder"


class Found(NamedTuple):
    """A file of the input; with `skip`, the reason why it is not opened."""

    uri: str
    size_bytes: int
    skip: str = ""


def check_inputs(argument: str, paths: tuple[str, ...]) -> None:
    """Raises: UsageError, when one of the paths matches no file, naming argument and path."""
    for path in paths:
        found = next(match_files(path), None)
        if found is None:
            raise UsageError(f"{argument} {path}: no such file, and no file below it")
        if found.skip == NO_FILE and found.uri == os.path.abspath(path):
            raise UsageError(f"{argument} {path}: {NO_FILE}")


def absolute(path: str) -> str:
    """A path as every process knows it, whatever its working folder; a URL as it is."""
    return path if "://" in path else os.path.abspath(path)


def match_files(path: str) -> Iterator[Found]:
    """An input argument -> the files behind it, each once, in the order of their names.

    A folder stands for all files below it. A symbolic link given as the argument is followed;
    one below a folder only as far as it stays within.
    """
    if "://" in path:
        yield from _match(path, [path] if _is_pattern(path) else _with_all_below(path))
        return
    # The same file has the same URI wherever the command is called.
    path = os.path.abspath(path)
    if os.path.isdir(path):
        yield from _walk(path)
    elif os.path.exists(path):
        # As it is: its name may hold characters that mean something in a glob.
        yield _local(path, root=None)
    elif _is_pattern(path):
        parts = Path(path).parts
        fixed = next(n for n, part in enumerate(parts) if _is_pattern(part))
        root = os.path.realpath(os.path.join(*parts[:fixed]))
        for found in _match(path, [path]):
            if not os.path.isdir(found.uri):
                yield _local(found.uri, root)


def _is_pattern(path: str) -> bool:
    return any(character in path for character in "*?[")


def _with_all_below(path: str) -> list[str]:
    folder = path.rstrip("/")
    return [folder, f"{folder}/**"]


def _match(path: str, patterns: list[str]) -> Iterator[Found]:
    matched = {
        item.path: item.size_in_bytes
        for result in FileSystems.match(patterns)
        for item in result.metadata_list
    }
    for name in sorted(matched):
        yield Found(name, matched[name])


def _walk(folder: str) -> Iterator[Found]:
    root = os.path.realpath(folder)
    # A folder that cannot be listed becomes an input that cannot be opened.
    unlisted: list[str] = []
    for here, folders, files in os.walk(folder, onerror=lambda e: unlisted.append(e.filename)):
        folders.sort()
        for name in sorted(files):
            yield _local(os.path.join(here, name), root)
        for name in folders:
            path = os.path.join(here, name)
            if os.path.islink(path):  # os.walk does not follow it
                yield Found(path, 0, LINK_TO_FOLDER if _is_within(path, root) else LINK_OUT)
        while unlisted:
            yield Found(unlisted.pop(), 0)
    while unlisted:
        yield Found(unlisted.pop(), 0)


def _local(path: str, root: str | None) -> Found:
    if root is not None and os.path.islink(path) and not _is_within(path, root):
        return Found(path, 0, LINK_OUT)
    try:
        found = os.stat(path)
    except OSError:  # gone, or a link to nowhere: the reader will say so
        return Found(path, 0)
    if not stat.S_ISREG(found.st_mode):
        return Found(path, 0, NO_FILE)
    return Found(path, found.st_size)


def _is_within(path: str, root: str) -> bool:
    """Whether a file of the folder `root` is there in truth; root is without links."""
    return Path(os.path.realpath(path)).is_relative_to(root)

"""Folders that are the owner's alone, and files that are whole; at URLs what there is of them."""

import os
import shutil
from pathlib import Path

from transforms.file_systems import FileSystems


def make_folder(folder: str) -> None:
    """A folder that its owner alone may enter; an object store has none."""
    if "://" not in folder:
        os.makedirs(folder, mode=0o700, exist_ok=True)


def remove_folder(folder: str) -> None:
    """Removes a folder, where there is one, and what is in it."""
    if "://" not in folder:
        if os.path.isdir(folder):
            shutil.rmtree(folder)
        return
    FileSystems.delete([file.path for file in FileSystems.match([f"{folder}/**"])[0].metadata_list])


def write_whole(path: str, text: str) -> None:
    """Writes a file that is there whole, or, when the process dies, not at all."""
    if "://" in path:
        with FileSystems.create(path) as file:
            file.write(text.encode())
        return
    unfinished = Path(f"{path}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise

"""How pyiceberg reaches the files of a warehouse: one client of a store for a process.

pyiceberg makes a client for each table that it loads, and a night loads each table several times.
"""

import functools
from collections.abc import Callable

from pyarrow.fs import FileSystem
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.typedef import EMPTY_DICT, Properties


class SharedFileIO(PyArrowFileIO):
    """pyiceberg's own, with the file systems of the first one that had the same properties."""

    def __init__(self, properties: Properties = EMPTY_DICT) -> None:
        super().__init__(properties)
        self.fs_by_scheme = _file_systems(tuple(sorted(properties.items())))


@functools.lru_cache(maxsize=16)
def _file_systems(properties: tuple[tuple[str, str], ...]) -> Callable[..., FileSystem]:
    return PyArrowFileIO(dict(properties)).fs_by_scheme


FILE_IO = f"{SharedFileIO.__module__}.{SharedFileIO.__qualname__}"
"""What the catalog's property `py-io-impl` names."""

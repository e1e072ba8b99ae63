"""Lines that native libraries write straight to stderr while they are loaded."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Holds back what is written to file descriptor 2; an exception shows it after all."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            file.seek(0)
            os.write(2, file.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def load_tensorflow() -> None:
    """Imports TensorFlow and looks for its devices without the notes about missing GPUs."""
    if "tensorflow" not in sys.modules:
        with held_back():
            import tensorflow as tf

            tf.config.list_physical_devices()

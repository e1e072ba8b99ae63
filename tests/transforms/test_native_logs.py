"""What native code writes to stderr is held back, unless something fails."""

import os

import pytest

from transforms.native_logs import held_back


def test_lines_are_held_back_and_stderr_comes_back(capfd):
    with held_back():
        os.write(2, b"a note\n")
    os.write(2, b"an error\n")
    assert capfd.readouterr().err == "an error\n"


def test_a_failure_shows_what_was_held_back(capfd):
    with pytest.raises(ImportError), held_back():
        os.write(2, b"why\n")
        raise ImportError
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "why\nafter\n"

"""What all tests share."""

import hypothesis
import pytest

import pipelines.runner  # noqa: F401 - tells Beam to leave annotations alone, as every verb does
from transforms.keys import Keys

# Machines are shared: how long an example takes says nothing.
hypothesis.settings.register_profile("tests", deadline=None, max_examples=50)
hypothesis.settings.load_profile("tests")


@pytest.fixture
def keys() -> Keys:
    return Keys(b"the key of the tests, not of a site")

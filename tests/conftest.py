"""What all tests share."""

import gc

import hypothesis
import pytest

import pipelines.runner  # noqa: F401 - tells Beam to leave annotations alone, as every verb does
from tests import services as service_processes
from transforms.keys import Keys

# A tenth of the time went into looking through the objects of TensorFlow and Beam for garbage.
gc.set_threshold(20_000)

# Machines are shared: how long an example takes says nothing.
hypothesis.settings.register_profile("tests", deadline=None, max_examples=50)
hypothesis.settings.load_profile("tests")


@pytest.fixture
def keys() -> Keys:
    return Keys(b"the key of the tests, not of a site")


@pytest.fixture(scope="session")
def services():
    """An S3 stand-in and a PostgreSQL server, started once."""
    if why := service_processes.missing():
        pytest.skip(why)
    with service_processes.running() as found:
        yield found


@pytest.fixture
def object_store(services, monkeypatch):
    """The services, for this process."""
    for name, value in services.environment.items():
        monkeypatch.setenv(name, value)
    return services


@pytest.fixture(params=["folder", "object store"])
def location(request, tmp_path):
    """Where a warehouse can be made: a folder, and a bucket with a catalog in PostgreSQL."""
    if request.param == "folder":
        return str(tmp_path / "w")
    return request.getfixturevalue("object_store").new_location()

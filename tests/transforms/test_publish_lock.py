"""The lock of a catalog in PostgreSQL; that of a folder is in the tests of faults."""

import pytest
import sqlalchemy

from transforms import publish_lock
from transforms.errors import RunFailed, UsageError
from transforms.publish_lock import lock_catalog
from transforms.warehouse import open_warehouse


@pytest.fixture
def opened(object_store):
    return open_warehouse(object_store.new_location(), create=True, buckets=2)


def test_nobody_opens_while_another_holds_it(opened, monkeypatch):
    monkeypatch.setattr(publish_lock, "LOCK_TIMEOUT_S", 0.1)
    hangs = pytest.raises(RunFailed, match="look for one that hangs")
    with lock_catalog(opened.catalog, opened.folder), hangs:
        open_warehouse(opened.folder)
    assert open_warehouse(opened.folder).buckets == 2


def test_it_goes_with_the_connection_of_whoever_held_it(opened):
    end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    with lock_catalog(opened.catalog, opened.folder), opened.catalog.engine.connect() as other:
        assert other.execute(sqlalchemy.text(end)).scalars().all() == [True]
        assert open_warehouse(opened.folder).buckets == 2


def test_it_is_given_back_after_an_error(opened, monkeypatch):
    monkeypatch.setattr(publish_lock, "LOCK_TIMEOUT_S", 5.0)
    with pytest.raises(KeyError), lock_catalog(opened.catalog, opened.folder):
        raise KeyError
    with lock_catalog(opened.catalog, opened.folder):
        pass


def test_a_url_without_such_a_catalog_is_refused(object_store, tmp_path):
    location = f"{object_store.new_bucket()}/w"
    uri = f"sqlite:///{tmp_path}/catalog.db"
    object_store.write(f"{location}/nightrounds.toml", f'[catalog]\nuri = "{uri}"\n')
    with pytest.raises(UsageError, match="needs a catalog in PostgreSQL"):
        open_warehouse(location, create=True)


def test_the_catalog_of_another_warehouse_is_refused(opened, object_store):
    from transforms.schemas import TABLES

    opened._create(TABLES["events"])
    lines = object_store.read(f"{opened.folder}/nightrounds.toml")
    location = f"{object_store.new_bucket()}/other"
    object_store.write(f"{location}/nightrounds.toml", lines)
    with pytest.raises(UsageError, match="each needs a database of its own"):
        open_warehouse(location, create=True)

"""One opening or publication of a warehouse at a time.

A folder is locked by a file in it, for the processes of one machine; a catalog in PostgreSQL by an
advisory lock, for those of many. Both go with the process that held them: whoever holds them and
finds a journal knows that the run that wrote it is dead.

Source: https://www.postgresql.org/docs/15/explicit-locking.html#ADVISORY-LOCKS
"""

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from typing import TypeGuard

import sqlalchemy
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog

from transforms.errors import RunFailed, UsageError

LOCK_TIMEOUT_S = 600.0
_POLL_S = 0.05
_KEY = int.from_bytes(b"nights")  # one warehouse per database, so one number will do


@contextlib.contextmanager
def lock_folder(folder: str) -> Iterator[None]:
    """Holds the lock of a local warehouse; a URL has none of its own.

    Raises: RunFailed, when another process holds it for longer than any publication takes.
    """
    if "://" in folder:
        yield
        return
    with open(f"{folder}/journal/lock", "w") as file:

        def attempt() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        _wait_for(attempt)
        yield


@contextlib.contextmanager
def lock_catalog(catalog: Catalog, folder: str) -> Iterator[None]:
    """Holds the lock of a catalog in PostgreSQL; others have none.

    Raises: RunFailed, as `lock_folder`; UsageError, when the warehouse is at a URL and so has no
    other lock.
    """
    if not is_shared(catalog):
        if "://" in folder:
            raise UsageError(
                f"--warehouse {folder}: a warehouse at a URL needs a catalog in PostgreSQL, which "
                "keeps two runs apart: see docs/DEPLOYMENT.md"
            )
        yield
        return
    connection = catalog.engine.execution_options(isolation_level="AUTOCOMMIT").connect()
    connection.detach()  # closing it then ends it, and what it holds
    try:
        # Else the server takes hours to notice that a machine is gone.
        for setting, value in (("idle", 30), ("interval", 10), ("count", 3)):
            connection.exec_driver_sql(f"SET tcp_keepalives_{setting} = {value}")
        question = sqlalchemy.text("SELECT pg_try_advisory_lock(:key)").bindparams(key=_KEY)
        _wait_for(lambda: bool(connection.execute(question).scalar()))
        yield
    finally:
        with contextlib.suppress(sqlalchemy.exc.DBAPIError):  # it is gone already
            connection.close()


def is_shared(catalog: Catalog) -> TypeGuard[SqlCatalog]:
    """Whether it is in PostgreSQL, for many machines."""
    return isinstance(catalog, SqlCatalog) and catalog.engine.dialect.name == "postgresql"


def _wait_for(attempt: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + LOCK_TIMEOUT_S
    while not attempt():
        if time.monotonic() > deadline_s:
            raise RunFailed(
                f"another process has been publishing in this warehouse for {LOCK_TIMEOUT_S} "
                f"seconds: nothing was published; look for one that hangs, then run it again"
            )
        time.sleep(_POLL_S)

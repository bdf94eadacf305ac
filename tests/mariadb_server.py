"""A real MariaDB for tests and benchmarks, where the Debian package mariadb-server-core is installed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

_READY_SECONDS = 120


def binary() -> str | None:
    """Where it is; Debian puts it where no user's PATH leads."""
    return shutil.which("mariadbd") or shutil.which("/usr/sbin/mariadbd")


@contextlib.contextmanager
def serve_mariadb(folder: Path) -> Iterator[str]:
    """The address of an empty database `shop`, over a socket in the folder; nothing stays behind but its files."""
    (folder / "data").mkdir()
    run = [str(binary()), "--no-defaults", f"--datadir={folder}/data"]
    # Without tables of grants nothing has to be installed first; only this machine's users reach the socket.
    run += ["--skip-grant-tables", "--skip-networking", f"--socket={folder}/s", f"--pid-file={folder}/pid"]
    # No crash of the server is tried, so nothing waits for the disk.
    run += ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"]
    run += [f"--user={pwd.getpwuid(os.getuid()).pw_name}"]
    process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"mysql+pymysql://root@localhost/{{}}?unix_socket={folder}/s&charset=utf8mb4"
    try:
        _wait_until_it_listens(process, folder / "s")
        engine = sa.create_engine(address.format(""))
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE DATABASE shop CHARACTER SET utf8mb4"))
        engine.dispose()
        yield address.format("shop")
    finally:
        process.terminate()
        process.wait(240)


def _wait_until_it_listens(process: subprocess.Popen[bytes], path: Path) -> None:
    """By a plain socket: an attempt of the driver that fails leaves one open."""
    until = time.monotonic() + _READY_SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as one:
            try:
                one.connect(str(path))
            except OSError:
                assert process.poll() is None, "MariaDB has ended"
                assert time.monotonic() < until, f"MariaDB is not ready after {_READY_SECONDS} s"
                time.sleep(0.05)
            else:
                return

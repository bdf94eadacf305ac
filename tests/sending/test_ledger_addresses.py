"""What a ledger's address may lead to: nothing, another program's file, half a ledger, one that cannot be written."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from bulk_bench import POSTGRESQL

from esms_connectors import ConfigurationError
from esms_connectors.ledger import Ledger, addresses, engines, existence
from esms_connectors.ledger.database import LedgerError
from esms_connectors.ledger.rows import LedgerRow


def changed(url: str, *statements: str) -> None:
    """A ledger whose database somebody has been at."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for one in statements:
            connection.execute(sa.text(one))
    engine.dispose()


def of_one_run(ledger_url: str) -> str:
    with Ledger.open(ledger_url) as ledger:
        ledger.begin_run("march", "zns", {})
        ledger.claim("march", [LedgerRow("one", "0901888484", "x", 1)], worker="w", chunk="c")
    return ledger_url


def test_ledger_mounted_as_a_single_file_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its journal would be in the container, and a container that is killed would take what was sent with it."""
    file, mounts = tmp_path / "a ledger.sqlite", tmp_path / "mounts"
    shown = str(file).replace(" ", r"\040")
    line = f"613 580 254:0 /srv/ledger.sqlite {shown} rw,relatime - ext4 /dev/vda rw\n"
    monkeypatch.setattr(addresses, "_MOUNTS", str(mounts))
    mounts.write_text(line.replace(shown, "/elsewhere").replace("/srv/ledger.sqlite", shown))
    Ledger.open(file).close()
    mounts.write_text(line)
    with pytest.raises(ConfigurationError, match="Mount its folder instead"):
        Ledger.open(file)


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("lost", ["DROP TABLE esms_sends", "DELETE FROM esms_ledger_version"])
def test_incomplete_ledger_is_rejected(ledger_url: str, lost: str, create: bool) -> None:
    """A dump that was restored in part: everybody would get their messages again."""
    changed(of_one_run(ledger_url), lost)
    with pytest.raises(ConfigurationError, match="is incomplete, so it is unknown what was sent"):
        Ledger.open(ledger_url, create=create)


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_database_of_another_program_is_rejected_and_left_unchanged(tmp_path: Path, journal: str) -> None:
    """Nor another journal, also where a campaign is to begin."""
    file = tmp_path / "shop.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute(f"PRAGMA journal_mode = {journal}")
        other.execute("CREATE TABLE customers (phone)")
    before = file.read_bytes()
    for create in (True, False):
        with pytest.raises(ConfigurationError, match=r"shop\.db is not a ledger"):
            Ledger.open(file, create=create)
    assert (file.read_bytes(), os.listdir(tmp_path)) == (before, ["shop.db"])


@pytest.mark.parametrize("create", [True, False])
def test_damaged_ledger_file_is_reported_with_its_path_and_cause(sqlite_url: str, create: bool) -> None:
    """It is a ledger, so another path is no advice."""
    Ledger.open(sqlite_url).close()
    file = sqlite_url.removeprefix("sqlite:///")
    os.truncate(file, 90_000)
    with pytest.raises(ConfigurationError) as told:
        Ledger.open(sqlite_url, create=create)
    assert str(told.value) == f"The ledger {file} cannot be opened: database disk image is malformed."


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on no file and folder can be written, as far as anybody asks."""
    return lambda: monkeypatch.setattr(engines.os, "access", lambda *_: False)


def test_read_only_ledger_file_can_be_read(sqlite_url: str, locked: Callable[[], None], tmp_path: Path) -> None:
    """A backup, a volume that is mounted for reading: rows come, and nothing is left beside the file."""
    of_one_run(sqlite_url)
    locked()
    before = sorted(os.listdir(tmp_path))
    with Ledger.open(sqlite_url, create=False) as ledger:
        assert [row["row_key"] for row in ledger.rows("march")] == ["one"]
        with pytest.raises(LedgerError, match=r"^The ledger cannot be written: .*readonly") as told:
            ledger.begin_run("april", "zns", {})
        assert not told.value.retryable
    assert sorted(os.listdir(tmp_path)) == before


def test_unreadable_journal_is_named_in_the_error(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite needs a third file for it, and on a disk that is mounted for reading fails as if there were no file."""
    of_one_run(sqlite_url)
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    file.with_name(f"{file.name}-wal").write_bytes(b"")
    monkeypatch.setattr(existence, "read_only", lambda _: "file:/nowhere/ledger.sqlite?mode=ro")
    with pytest.raises(ConfigurationError, match=r"its journal ledger\.sqlite-wal can only be read in a folder"):
        Ledger.open(sqlite_url, create=False)


def test_read_only_ledger_shows_concurrent_writes(sqlite_url: str, locked: Callable[[], None]) -> None:
    with Ledger.open(sqlite_url) as writing:
        writing.begin_run("march", "zns", {})
        locked()
        with Ledger.open(sqlite_url, create=False) as reading:
            writing.begin_run("april", "zns", {})
            assert {key for key, _ in reading.runs()} == {"march", "april"}


def test_read_only_ledger_of_an_older_version_is_rejected(sqlite_url: str, locked: Callable[[], None]) -> None:
    Ledger.open(sqlite_url).close()
    changed(sqlite_url, "UPDATE esms_ledger_version SET version = 2")
    locked()
    with pytest.raises(ConfigurationError, match="is an older version's and cannot be written"):
        Ledger.open(sqlite_url, create=False)


def test_read_only_postgresql_ledger_can_be_read(new_ledger_url: Callable[[str], str]) -> None:
    """A standby, a role that may only read."""
    url = of_one_run(new_ledger_url(POSTGRESQL)).replace("options=", "options=-cdefault_transaction_read_only%3Don%20")
    with Ledger.open(url, create=False) as ledger:
        assert [row["row_key"] for row in ledger.rows("march")] == ["one"]


@pytest.mark.parametrize("secret", ["from a file\n", "half a character \udcff"])
def test_phone_secret_with_invalid_characters_is_rejected(tmp_path: Path, secret: str) -> None:
    """Another machine reads it without, and no phone of one would match those of the other."""
    with pytest.raises(ConfigurationError, match="ESMS_LEDGER_SECRET"):
        Ledger.open(tmp_path / "ledger.sqlite", phone_secret=secret)

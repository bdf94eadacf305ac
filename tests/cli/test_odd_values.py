"""Numbers without an end, places that may not be looked at, addresses in the wrong option: one line, no password."""

import os
import pwd
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from running import Run

from esms_connectors import ConfigurationError, InvalidRequestError
from esms_connectors.emulator import Emulator
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.credentials import Credentials
from esms_connectors.gateway.paths import kind_at
from esms_connectors.ledger import Ledger
from esms_connectors.sending.reconcile import reconcile

LONG_NAME = "x" * 300
MANY = "9" * 40


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    ("option", "command"),
    [
        ("--minutes", ("wait", "run")),
        ("--poll-seconds", ("wait", "run")),
        ("--delivered", ("wait", "run")),
        ("--not-sent-after", ("reconcile", "run")),
        ("--most-days", ("pull", "--into", "duckdb:////dev/null/a.duckdb")),
        ("--max-age", ("pull", "--into", "duckdb:////dev/null/a.duckdb")),
        ("--days", ("coverage", "--into", "duckdb:////dev/null/a.duckdb")),
        ("--limit", ("sql", "select 1", "--into", "duckdb:////dev/null/a.duckdb")),
        ("--dead", ("suppress", "import", "duckdb:////dev/null/a.duckdb")),
        ("--timeout", ("balance",)),
    ],
)
def test_out_of_range_numbers_are_rejected(run: Run, option: str, command: Sequence[str]) -> None:
    """They are added to times and given to databases: nothing there overflows."""
    done = run(*command, option, "nan" if option in ("--delivered", "--minutes", "--not-sent-after") else MANY)
    assert done.returncode == 2, done.stderr
    assert option in done.stderr


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, 1e300])
def test_invalid_settling_time_is_rejected(tmp_path: Path, seconds: float) -> None:
    """In Python too: with NaN every comparison is false, and a row in doubt could count as not sent."""
    with (
        Ledger.open(tmp_path / "ledger.sqlite") as ledger,
        EsmsClient(Credentials("key-of-a-test", "secret-of-a-test")) as client,
        pytest.raises(InvalidRequestError, match="not_sent_after_seconds"),
    ):
        reconcile(client, ledger, "run", not_sent_after_seconds=seconds)


@pytest.mark.parametrize(
    "command",
    [
        ("ledger", "show", "run", "--ledger"),
        ("send-sms", "--to", "0901888484", "--text", "a", "--brandname", "b", "--ledger"),
        ("balance", "--ca-bundle"),
        ("sql", "select 1", "--into"),
        ("forget", "--older-than", "400d", "--rejects"),
    ],
)
def test_inaccessible_path_gives_the_system_error(run: Run, emulator: Emulator, command: Sequence[str]) -> None:
    """It says what the system says, and not that there is nothing: nobody starts a new ledger beside the old one."""
    done = run(*command, LONG_NAME)
    assert done.returncode == 2, done.stderr
    assert "File name too long" in done.stderr
    assert emulator.message_count == 0


def test_kind_at_distinguishes_folder_file_nothing_and_other(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert [kind_at(one) for one in (tmp_path, file, tmp_path / "none", file / "below", "/dev/null")] == [
        "folder", "file", "nothing", "nothing", "other",
    ]  # fmt: skip
    with pytest.raises(ConfigurationError, match="File name too long"):
        kind_at(tmp_path / LONG_NAME)


def test_unreadable_folder_gives_configuration_error(tmp_path: Path) -> None:
    """A ledger in it may exist."""
    mine = os.geteuid()
    tmp_path.chmod(0)
    if mine == 0:  # may read everything
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        with pytest.raises(ConfigurationError, match="Permission denied"):
            kind_at(tmp_path / "ledger.sqlite")
    finally:
        os.seteuid(mine)
        tmp_path.chmod(stat.S_IRWXU)


@pytest.mark.parametrize(
    "arguments",
    [
        ("ledger", "show", "postgresql://esms:geheim@db/esms"),
        ("marts", "postgresql://esms:geheim@db/esms"),
        ("send-sms", "--to", "0901888484", "--at", "postgresql://esms:ge@h/eim@db/esms", "--text", "a"),
        ("balance", "--timeout", "http://user:geheim@proxy:3128"),
        ("balance", "--json", "--ca-bundle", "http://user:geheim@proxy:3128"),
    ],
)
def test_password_in_a_misplaced_url_is_not_shown(run: Run, arguments: Sequence[str]) -> None:
    """The error may end up in the log of a cron job."""
    done = run(*arguments)
    assert done.returncode == 2, done.stderr
    assert not any(part in done.stdout + done.stderr for part in ("geheim", "ge@h", "eim@"))

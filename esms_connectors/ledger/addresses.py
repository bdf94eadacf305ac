"""Ledgers in files: the path in the URL, and the URL with an absolute path."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from esms_connectors.databases.urls import check_database_url
from esms_connectors.gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


_MOUNTS = "/proc/self/mountinfo"


def plain_path(url: str | Path | None) -> str | None:
    """
    The path of a SQLite file if `url` is a path; the default file of the user if it is None; None for a URL.

    Raises:
        ConfigurationError: the URL is ambiguous.
    """
    if url is None:
        import platformdirs

        return str(platformdirs.user_data_path("esms-connectors") / "ledger.sqlite")
    if isinstance(url, Path):
        return str(url)
    check_database_url(url, "The ledger's URL")
    return None if "://" in url else url


def ledger_file(url: str | Path | None) -> Path | None:
    """
    The SQLite file that `url` names, relative if it is given so; None for a server.

    Raises:
        ConfigurationError: the URL cannot be parsed.
    """
    database = plain_path(url)
    if database is None:
        parsed = _parsed(url)
        database = parsed.database if parsed.get_backend_name() == "sqlite" else None
    return Path(database).expanduser() if database and database != ":memory:" else None


def absolute_ledger_url(url: str) -> str:
    """
    `url` with a path made absolute in the current working directory; URLs of servers are unchanged.

    Raises:
        ConfigurationError: the URL cannot be parsed.
    """
    file = ledger_file(url)
    if file is None or file.is_absolute():
        return url
    return _parsed(url).set(database=str(file.absolute())).render_as_string(hide_password=False)


def read_only(file: Path) -> str:
    """
    The SQLite URI that opens a file without changing it or its folder. Without a journal beside it the file must be
    declared immutable: SQLite would otherwise create an empty journal, or fail in a folder that cannot be written.
    """
    file = file.resolve()
    how = "mode=ro" if file.with_name(f"{file.name}-wal").exists() else "mode=ro&immutable=1"
    return f"{file.as_uri()}?{how}"


def check_journal_is_kept(file: Path) -> None:
    """
    Raises:
        ConfigurationError: only the file itself is mounted, as in a container. SQLite writes its journal beside it,
            which other containers do not see, and which is lost with this one.
    """
    try:
        mounts = Path(_MOUNTS).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return  # not Linux
    shown = str(file.resolve()).replace("\\", r"\134").replace(" ", r"\040")
    if any(mount.split()[4:5] == [shown] for mount in mounts):
        raise ConfigurationError(
            f"The ledger {file} is mounted as a single file, so its journal would be lost with this container, and "
            "with it what was sent. Mount its folder instead."
        )


def check_is_ledger(path: Path, tables: Collection[str]) -> None:
    """
    Args:
        tables: the names in the file; empty for a new one.

    Raises:
        ConfigurationError: the tables belong to another program.
    """
    if tables and not any(name.startswith("esms_") for name in tables):
        raise not_a_ledger(path)


def not_a_ledger(path: Path) -> ConfigurationError:
    return ConfigurationError(f"{path} is not a ledger: give another path, or leave it out.")


def _parsed(url: str | Path | None) -> URL:
    from esms_connectors.ledger.engines import parse_url  # needs SQLAlchemy

    return parse_url(url)

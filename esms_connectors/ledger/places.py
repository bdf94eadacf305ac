"""Where a ledger is a file: the path in its URL, and the same URL for whoever reads it in another folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from esms_connectors.databases.urls import check_database_url

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


def plain_path(url: str | Path | None) -> str | None:
    """
    The path of a SQLite file where `url` is one, or None, which means the user's own file; None for an address.

    Raises:
        ConfigurationError: libraries would read the address in two ways.
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
    The SQLite file that `url` names, relative where it is written so; None for a server.

    Raises:
        ConfigurationError: the URL cannot be read.
    """
    database = plain_path(url)
    if database is None:
        parsed = _parsed(url)
        database = parsed.database if parsed.get_backend_name() == "sqlite" else None
    return Path(database).expanduser() if database and database != ":memory:" else None


def absolute_ledger_url(url: str) -> str:
    """
    `url` with an absolute path, from the present working folder; URLs of servers as they are.

    Raises:
        ConfigurationError: the URL cannot be read.
    """
    file = ledger_file(url)
    if file is None or file.is_absolute():
        return url
    return _parsed(url).set(database=str(file.absolute())).render_as_string(hide_password=False)


def _parsed(url: str | Path | None) -> URL:
    from esms_connectors.ledger.engines import parse_url  # which needs SQLAlchemy

    return parse_url(url)

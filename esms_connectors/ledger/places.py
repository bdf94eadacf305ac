"""Where a ledger is a file: the path in its URL, and the same URL for whoever reads it in another folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


def ledger_file(url: str | Path | None) -> Path | None:
    """
    The SQLite file that `url` names, relative where it is written so; None for a server.

    Raises:
        ConfigurationError: the URL cannot be read.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    return Path(parsed.database).expanduser()


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

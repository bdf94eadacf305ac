"""Where a warehouse is a file or folder of this machine: its path, and the same address for other working folders."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from esms_connectors.warehouse.opening import duckdb_path


def local_path(address: str | Path) -> Path | None:
    """The file or folder that `address` names, relative where it is written so; None for servers and object stores."""
    text = str(address).strip()
    path = duckdb_path(text)
    if path is None and (not (scheme := _scheme(text)) or scheme == "file"):
        path = text.removeprefix(f"{scheme}://").partition("?")[0]
    return Path(path).expanduser() if path else None


def absolute_address(address: str) -> str:
    """`address` with an absolute path, from the present working folder; servers and object stores as they are."""
    path = local_path(address)
    if path is None or path.is_absolute():
        return address
    text = address.strip()
    if _scheme(text) == "duckdb":
        return f"duckdb:///{quote(str(path.absolute()))}"
    _, mark, query = text.partition("?") if duckdb_path(text) is None else ("", "", "")
    return f"{path.absolute()}{mark}{query}"


def _scheme(text: str) -> str:
    return text.split("://", 1)[0].lower() if "://" in text else ""

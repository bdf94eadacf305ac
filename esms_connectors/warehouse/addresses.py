"""Warehouses that are local files or folders: their path, and their address with an absolute path."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from esms_connectors.warehouse.opening import duckdb_path


def local_path(address: str | Path) -> Path | None:
    """
    The file or folder that `address` names, relative if given so; None for servers and object stores. For dlt it is the
    one in dlt's settings, by default a file in the working folder.
    """
    text = str(address).strip()
    if _scheme(text) == "dlt":
        return _file_of_dlt(urlsplit(text).netloc)
    path = duckdb_path(text)
    if path is None and (not (scheme := _scheme(text)) or scheme == "file"):
        path = text.removeprefix(f"{scheme}://").partition("?")[0]
    return Path(path).expanduser() if path else None


def absolute_address(address: str) -> str:
    """`address` with an absolute path, resolved in the working folder; servers and object stores unchanged."""
    path = local_path(address)
    if path is None or path.is_absolute() or _scheme(address.strip()) == "dlt":
        return address
    text = address.strip()
    if _scheme(text) == "duckdb":
        return f"duckdb:///{quote(str(path.absolute()))}"
    _, mark, query = text.partition("?") if duckdb_path(text) is None else ("", "", "")
    return f"{path.absolute()}{mark}{query}"


# Destinations of dlt that are a local file -> its default name.
_FILES_OF_DLT = {"duckdb": "esms_connectors.duckdb", "ducklake": "ducklake.sqlite", "sqlalchemy": None}


def _file_of_dlt(destination: str) -> Path | None:
    if destination not in _FILES_OF_DLT:
        return None
    found: Any = None
    if importlib.util.find_spec("dlt") is not None:
        found = importlib.import_module("dlt").secrets.get(f"destination.{destination}.credentials")
    if isinstance(found, Mapping):
        found = found.get("catalog", found) if destination == "ducklake" else found
        found = found.get("database") if isinstance(found, Mapping) else found
    text = str(found or "")
    scheme = _scheme(text)
    if scheme and scheme.split("+")[0] not in ("duckdb", "sqlite"):
        return None
    path = unquote(text[len(f"{scheme}://") :].removeprefix("/")) if scheme else text
    path = path.partition("?")[0] or _FILES_OF_DLT[destination] or ""
    return Path(path) if path and path != ":memory:" else None


def _scheme(text: str) -> str:
    return text.split("://", 1)[0].lower() if "://" in text else ""

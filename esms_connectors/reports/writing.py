"""Writes a report to files, on a local disk or any file system that fsspec knows. The suffix selects the format."""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from esms_connectors.databases.file_systems import is_local, open_file_system, shown_address
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.reports.model import Report
from esms_connectors.warehouse.errors import refusals

if TYPE_CHECKING:
    from esms_connectors.reports.language import Language

_Render = Callable[[Report, "Language"], bytes | dict[str, bytes]]


def write_report(
    report: Report, target: str | Path, *, language: str = "en", storage_options: Mapping[str, Any] | None = None
) -> list[str]:
    """
    Write a report. An existing file is replaced atomically.

    Args:
        target: a path or an fsspec URL, such as `s3://bucket/reports/november.xlsx`, that ends in .html, .xlsx, .md,
            .json, .csv or .parquet. The last two have one file per table, `november.days.csv` and so on.
        language: `en` or `vi`.
        storage_options: for the fsspec implementation.

    Returns:
        The addresses of the files, without keys.

    Raises:
        InvalidRequestError: another suffix, another language.
        ConfigurationError, WarehouseError: a missing extra, or the target cannot be written to.
    """
    folder, stem, suffix = _parts(target)
    files = {
        f"{stem}{'.' + name if name else ''}{suffix}": content
        for name, content in render_report(report, suffix, language=language).items()
    }
    store = _Folder(folder, storage_options or {})
    return [store.put(name, content) for name, content in files.items()]


def put_file(target: str | Path, content: bytes) -> str:
    """
    Write any file as a report is written, readable by its owner only. Returns its address, without keys.

    Raises:
        ConfigurationError, WarehouseError: as in `write_report`.
    """
    folder, separator, name = str(target).replace(os.sep, "/").rpartition("/")
    return _Folder(folder + separator, {}).put(name, content)


def render_report(report: Report, suffix: str, *, language: str = "en") -> dict[str, bytes]:
    """
    Render a report without writing it: table name -> file content, or "" -> the content of the single file.

    Args:
        suffix: as in `write_report`, with the dot.
    """
    from esms_connectors.reports.language import get_language

    made = _renderer(suffix)(report, get_language(language))
    return made if isinstance(made, dict) else {"": made}


def check_target(target: str | Path) -> None:
    """
    Check the target of `write_report` before the numbers are computed.

    Raises:
        InvalidRequestError: no name or another suffix. ConfigurationError: a missing extra.
    """
    _, _, suffix = _parts(target)
    _renderer(suffix)


def _parts(target: str | Path) -> tuple[str, str, str]:
    folder, separator, name = str(target).replace(os.sep, "/").rpartition("/")
    path = PurePosixPath(name)
    if not path.stem or path.suffix.lower() not in _RENDERERS:
        kinds = ", ".join(_RENDERERS)
        raise InvalidRequestError(f"A report is written to a file that ends in one of {kinds}.", field="out")
    return folder + separator, path.stem, path.suffix.lower()


def _renderer(suffix: str) -> _Render:
    if suffix not in _RENDERERS:
        raise InvalidRequestError(f"A report is one of {', '.join(_RENDERERS)}, not {suffix}.", field="out")
    missing = ""
    try:
        return _RENDERERS[suffix]()
    except ImportError as error:
        missing = error.name or "a package"
    raise ConfigurationError(f"This needs the extra [reports] ({missing}): pip install 'esms-connectors[reports]'")


# Imported on demand, so that Markdown does not load the chart library.


def _html() -> _Render:
    from esms_connectors.reports.html import render_html

    return lambda report, language: render_html(report, language).encode()


def _xlsx() -> _Render:
    from esms_connectors.reports.xlsx import write_xlsx

    def render(report: Report, language: Language) -> bytes:
        out = io.BytesIO()
        write_xlsx(report, language, out)
        return out.getvalue()

    return render


def _markdown() -> _Render:
    from esms_connectors.reports.text import as_markdown

    return lambda report, language: as_markdown(report, language).encode()


def _csv() -> _Render:
    from esms_connectors.reports.columns import as_csv

    return as_csv


def _parquet() -> _Render:
    from esms_connectors.reports.columns import as_parquet

    return as_parquet


def _json() -> _Render:
    from esms_connectors.reports.columns import as_json

    return as_json


_RENDERERS: dict[str, Callable[[], _Render]] = {
    ".html": _html,
    ".xlsx": _xlsx,
    ".md": _markdown,
    ".csv": _csv,
    ".parquet": _parquet,
    ".json": _json,
}


class _Folder:
    """The folder that the files are written to."""

    def __init__(self, folder: str, storage_options: Mapping[str, Any]) -> None:
        self._local = Path(folder or ".").expanduser() if "://" not in folder else None
        if self._local is not None:
            return
        self._fs, root = open_file_system(folder, "report", **storage_options)
        self._root = root.rstrip("/")
        if is_local(self._fs):
            self._local = Path(self._root or "/")
        else:
            self._shown = shown_address(folder, self._root)

    def put(self, name: str, content: bytes) -> str:
        if self._local is None:
            shown = f"{self._shown}/{name}"
            with refusals(shown, "cannot be written"):
                self._fs.pipe_file(f"{self._root}/{name}", content)
            return shown
        final = self._local / name
        aside = self._local / f".{name}.{uuid.uuid4().hex}"
        with refusals(str(final), "cannot be written"):
            self._local.mkdir(parents=True, exist_ok=True)
            try:
                aside.touch(mode=0o600)  # it may hold phones
                aside.write_bytes(content)
                aside.replace(final)
            finally:
                aside.unlink(missing_ok=True)
        return str(final)

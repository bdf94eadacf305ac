"""
Workbooks: XLSX (also XLSM) as a stream; XLS, XLSB and ODS through calamine, which holds the sheet in memory.

The sheet, and the row with the column names, are given or found by the names that are wanted.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pickle
import subprocess
import sys
import threading
import weakref
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import IO, Any, Literal, Protocol

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.recipients import calamine_process
from esms_connectors.recipients.cells import MergedRange, SheetInfo, SheetRow, sheet_value
from esms_connectors.recipients.delimited import RawRow, source_error
from esms_connectors.recipients.headers import LOOKED_AT, find_header, has_all, shown
from esms_connectors.recipients.xlsx import WorkbookError, XlsxWorkbook

SUFFIXES = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_HIDDEN = "is hidden in the sheet, by a filter or by hand: show it or delete it, or use hidden_rows='read'"


class Workbook(Protocol):
    sheets: list[SheetInfo]

    def rows(self, sheet: str) -> Iterator[SheetRow]: ...

    def merged(self, sheet: str) -> list[MergedRange]: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class SheetRows:
    """
    The rows of a sheet below its header.

    Attributes:
        notes: remarks for people who look at the same sheet, one line each; more are added while rows are read.
    """

    names: tuple[str, ...]
    rows: Iterator[RawRow]
    notes: list[str] = field(default_factory=list)


def open_workbook(file: IO[bytes], name: str) -> Workbook:
    """
    A workbook of any kind, recognised by its content.

    Raises:
        InvalidRequestError: it cannot be read; ConfigurationError: the extra [excel] is missing.
    """
    head = file.read(4096)
    file.seek(0)
    if head[:4] not in (_ZIP, _OLE):
        inside = "a web page" if head.lstrip()[:1] == b"<" else "not a workbook"
        raise source_error(
            name, f"is {inside if head else 'empty'}, whatever its name says: open it in Excel and save it as .xlsx"
        )
    try:
        if head.startswith(_ZIP) and not _needs_calamine(file):
            return XlsxWorkbook(file)
        return _CalamineWorkbook(file)
    except WorkbookError as error:
        raise source_error(name, str(error)) from None


def read_sheet(
    workbook: Workbook,
    name: str,
    *,
    wanted: Sequence[str] | None,
    sheet: str | None,
    header_row: int | None,
    hidden_rows: Literal["refuse", "read"],
) -> SheetRows:
    """
    The rows of the sheet that has the wanted columns.

    Raises:
        InvalidRequestError: there is no such sheet, several have the columns, or it is empty; later, a damaged sheet.
    """
    try:
        chosen = _choose(workbook, name, sheet, wanted, header_row)
        rows = workbook.rows(chosen)
        sample = list(islice(rows, LOOKED_AT if header_row is None else header_row))
        if header_row is None:
            at = find_header([row.cells for row in sample], wanted)
        else:
            at = next((at for at, row in enumerate(sample) if row.number == header_row), None)
        if at is None:
            where = f" in sheet {shown(chosen)}" if len(workbook.sheets) > 1 else ""
            what = "no rows" if header_row is None else f"nothing in row {header_row}"
            raise source_error(name, f"has {what}{where}")
        merged = workbook.merged(chosen)
    except WorkbookError as error:
        raise source_error(name, str(error)) from None
    header = sample[at]
    names = tuple("" if cell is None else str(cell).strip() for cell in header.cells)
    while names and not names[-1]:
        names = names[:-1]
    found = SheetRows(names, iter(()))
    if len(workbook.sheets) > 1 and sheet is None:
        found.notes.append(f"read from sheet {shown(chosen)}")
    if at and header_row is None:
        found.notes.append(f"the column names are in row {header.number}; what is above is a title")
    below = [one for one in merged if one.top > header.number and one.left < len(names)]
    tall = [one for one in below if one.bottom > one.top]
    if tall:
        found.notes.append(f"{counted(len(tall), 'merged cell')}: the value applies to all rows covered")
    found.rows = _data_rows(chain(sample[at + 1 :], rows), len(names), tall, hidden_rows == "read", name, found.notes)
    return found


def _choose(
    workbook: Workbook, name: str, sheet: str | None, wanted: Sequence[str] | None, header_row: int | None
) -> str:
    sheets = workbook.sheets
    listed = ", ".join(shown(one.name) + (" (hidden)" if one.hidden else "") for one in sheets)
    if sheet is not None:
        exact = [one.name for one in sheets if one.name == sheet]
        alike = [one.name for one in sheets if one.name.strip().casefold() == sheet.strip().casefold()]
        if not (exact or alike):
            raise InvalidRequestError(f"{name} has no sheet {sheet!r}. It has: {listed}.", field="sheet")
        return (exact or alike)[0]
    visible = [one.name for one in sheets if not one.hidden] or [one.name for one in sheets]
    if len(visible) == 1 or not wanted:
        return visible[0]
    fitting = [one for one in visible if _fits(workbook, one, wanted, header_row)]
    if len(fitting) > 1:
        which = ", ".join(map(shown, fitting))
        raise InvalidRequestError(f"{name} has these columns in the sheets {which}: choose one.", field="sheet")
    return fitting[0] if fitting else visible[0]


def _fits(workbook: Workbook, sheet: str, wanted: Sequence[str], header_row: int | None) -> bool:
    rows = islice(workbook.rows(sheet), LOOKED_AT if header_row is None else header_row)
    return any(has_all(row.cells, wanted) for row in rows if header_row in (None, row.number))


def _data_rows(
    rows: Iterator[SheetRow], width: int, merged: Sequence[MergedRange], read_hidden: bool, name: str, notes: list[str]
) -> Iterator[RawRow]:
    """Rows as wide as the header. Cells outside the table have no column name, so no caller can ask for them."""
    begins: dict[int, list[MergedRange]] = {}
    for one in merged:
        begins.setdefault(one.top, []).append(one)
    running: list[tuple[MergedRange, object]] = []
    hidden = 0
    try:
        for number, cells, is_hidden in rows:
            row = cells[:width] if len(cells) >= width else [*cells, *[None] * (width - len(cells))]
            running = [(one, value) for one, value in running if number <= one.bottom]
            for one, value in running:
                row[one.left] = value
            running += [(one, row[one.left]) for one in begins.get(number, ())]
            if is_hidden and any(cell is not None for cell in row):
                hidden += 1
                yield number, row, None if read_hidden else _HIDDEN
            else:
                yield number, row, None
    except WorkbookError as error:
        raise source_error(name, str(error)) from None
    if hidden and read_hidden:
        notes.append(f"{counted(hidden, 'row')} hidden in the sheet, read like the others")


# --- through calamine ------------------------------------------------------------------------------------------------


def _needs_calamine(file: IO[bytes]) -> bool:
    try:
        names = set(zipfile.ZipFile(file).namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False  # the reader of XLSX reports what is wrong
    finally:
        file.seek(0)
    return "mimetype" in names or "xl/workbook.bin" in names


# For one answer of the reading process: opening the workbook (some twenty seconds for a million rows), or further rows.
_LONGEST_SECONDS = 180.0


class _CalamineWorkbook:
    """
    Read by a separate process, which can be killed, and which releases its memory when it ends.

    Raises:
        WorkbookError: it cannot be read, or is protected.
    """

    def __init__(self, file: IO[bytes]) -> None:
        if importlib.util.find_spec("python_calamine") is None:
            raise ConfigurationError(
                "Reading .xls, .xlsb and .ods needs python-calamine: pip install 'esms-connectors[excel]' "
                "(.xlsx is read without it)."
            )
        self._process = _started()
        self._closing = weakref.finalize(self, _end, self._process)
        self._closing.atexit = False  # the process ends by itself with this one
        try:
            self._request(file.read())
            self.sheets = [SheetInfo(name, hidden) for name, hidden in self._request(("sheets",))]
            if not self.sheets:
                raise WorkbookError("has no worksheet")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._closing()

    def merged(self, sheet: str) -> list[MergedRange]:
        ranges = self._request(("merged", sheet))
        return [MergedRange(top + 1, left, bottom + 1, right) for (top, left), (bottom, right) in ranges]

    def rows(self, sheet: str) -> Iterator[SheetRow]:
        reading, left_out = self._request(("begin", sheet))
        # Rows start at the first row, cells at the first column that is not empty.
        before = [None] * left_out
        number = 0
        while found := self._request(("rows", reading)):
            for cells in found:
                number += 1
                yield SheetRow(number, [*before, *map(sheet_value, cells)], False)

    def _request(self, question: object) -> Any:
        """Calamine's answer, with errors in our words."""
        late = threading.Event()

        def end() -> None:
            late.set()
            self._process.kill()

        clock = threading.Timer(_LONGEST_SECONDS, end)
        clock.daemon = True
        clock.start()
        try:
            assert self._process.stdin is not None  # noqa: S101 - requested by PIPE
            assert self._process.stdout is not None  # noqa: S101
            pickle.dump(question, self._process.stdin)
            self._process.stdin.flush()
            kind, value = pickle.load(self._process.stdout)  # noqa: S301 - from our own process
        except (EOFError, OSError, pickle.UnpicklingError):
            how = f"did not end within {_LONGEST_SECONDS:.0f} s" if late.is_set() else "ended the process that read it"
            raise WorkbookError(f"is damaged: reading it {how}") from None
        finally:
            clock.cancel()
        if kind == "ok":
            return value
        raise WorkbookError(
            "is protected by a password: save it without one" if value == "PasswordError" else f"is damaged ({value})"
        )


def _started() -> subprocess.Popen[bytes]:
    paths = os.pathsep.join(path for path in sys.path if path)
    try:
        return subprocess.Popen(
            [sys.executable or "python3", "-P", calamine_process.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths},
        )
    except OSError as error:
        raise ConfigurationError(
            "Reading .xls, .xlsb and .ods needs another process, which cannot be started "
            f"({error.strerror or type(error).__name__}): save the workbook as .xlsx."
        ) from None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with contextlib.suppress(OSError), process:  # closing flushes what the process no longer reads
        pass

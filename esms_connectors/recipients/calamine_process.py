"""
The program of a separate process that reads a workbook with calamine.

On a damaged file calamine may run forever or crash its process, and nothing inside that process could stop it. The
program imports nothing else of this package, so that it starts quickly. It receives the content, then requests such as
`("rows", 0)`, all pickled, and answers with `("ok", value)` or `("error", name of the class)`.
"""

from __future__ import annotations

import io
import itertools
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

ROWS_AT_A_TIME = 1_000
# Longer than the requesting process waits, which may have ended by then.
_LONGEST_SECONDS = 240


class CalamineReader:
    """
    Its methods are the requests that the process accepts.

    Args:
        content: of the file.
    """

    def __init__(self, content: bytes) -> None:
        import python_calamine

        self._workbook: Any = python_calamine.load_workbook(io.BytesIO(content))
        visible = python_calamine.SheetVisibleEnum.Visible
        worksheet = python_calamine.SheetTypeEnum.WorkSheet
        self._sheets = [
            (one.name, one.visible != visible) for one in self._workbook.sheets_metadata if one.typ == worksheet
        ]
        self._readings: list[Iterator[list[Any]]] = []

    def sheets(self) -> list[tuple[str, bool]]:
        """Name of each worksheet, and whether it is hidden."""
        return self._sheets

    def merged(self, sheet: str) -> list[Any]:
        return self._workbook.get_sheet_by_name(sheet).merged_cell_ranges or []

    def begin(self, sheet: str) -> tuple[int, int]:
        """The number of a new reading, and how many leading columns are left out."""
        found = self._workbook.get_sheet_by_name(sheet)
        self._readings.append(found.iter_rows())
        return len(self._readings) - 1, (found.start or (0, 0))[1]

    def rows(self, reading: int) -> list[list[Any]]:
        """The next rows of a reading; empty at its end."""
        return list(itertools.islice(self._readings[reading], ROWS_AT_A_TIME))


def answer(ask: Callable[..., Any], *arguments: object) -> tuple[str, Any]:
    """The result of calamine; a panic of its parser is not an Exception."""
    try:
        return "ok", ask(*arguments)
    except BaseException as error:  # noqa: BLE001 - a panic is one
        return "error", type(error).__name__


def main() -> None:
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    # Ctrl-C is handled by the process that started this one, and that ends this one too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reader: CalamineReader | None = None
    while True:
        try:
            question = pickle.load(questions)  # noqa: S301 - from the process that started this one
        except EOFError:
            return
        _end_after(_LONGEST_SECONDS)
        if reader is None:
            kind, value = answer(CalamineReader, question)
            reader, value = (value, None) if kind == "ok" else (None, value)
        else:
            method, *arguments = question
            kind, value = answer(getattr(reader, method), *arguments)
        pickle.dump((kind, value), answers)
        answers.flush()
        _end_after(0)


def _end_after(seconds: int) -> None:
    """End this process after that time, whatever the parser does; 0 means never."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


if __name__ == "__main__":
    main()

"""Rows that cannot be sent, in a file that can be repaired and sent again."""

from __future__ import annotations

import contextlib
import csv
import json
import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.recipients.places import OutputFile

REJECT_COLUMNS = ("_line", "_field", "_value", "_reason")


class RejectsFile:
    """
    A CSV of rejected rows: why, then the row as it was. Use it in a `with` block.

    Args:
        path: on this machine, or an address such as `s3://bucket/rejects.csv`, which is checked at once.
        filesystem: of fsspec, for an address that it alone knows, such as that of an Airflow connection.

    Line, column, masked value and reason stand in `_line, _field, _value, _reason`; the original columns follow
    verbatim, so the repaired file is a source like the first one, with the same columns. (Of Parquet only the mapped
    columns, because only they are read; of a broken JSON line nothing.)

    - Nothing is written without a reject. Rows go to a file aside, readable by its owner only, which takes the place
      of `path` on a clean exit; after an error it is removed. That is before anything is sent.
    - A file that stood at `path` with other content is kept as `path.old`: it may hold somebody's repairs.
    - UTF-8 with a BOM, which is what Excel needs to read Vietnamese.
    - Original cells that begin with `=`, `+`, `-` or `@` stay as they are: `+84…` is a phone, and a value that was
      changed here would be sent changed. They came from the same person's file. `_value` is ours and is defused.

    Attributes:
        path: where the file will stand.
        count: rows so far.
    """

    def __init__(self, path: str | os.PathLike[str], *, filesystem: Any = None) -> None:
        self._place = OutputFile(path, "rejects", "The rejects file", filesystem)
        self.path = os.fspath(path)
        self.count = 0
        self._writer: Any = None
        self._kept: list[int] = []
        self._done = False
        self._filesystem = filesystem
        self._keep_old = True

    def again(self) -> RejectsFile:
        """A new one, which takes the place of what this one has written."""
        other = RejectsFile(self.path, filesystem=self._filesystem)
        other._keep_old = self.count == 0
        return other

    def __enter__(self) -> RejectsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def check_source(self, source: object, columns: Sequence[str]) -> None:
        """
        Refuse to be the file that is being read: its repaired rows would be replaced by what is left of them. And
        refuse columns whose names are ours.
        """
        if reserved := [column for column in columns if column in REJECT_COLUMNS]:
            raise InvalidRequestError(
                f"The rejects file has a column {reserved[0]} of its own; rename that of the source.", field="rejects"
            )
        if not isinstance(source, str | os.PathLike):
            return
        same = os.fspath(source) == self.path
        with contextlib.suppress(OSError, ValueError):
            same = same or (self._place.local is not None and os.path.samefile(source, self._place.local))
        if same:
            raise InvalidRequestError(
                f"{self._place.name} is both the source and the rejects file; give the rejects another name.",
                field="rejects",
            )

    def add(
        self, line: int, field: str, shown: str, reason: str, names: Sequence[str], cells: Sequence[object]
    ) -> None:
        """
        Append a row.

        Args:
            field: the column at fault; empty when it is the row as a whole.
            shown: its value, masked by the caller.
            names, cells: the row as it was read; `names` are those of the first row added.
        """
        if self._writer is None:
            self._open(names)
        if shown[:1] in tuple("=+-@\t\r"):
            shown = "'" + shown
        original = [_verbatim(cells[at]) for at in self._kept if at < len(cells)]
        # A row with too many cells keeps them all, so that it is still wrong until somebody repairs it.
        original += [_verbatim(cell) for cell in cells[len(names) :]]
        self._writer.writerow((line, field, shown, reason, *original))
        self.count += 1

    def _open(self, names: Sequence[str]) -> None:
        if self._done:
            raise InvalidRequestError("The rejects file is closed; make a new one for each reading.", field="rejects")
        self._writer = csv.writer(self._place.begin())
        # The four of an earlier rejects file would stand twice.
        self._kept = [at for at, name in enumerate(names) if name not in REJECT_COLUMNS]
        self._writer.writerow((*REJECT_COLUMNS, *(names[at] for at in self._kept)))

    def close(self) -> None:
        """Put the file in its place; without a reject, only move away what an earlier run left there."""
        if not self._done:
            self._done, self._writer = True, None
            self._place.finish(keep_old=self._keep_old)

    def discard(self) -> None:
        """Remove what was written aside; a file at `path` stays."""
        self._done, self._writer = True, None
        self._place.discard()


def _verbatim(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, bool | list | dict) else str(value)

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
from esms_connectors.recipients.output_files import OutputFile

REJECT_COLUMNS = ("_line", "_field", "_value", "_reason")


class RejectsFile:
    """
    A CSV of rejected rows: the reason, then the original row. Use it in a `with` block.

    Args:
        path: on this machine, or an address such as `s3://bucket/rejects.csv`, which is checked at once.
        filesystem: an fsspec file system, for an address that only it knows, such as that of an Airflow connection.

    `_line, _field, _value, _reason` have the line, column, masked value and reason; the original columns follow
    verbatim, so the repaired file is a source like the first one, with the same columns. (For Parquet only the mapped
    columns, because only they are read; for a broken JSON line none.)

    - Without rejects nothing is written. Rows go to a temporary file, readable only by its owner, which is moved to
      `path` on a clean exit, and removed after an error. This happens before anything is sent.
    - An existing file at `path` with other content is kept as `path.old`: it may contain repaired rows.
    - UTF-8 with a BOM, which Excel needs to read Vietnamese.
    - Original cells that begin with `=`, `+`, `-` or `@` stay unchanged: `+84…` is a phone, and a value changed here
      would be sent changed. They come from the user's own file. `_value` is ours and is escaped.

    Attributes:
        path: where the file is written.
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
        """A new file, which replaces the one that this one has written."""
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
        Refuse to write to the file that is being read: its repaired rows would be replaced by the remaining rejects.
        Also refuse source columns with our reserved names.
        """
        if reserved := [column for column in columns if column in REJECT_COLUMNS]:
            raise InvalidRequestError(
                f"The rejects file has its own column {reserved[0]}; rename that of the source.", field="rejects"
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
            field: the column at fault; empty if it is the row as a whole.
            shown: its value, masked by the caller.
            names, cells: the row as it was read; `names` are those of the first row added.
        """
        if self._writer is None:
            self._open(names)
        if shown[:1] in tuple("=+-@\t\r"):
            shown = "'" + shown
        original = [_verbatim(cells[at]) for at in self._kept if at < len(cells)]
        # A row with too many cells keeps them all, so that it stays invalid until it is repaired.
        original += [_verbatim(cell) for cell in cells[len(names) :]]
        self._writer.writerow((line, field, shown, reason, *original))
        self.count += 1

    def _open(self, names: Sequence[str]) -> None:
        if self._done:
            raise InvalidRequestError("The rejects file is closed; open a new one for each read.", field="rejects")
        self._writer = csv.writer(self._place.begin())
        # The four columns of an earlier rejects file would occur twice.
        self._kept = [at for at, name in enumerate(names) if name not in REJECT_COLUMNS]
        self._writer.writerow((*REJECT_COLUMNS, *(names[at] for at in self._kept)))

    def close(self) -> None:
        """Move the file into place; without rejects, only move away the one that an earlier run has left there."""
        if not self._done:
            self._done, self._writer = True, None
            self._place.finish(keep_old=self._keep_old)

    def discard(self) -> None:
        """Remove the temporary file; a file at `path` stays."""
        self._done, self._writer = True, None
        self._place.discard()


def _verbatim(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, bool | list | dict) else str(value)

"""Buffers a window until it is proven complete, so that a warehouse receives whole windows or nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Any, Self

import pyarrow as pa

from esms_connectors.warehouse.contract import ROW_SCHEMA, WarehouseError

# Windows up to this size stay in memory: most are small, and files are slower.
_ROWS_IN_MEMORY = 20_000


class WindowSpool:
    """
    Stores batches of `ROW_SCHEMA` and yields them again any number of times. Use it as a context manager.

    A larger window is spilled to an unnamed file in the temporary folder (`TMPDIR`), which other users cannot read and
    which leaves nothing behind, even after kill -9.

    Raises:
        WarehouseError: the folder is full or cannot be written to.
    """

    def __init__(self) -> None:
        self._batches: list[pa.RecordBatch] = []
        self.rows = 0
        self._file: IO[bytes] | None = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._batches.clear()
        if self._file is not None:
            self._writer = None
            with contextlib.suppress(OSError):  # the buffered rest is not needed any more
                self._file.close()

    def add(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        if self._file is None:
            self._batches.append(batch)
            if self.rows > _ROWS_IN_MEMORY:
                self._spill()
        else:
            self._write(batch)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        if self._file is None:
            yield from self._batches
            return
        if self._writer is not None:
            self._guarded(self._writer.close)
            self._writer = None
            self._guarded(self._file.flush)
        self._file.seek(0)
        with pa.ipc.open_stream(pa.PythonFile(self._file, mode="r")) as stream:
            yield from stream

    def _spill(self) -> None:
        def open_file() -> None:
            self._file = tempfile.TemporaryFile(prefix="esms-window-")  # noqa: SIM115 - closed in __exit__
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_stream(pa.PythonFile(self._file, mode="w"), ROW_SCHEMA, options=options)

        self._guarded(open_file)
        for batch in self._batches:
            self._write(batch)
        self._batches.clear()

    def _write(self, batch: pa.RecordBatch) -> None:
        self._guarded(lambda: self._writer.write_batch(batch))

    def _guarded(self, action: Any) -> None:
        failure: OSError | None = None
        try:
            action()
        except OSError as error:
            failure = error
        if failure is not None:
            said = os.strerror(failure.errno or errno.EIO)
            raise WarehouseError(
                f"The window cannot be stored temporarily in {tempfile.gettempdir()} ({said}). Nothing of it was "
                "loaded; free some space there or set TMPDIR, and run again.",
                retryable=True,
            )

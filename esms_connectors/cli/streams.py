"""
Standard output and standard error that may fail (a full disk, a closed pipe) without stopping the command.

A command that has sent or loaded something must not look as if it had failed, and one in progress must not stop because
its output cannot be read. Output that cannot be written is dropped, and this is reported at the end.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

T = TypeVar("T")


_ESCAPED = "esms-escaped"


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = zip(units[::2], units[1::2], strict=True)
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in pairs), error.end


codecs.register_error(_ESCAPED, _escaped)


class _Stream(io.RawIOBase):
    """Writes to another stream until that fails; `failure` has the error."""

    def __init__(self, raw: io.RawIOBase | None) -> None:
        self._raw = raw
        self.failure: OSError | None = None

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._raw is not None and self._raw.isatty()

    def fileno(self) -> int:
        return super().fileno() if self._raw is None else self._raw.fileno()

    def write(self, content: ReadableBuffer, /) -> int | None:
        if self.failure is None:
            try:
                if self._raw is None:
                    raise OSError(errno.EBADF, os.strerror(errno.EBADF))
                return self._raw.write(content)
            except BlockingIOError:
                raise
            except OSError as error:
                self.failure = error.with_traceback(None)
        return memoryview(content).nbytes


@contextmanager
def patient_streams() -> Iterator[_Stream]:
    """Replace the streams in `sys`, and yield that of standard output. Everything written is flushed at the end."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    before = sys.stdout, sys.stderr
    out, err = _Stream(_raw_of(sys.stdout)), _Stream(_raw_of(sys.stderr))
    # Streams that were replaced by in-memory ones are kept.
    if sys.stdout is None or _raw_of(sys.stdout) is not None:
        sys.stdout = _text_over(out, sys.stdout)
    if sys.stderr is None or _raw_of(sys.stderr) is not None:
        sys.stderr = _text_over(err, sys.stderr)
    try:
        yield out
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def until_closed(rows: Iterable[T]) -> Iterator[T]:
    """The same rows, until the output is no longer read."""
    for row in rows:
        stream = _raw_of(sys.stdout)
        if isinstance(stream, _Stream) and stream.failure is not None:
            return
        yield row


def _raw_of(stream: TextIO | None) -> io.RawIOBase | None:
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # with PYTHONUNBUFFERED there is no buffer
    return raw if isinstance(raw, io.RawIOBase) else None


def _text_over(stream: _Stream, like: TextIO | None) -> TextIO:
    if not isinstance(like, io.TextIOWrapper):
        return io.TextIOWrapper(io.BufferedWriter(stream), encoding="utf-8")
    buffer: Any = stream if isinstance(like.buffer, io.RawIOBase) else io.BufferedWriter(stream)
    return io.TextIOWrapper(
        buffer,
        encoding=like.encoding,
        # Characters missing from the encoding must not end a command: they are written as \\uXXXX, in JSON too.
        errors=_ESCAPED if like.errors == "strict" else like.errors,
        line_buffering=like.line_buffering,
        write_through=like.write_through,
    )

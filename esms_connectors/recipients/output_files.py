"""Paths as people give them: local ones, or addresses that fsspec knows. Anything else is refused."""

from __future__ import annotations

import filecmp
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from esms_connectors.databases.file_systems import is_local, open_file_system
from esms_connectors.databases.urls import LOST_SLASH
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.paths import kind_at


def check_path(path: str | os.PathLike[str], field: str) -> str:
    """
    The path or address as text.

    Raises:
        InvalidRequestError: not a path, or an address that has lost a slash, as `Path("s3://…")` has: that would be a
            folder `s3:`.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
    if not text.strip() or "\0" in text:
        raise InvalidRequestError(f"{field} takes a path or an address, not {path!r}.", field=field)
    if found := LOST_SLASH.match(text):
        raise InvalidRequestError(
            f"{field}: an address begins with {found[0]}/, and pathlib removes one of its slashes. Give it as text, "
            "not as a Path.",
            field=field,
        )
    return text


class OutputFile:
    """
    A text file to be written, locally or in a store. Its path is checked at once.

    It is written as a temporary file, readable only by its owner because it holds phones, and moved into place when it
    is complete.

    Args:
        path: a path, or an address such as `s3://bucket/file.csv`; fsspec and the package of its scheme are needed.
        field, what: the argument that it was given as, and what it is, for errors.
        filesystem: an fsspec file system to use for an address, such as that of an Airflow connection.

    Attributes:
        local: the path on this machine, None for one in a store.
        name: its last part, for display: an address may hold a password.

    Raises:
        InvalidRequestError: the path is invalid, names a folder or cannot be written; also raised by the methods.
        ConfigurationError: the address needs a package, or cannot be used.
    """

    def __init__(
        self, path: str | os.PathLike[str], field: str, what: str = "The file", filesystem: Any = None
    ) -> None:
        text = check_path(path, field)
        self._field = field
        self._what = what
        self._filesystem: Any = filesystem
        self._file: IO[str] | None = None
        self._aside: Path | None = None
        self.local: Path | None = Path(text).expanduser()
        self.name = self.local.name
        if "://" not in text:
            return
        self.name = urlsplit(text).path.rpartition("/")[2]
        if not self.name:
            raise InvalidRequestError(f"{field}: the address names no file.", field=field)
        if filesystem is None:
            _refuse_connection(text, field)
            self._filesystem, self._path = open_file_system(text, field)
        else:
            self._path = filesystem._strip_protocol(text)
        self.local = Path(self._path) if is_local(self._filesystem) else None

    def begin(self) -> IO[str]:
        """The temporary file: UTF-8 with a BOM, which Excel needs to read Vietnamese."""
        if self.local is not None and kind_at(self.local) == "folder":
            raise InvalidRequestError(f"{self._what} {self.local} is a folder.", field=self._field)
        with self._write_errors("written"):
            if self.local is not None:
                self.local.parent.mkdir(parents=True, exist_ok=True)
            # mkstemp creates it with mode 0600.
            beside = self.local is not None and (self.local.is_file() or not self.local.exists())
            handle, aside = tempfile.mkstemp(
                prefix=f".{self.name}.", dir=self.local.parent if beside and self.local else None
            )
        self._aside = Path(aside)
        self._file = open(handle, "w", encoding="utf-8-sig", errors="backslashreplace", newline="")  # noqa: SIM115 - closed by discard
        return self._file

    def finish(self, *, keep_old: bool = False) -> None:
        """
        Move what was written into place.

        Args:
            keep_old: an existing file with other content is renamed to `NAME.old`, even if nothing was written.
        """
        try:
            with self._write_errors("written"):
                if self._file is not None:
                    self._file.close()
                if self._aside is None or not keep_old or not self._same(self._aside):
                    if keep_old:
                        self._move_away()
                    if self._aside is not None:
                        self._put(self._aside)
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the temporary file; the file in its place stays."""
        if self._file is not None and self._aside is not None:
            self._file.close()
            self._aside.unlink(missing_ok=True)
        self._file = self._aside = None

    @contextmanager
    def opened(self) -> Iterator[IO[str]]:
        """The file as a `with` block: moved into place after it, removed after an error."""
        failure = ""
        try:
            yield self.begin()
        except OSError as error:  # from writing the temporary file
            failure = error.strerror or type(error).__name__
        else:
            self.finish()
        finally:
            self.discard()
        if failure:
            raise InvalidRequestError(
                f"{self._what} {self.local or self.name} cannot be written: {failure}.", field=self._field
            )

    def _same(self, aside: Path) -> bool:
        if self.local is not None:
            return self.local.exists() and filecmp.cmp(aside, self.local, shallow=False)
        there = self._filesystem
        return bool(there.exists(self._path)) and there.cat_file(self._path) == aside.read_bytes()

    def _move_away(self) -> None:
        if self.local is None:
            if self._filesystem.exists(self._path):
                self._filesystem.mv(self._path, self._path + ".old")
        elif self.local.is_file():
            os.replace(self.local, self.local.with_name(self.local.name + ".old"))

    def _put(self, aside: Path) -> None:
        if self.local is not None and (self.local.is_file() or not self.local.exists()):
            os.replace(aside, self.local)
            return
        # A device or a pipe is written to: a rename would replace it with a file.
        target = self.local.open("wb") if self.local is not None else self._filesystem.open(self._path, "wb")
        with aside.open("rb") as made, target as there:
            shutil.copyfileobj(made, there, 1 << 20)

    @contextmanager
    def _write_errors(self, what: str) -> Iterator[None]:
        """Report errors of disks and stores in one line of ours: their messages hold addresses and signatures."""
        failure = ""
        try:
            yield
        except EsmsError:
            raise
        except OSError as error:
            failure = (error.strerror if self.local is not None else None) or type(error).__name__
        except Exception as error:
            if self.local is not None:
                raise  # not an error of a disk
            failure = type(error).__name__
        if failure:
            raise InvalidRequestError(
                f"{self._what} {self.local or self.name} cannot be {what}: {failure}.", field=self._field
            )


def _refuse_connection(address: str, field: str) -> None:
    scheme, netloc, *_ = urlsplit(address)
    if "@" in netloc and ":" not in netloc:
        raise InvalidRequestError(
            f"{field}: {scheme}://connection@… is an Airflow address, and this is not Airflow.", field=field
        )

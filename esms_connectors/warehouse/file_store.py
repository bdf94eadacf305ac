"""
A folder on a local disk or an object store in which several files change together.

New versions are written aside into `_esms_staging/<transaction>/`, which readers' globs do not meet. Then a list of the
moves is put beside them, and this one small file is the commit: before it is there nothing happened, once it is there
the moves are made, by this process or, if that dies between two of them, by the next one that opens the folder.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import stat
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.warehouse.contract import WarehouseError
from esms_connectors.warehouse.errors import refusals
from esms_connectors.warehouse.locks import exclusive_lock

STAGING = "_esms_staging"
_COMMIT = "commit.json"
_PUT = "put-"
# What a dead writer left on an object store goes after this time; on a local disk its lock says that it is dead.
_ABANDONED_SECONDS = 6 * 3600


class FileStore:
    """
    Args:
        url: a path or an fsspec URL, without our own parameters.
        storage_options: for the fsspec implementation, such as its keys.
        wait_seconds: how long to wait for another writer before giving up.
        settings_file: below the root; whoever may read it may read every other file.

    Raises:
        ConfigurationError: no file system for such URLs.
    """

    def __init__(
        self, url: str, storage_options: Mapping[str, Any], wait_seconds: float, *, settings_file: str
    ) -> None:
        self.settings_file = settings_file
        fsspec = importlib.import_module("fsspec.core")  # which has no types
        scheme = urlsplit(url).scheme if "://" in url else "file"
        problem = ""
        try:
            self._fs, root = fsspec.url_to_fs(os.path.expanduser(url), **storage_options)
        except ImportError as error:  # s3fs, gcsfs, adlfs: fsspec says which
            problem = f"Files on {scheme}:// need another package. {error}."
        except Exception as error:  # noqa: BLE001 - each file system has errors of its own
            problem = f"The address of the folder ({scheme}://…) cannot be used ({type(error).__name__})."
        if problem:
            raise ConfigurationError(problem)
        protocols = self._fs.protocol if isinstance(self._fs.protocol, tuple | list) else (self._fs.protocol,)
        self.is_local = "file" in protocols
        self.root = os.path.abspath(root) if self.is_local else root.rstrip("/")
        shown = self.root.rpartition("://")[2].rpartition("@")[2].lstrip("/")
        self.name = self.root if self.is_local else f"{scheme}://{shown}"
        self._wait_seconds = wait_seconds

    def path(self, *parts: str) -> str:
        return "/".join([self.root, *parts])

    # --- single files ------------------------------------------------------------------------------------------------

    @property
    def _mode(self) -> int:
        """
        Of new files: what the settings file has. It is made for its owner only, like all that holds phones; whoever
        shares the folder changes that one file, and the next loads follow.
        """
        try:
            return stat.S_IMODE(os.stat(self.path(self.settings_file)).st_mode) & 0o666 | 0o600
        except OSError:
            return 0o600

    def make_folder(self, folder: Path) -> None:
        """A folder below the root and those above it; who may read the files may enter it."""
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        mode = self._mode
        for one in reversed(missing):
            with contextlib.suppress(FileExistsError):
                one.mkdir(mode=0o700)
                one.chmod(mode | (mode & 0o444) >> 2)

    def create_root(self) -> None:
        """Make the folder; on an object store there is nothing to make."""
        if self.is_local:
            with refusals(self.name, "cannot be made or used as a folder"):
                self.make_folder(Path(self.path(STAGING)))

    def find(self, folder: str) -> dict[str, dict[str, Any]]:
        """Path below the root -> what the store says of the file, for every file below `folder`."""
        with refusals(self.name, "cannot be listed"):
            self._fs.invalidate_cache()
            try:
                found = self._fs.find(self.path(folder), detail=True)
            except FileNotFoundError:
                return {}
        skip = len(self.root) + 1
        return {path[skip:]: about for path, about in sorted(found.items())}

    def read(self, path: str) -> bytes | None:
        """A small file; None if it is not there."""
        with refusals(self.name, "cannot be read"):
            try:
                return bytes(self._fs.cat_file(self.path(path)))
            except FileNotFoundError:
                return None

    def put(self, path: str, content: bytes) -> None:
        """Write a small file; whoever reads it sees the old one or this."""
        with refusals(self.name, "cannot be written to"):
            if not self.is_local:
                self._fs.pipe_file(self.path(path), content)
                return
            final = Path(self.path(path))
            # In a folder that `sweep` looks after, and on the same disk.
            folder = final.parent if path.startswith(STAGING) else Path(self.path(STAGING))
            aside = folder / f"{_PUT}{uuid.uuid4().hex}"
            self.make_folder(aside.parent)
            self.make_folder(final.parent)
            try:
                aside.touch(mode=0o600)
                aside.write_bytes(content)
                aside.chmod(self._mode)
                sync(aside)
                aside.replace(final)
            finally:
                aside.unlink(missing_ok=True)
            sync(final.parent)

    def version(self, path: str) -> str | None:
        """What changes whenever the file does; None if it is not there. On local disks locks do this work."""
        if self.is_local:
            return None
        with refusals(self.name, "cannot be read"):
            self._fs.invalidate_cache()
            try:
                return str(self._fs.ukey(self.path(path)))
            except FileNotFoundError:
                return None

    def fetch(self, path: str, scratch: Path) -> Path | None:
        """The file on a local disk, in `scratch` where it is not there anyway; None if there is no such file."""
        if self.is_local:
            local = Path(self.path(path))
            return local if local.exists() else None
        copy = scratch / f"{uuid.uuid4().hex}-{path.rpartition('/')[2]}"
        with refusals(self.name, "cannot be read"):
            try:
                self._fs.get_file(self.path(path), str(copy))
            except FileNotFoundError:
                copy.unlink(missing_ok=True)
                return None
        return copy

    # --- several files -----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self, key: str, scratch: Path) -> Iterator[Transaction]:
        """
        Files that change together, when `commit` is called; without it nothing happens.

        Args:
            key: the lock that its writer holds; it tells later who is dead.
            scratch: a local folder for what is uploaded.
        """
        name = f"{key}~{uuid.uuid4().hex}"
        local = Path(self.path(STAGING, name)) if self.is_local else scratch / name
        with refusals(self.name, "cannot be written to"):
            self.make_folder(local)
        begun = Transaction(name, local)
        try:
            yield begun
            if begun.is_committed and begun.moves:
                self._commit(begun)
        finally:
            # Once decided, it is `settle` that needs them.
            if not (local / _COMMIT).exists():
                shutil.rmtree(local, ignore_errors=True)

    def _commit(self, begun: Transaction) -> None:
        moves = [[place, final] for place, final in begun.moves]
        content = json.dumps({"moves": moves}).encode()
        with refusals(self.name, "cannot be written to"):
            for place, _ in begun.moves:
                if self.is_local:
                    sync(begun.folder / place)
                else:
                    self._fs.put_file(str(begun.folder / place), self.path(STAGING, begun.name, place))
        with self.exclusive_lock("commit"):
            self.put(f"{STAGING}/{begun.name}/{_COMMIT}", content)
            self._finish(begun.name, json.loads(content))

    def settle(self) -> None:
        """Make the moves that a writer who died had decided on."""
        if any(path.endswith(f"/{_COMMIT}") for path in self.find(STAGING)):
            with self.exclusive_lock("commit"):
                for path in self.find(STAGING):
                    _, name, last = path.split("/", 2) if path.count("/") > 1 else ("", "", "")
                    content = self.read(path) if last == _COMMIT else None
                    if content is not None:
                        self._finish(name, json.loads(content))

    def _finish(self, name: str, commit: Mapping[str, Any]) -> None:
        folder = self.path(STAGING, name)
        if not all(_is_inside(place, final) for place, final in commit["moves"]):
            raise WarehouseError(
                f"{STAGING}/{name}/{_COMMIT} in {self.name} names a file outside of the warehouse: nothing was moved. "
                "It was not written by a load; remove that folder."
            )
        with refusals(self.name, "cannot be written to"):
            for place, final in commit["moves"]:
                if self.is_local:
                    self.make_folder(Path(self.path(final)).parent)
                    # What is not there any more was moved before its writer died.
                    with contextlib.suppress(FileNotFoundError):
                        os.chmod(f"{folder}/{place}", self._mode)
                        os.replace(f"{folder}/{place}", self.path(final))
                    sync(Path(self.path(final)).parent)
                else:
                    with contextlib.suppress(FileNotFoundError):
                        self._fs.cp_file(f"{folder}/{place}", self.path(final))
            # Only now, and before the files it speaks of.
            with contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(f"{folder}/{_COMMIT}")
            if self.is_local:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                for place, _ in commit["moves"]:
                    with contextlib.suppress(FileNotFoundError):
                        self._fs.rm_file(f"{folder}/{place}")

    def sweep(self) -> None:
        """Remove what writers left that died before they had decided."""
        self.settle()
        left: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        for path, about in self.find(STAGING).items():
            if path.count("/") > 1:
                left.setdefault(path.split("/")[1], []).append((path, about))
            elif path.startswith(f"{STAGING}/{_PUT}"):
                self._remove_if_abandoned(path, about)
        for name, files in left.items():
            if any(path.endswith(f"/{_COMMIT}") for path, _ in files):
                continue
            if not self.is_local:
                for path, about in files:
                    self._remove_if_abandoned(path, about)
                continue
            with contextlib.suppress(WarehouseError), self.exclusive_lock(name.partition("~")[0], wait_seconds=0):
                shutil.rmtree(self.path(STAGING, name), ignore_errors=True)

    def _remove_if_abandoned(self, path: str, about: Mapping[str, Any]) -> None:
        if _age_seconds(about) > _ABANDONED_SECONDS:
            with refusals(self.name, "cannot be cleaned up"), contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(self.path(path))

    # --- turns -------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def exclusive_lock(self, key: str, wait_seconds: float | None = None) -> Iterator[None]:
        """
        One at a time for each key: among the threads of this process, and on a local disk among all processes.

        Raises:
            WarehouseError: it took too long.
        """
        lock_file = Path(self.path(STAGING, f"{key}.lock")) if self.is_local else None
        with exclusive_lock(self.name, key, lock_file, self._wait_seconds if wait_seconds is None else wait_seconds):
            yield

    @contextlib.contextmanager
    def exclusive_locks(self, keys: Iterable[str]) -> Iterator[None]:
        """Several at once, always in the same order, so that two never wait for each other."""
        with contextlib.ExitStack() as stack:
            for key in sorted(set(keys)):
                stack.enter_context(self.exclusive_lock(key))
            yield


@dataclass
class Transaction:
    """
    Attributes:
        folder: a local folder in which new versions are written.
        moves: (name in `folder`, path below the root), in the order in which readers get to see them.
    """

    name: str
    folder: Path
    moves: list[tuple[str, str]] = field(default_factory=list)
    is_committed: bool = False

    def replace(self, final: str) -> Path:
        """Where to write what becomes the file `final`."""
        place = f"{len(self.moves)}"
        self.moves.append((place, final))
        written = self.folder / place
        written.touch(mode=0o600)
        return written

    def commit(self) -> None:
        """All is written: take it when the block ends."""
        self.is_committed = True


def _is_inside(place: str, final: str) -> bool:
    """Whether a move is one that a load may have decided on: from its own folder to a file of the tables."""
    parts = final.split("/")
    plain = not {"", ".", "..", STAGING} & set(parts) and "\\" not in final and ":" not in parts[0]
    return place.isdecimal() and plain


def sync(path: Path) -> None:
    """Through to the disk: a commit must survive a power cut, and the file before its new name."""
    if sys.platform == "win32" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _age_seconds(about: Mapping[str, Any]) -> float:
    for key in ("LastModified", "mtime", "modified", "last_modified", "updated", "created"):
        moment = about.get(key)
        if isinstance(moment, datetime):
            return (datetime.now(UTC) - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))).total_seconds()
        if isinstance(moment, int | float):
            return time.time() - moment
    return 0.0

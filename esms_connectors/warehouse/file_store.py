"""
A folder on a local disk or an object store in which several files change together.

New versions are written to `_esms_staging/<transaction>/`, which readers' globs do not match. Then a list of the moves
is written beside them. This one small file is the commit: before it exists nothing has changed; once it exists, the
moves are made by this process or, if it dies in between, by the next process that opens the folder.
"""

from __future__ import annotations

import contextlib
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

from esms_connectors.databases.file_systems import is_local, open_file_system, shown_address
from esms_connectors.warehouse.contract import WarehouseError
from esms_connectors.warehouse.errors import refusals
from esms_connectors.warehouse.locks import exclusive_lock

STAGING = "_esms_staging"
_COMMIT = "commit.json"
_PUT = "put-"
# Age at which leftovers of a writer on an object store are removed; on a local disk its free lock shows that it died.
_ABANDONED_SECONDS = 6 * 3600


class FileStore:
    """
    Args:
        url: a path or an fsspec URL, without our own parameters.
        storage_options: for the fsspec implementation, such as its keys.
        wait_seconds: how long to wait for another writer before giving up.
        settings_file: path below the root; its permissions apply to every other file.

    Raises:
        ConfigurationError: there is no file system for this kind of URL.
    """

    def __init__(
        self, url: str, storage_options: Mapping[str, Any], wait_seconds: float, *, settings_file: str
    ) -> None:
        self.settings_file = settings_file
        self._fs, root = open_file_system(os.path.expanduser(url), "warehouse", **storage_options)
        self.is_local = is_local(self._fs)
        self.root = os.path.abspath(root) if self.is_local else root.rstrip("/")
        self.name = self.root if self.is_local else shown_address(url, self.root)
        self._wait_seconds = wait_seconds

    def path(self, *parts: str) -> str:
        return "/".join([self.root, *parts])

    # --- single files ------------------------------------------------------------------------------------------------

    @property
    def _mode(self) -> int:
        """
        The mode of new files: that of the settings file. It is created readable by its owner only, like everything that
        holds phones; to share the folder, change the mode of that file, and later loads follow.
        """
        try:
            return stat.S_IMODE(os.stat(self.path(self.settings_file)).st_mode) & 0o666 | 0o600
        except OSError:
            return 0o600

    def make_folder(self, folder: Path) -> None:
        """Create a folder and its parents; users who may read the files may enter them."""
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
        """Create the folder; an object store needs none."""
        if self.is_local:
            with refusals(self.name, "cannot be created or used as a folder"):
                self.make_folder(Path(self.path(STAGING)))

    def find(self, folder: str) -> dict[str, dict[str, Any]]:
        """Path below the root -> the store's metadata, for every file below `folder`."""
        with refusals(self.name, "cannot be listed"):
            self._fs.invalidate_cache()
            try:
                found = self._fs.find(self.path(folder), detail=True)
            except FileNotFoundError:
                return {}
        skip = len(self.root) + 1
        return {path[skip:]: about for path, about in sorted(found.items())}

    def fingerprint(self, about: Mapping[str, Any]) -> object:
        """From the metadata of `find`: what changes with the file. None if the store reports nothing of the kind."""
        if self.is_local:  # a changed file is a new one
            return about["ino"], about["mtime"], about["size"]
        return about.get("ETag") or about.get("etag")

    def read(self, path: str) -> bytes | None:
        """The content of a small file; None if it does not exist."""
        with refusals(self.name, "cannot be read"):
            try:
                return bytes(self._fs.cat_file(self.path(path)))
            except FileNotFoundError:
                return None

    def put(self, path: str, content: bytes) -> None:
        """Write a small file atomically: readers see the old content or the new."""
        with refusals(self.name, "cannot be written to"):
            if not self.is_local:
                self._fs.pipe_file(self.path(path), content)
                return
            final = Path(self.path(path))
            # In a folder that `sweep` cleans up, and on the same disk.
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
        """A token that changes with the file; None if there is no file, and on local disks, where locks are used."""
        if self.is_local:
            return None
        with refusals(self.name, "cannot be read"):
            self._fs.invalidate_cache()
            try:
                return str(self._fs.ukey(self.path(path)))
            except FileNotFoundError:
                return None

    def fetch(self, path: str, scratch: Path) -> Path | None:
        """A local path of the file, downloaded to `scratch` if remote; None if there is no such file."""
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
        Files that change together when `commit` is called; without it nothing changes.

        Args:
            key: the lock that the writer holds; if it is free later, the writer has died.
            scratch: a local folder for files to upload.
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
            # Once committed, `settle` may still need the files.
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
        """Complete the moves that a dead writer had committed."""
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
                    # A missing file was already moved before its writer died.
                    with contextlib.suppress(FileNotFoundError):
                        os.chmod(f"{folder}/{place}", self._mode)
                        os.replace(f"{folder}/{place}", self.path(final))
                    sync(Path(self.path(final)).parent)
                else:
                    with contextlib.suppress(FileNotFoundError):
                        self._fs.cp_file(f"{folder}/{place}", self.path(final))
            # Only after all moves, and before the files that it lists.
            with contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(f"{folder}/{_COMMIT}")
            if self.is_local:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                for place, _ in commit["moves"]:
                    with contextlib.suppress(FileNotFoundError):
                        self._fs.rm_file(f"{folder}/{place}")

    def sweep(self) -> None:
        """Remove the leftovers of writers that died before their commit."""
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
        Hold the lock of a key: among the threads of this process, and on a local disk among all processes.

        Raises:
            WarehouseError: the lock was not free in time.
        """
        lock_file = Path(self.path(STAGING, f"{key}.lock")) if self.is_local else None
        with exclusive_lock(self.name, key, lock_file, self._wait_seconds if wait_seconds is None else wait_seconds):
            yield

    @contextlib.contextmanager
    def exclusive_locks(self, keys: Iterable[str]) -> Iterator[contextlib.ExitStack]:
        """Hold several locks, taken in a fixed order to prevent deadlocks. Yields the stack that releases them."""
        with contextlib.ExitStack() as stack:
            for key in sorted(set(keys)):
                stack.enter_context(self.exclusive_lock(key))
            yield stack


@dataclass
class Transaction:
    """
    Attributes:
        folder: a local folder for the new versions.
        moves: (name in `folder`, path below the root), in the order in which they become visible to readers.
    """

    name: str
    folder: Path
    moves: list[tuple[str, str]] = field(default_factory=list)
    is_committed: bool = False

    def replace(self, final: str) -> Path:
        """The path at which to write the new version of the file `final`."""
        place = f"{len(self.moves)}"
        self.moves.append((place, final))
        written = self.folder / place
        written.touch(mode=0o600)
        return written

    def commit(self) -> None:
        """Mark the transaction as complete: it is committed when the block ends."""
        self.is_committed = True


def _is_inside(place: str, final: str) -> bool:
    """Whether a move is one that a load may have committed: from its own folder to a file of the tables."""
    parts = final.split("/")
    plain = not {"", ".", "..", STAGING} & set(parts) and "\\" not in final and ":" not in parts[0]
    return place.isdecimal() and plain


def sync(path: Path) -> None:
    """Flush to disk, so that a commit survives a power failure; a file is flushed before it is renamed."""
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

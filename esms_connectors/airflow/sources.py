"""Sources of recipients: a file, an object store, a database connection or a list."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from esms_connectors.airflow.base import HiddenRows
from esms_connectors.databases.scratch import scratch_folder
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError, foreign_errors

if TYPE_CHECKING:
    from esms_connectors.recipients import RejectsFile
    from esms_connectors.recipients.sources import Source


def hide_rows(given: Any) -> Any:
    """Turn rows (a list, or what a task pushed) into `HiddenRows`, and a path or URL into text."""
    from airflow.sdk import ObjectStoragePath

    from esms_connectors.airflow.arguments import path

    if given is None or isinstance(given, HiddenRows):
        return given
    if isinstance(given, str | os.PathLike | ObjectStoragePath):
        return path(given, "source")
    if isinstance(given, Mapping):
        raise InvalidRequestError("source takes a path, a URL, or a list of rows; this is one row.", field="source")
    # A lazy sequence of mapped results is read once, here.
    rows: list[Any] = list(given) if isinstance(given, Iterable) else [None]
    if not all(isinstance(row, Mapping) for row in rows):
        raise InvalidRequestError(
            "source takes a path, a URL, or a list of rows, each a value by column. For several files, map the "
            "operator over them.",
            field="source",
        )
    return HiddenRows([dict(row) for row in rows])


@contextmanager
def opened_source(
    recipients: str | os.PathLike[str] | HiddenRows | None,
    sql: str | None,
    sql_conn_id: str | None,
    sql_parameters: Mapping[str, object] | None,
) -> Iterator[Source]:
    """
    A source for `read_recipients`, valid inside the block.

    Raises:
        InvalidRequestError: not exactly one source is given, or the file does not exist.
        ConfigurationError: a connection cannot be used.
    """
    from esms_connectors.recipients.google_sheets import is_google_sheet

    if (recipients is None) == (sql is None):
        raise InvalidRequestError("Give source (a path, URL or list), or sql with sql_conn_id.", field="source")
    if sql is not None:
        if not sql_conn_id:
            raise InvalidRequestError("sql needs sql_conn_id, the connection of the database.", field="sql_conn_id")
        with _query(sql, sql_conn_id, sql_parameters or {}) as query:
            yield query
    elif isinstance(recipients, HiddenRows):
        yield list(recipients.value)
    elif isinstance(recipients, str | os.PathLike):
        url = str(recipients)
        if "://" in url and not is_google_sheet(url):
            with copied(url, "source") as path:
                yield path
        else:
            yield recipients


@contextmanager
def _query(sql: str, conn_id: str, parameters: Mapping[str, object]) -> Iterator[Source]:
    from esms_connectors.airflow.hooks import address_of, connection
    from esms_connectors.recipients import SqlQuery

    conn = connection(conn_id)
    if conn.conn_type in ("postgres", "postgresql", "sqlite"):
        yield SqlQuery(address_of(conn, purpose="the recipients"), sql, parameters)
        return
    where = f"Connection {conn_id!r} is of type {conn.conn_type!r}"
    with foreign_errors(
        lambda error: ConfigurationError(
            f"{where}, and no provider supports it as a database ({type(error).__name__})."
        )
    ):
        hook = conn.get_hook()
        if not hasattr(hook, "get_sqlalchemy_engine"):
            raise ConfigurationError(f"{where}, which is not an SQL database: give another sql_conn_id.")
        engine = hook.get_sqlalchemy_engine()
    try:
        yield SqlQuery(engine, sql, parameters)
    finally:
        engine.dispose()


@contextmanager
def copied(url: str, argument: str) -> Iterator[Path]:
    """
    A local copy of a remote file, so that reading it twice gives the same content.

    `s3://connection_id@bucket/key` uses the credentials of that connection.

    Raises:
        InvalidRequestError: it cannot be read; names the argument.
    """
    name = PurePosixPath(urlsplit(url).path).name

    def unreadable(error: Exception) -> InvalidRequestError:
        if isinstance(error, FileNotFoundError):
            problem = f"{name} is not there"
        elif isinstance(error, ImportError):
            scheme = urlsplit(url).scheme
            problem = f"reading {scheme}:// needs {error.name or 'a library that is not installed'}"
        else:
            problem = f"{name} cannot be read: {type(error).__name__}"
        return InvalidRequestError(f"{argument}: {problem}.", field=argument)

    with scratch_folder() as folder:
        copy = folder / (name or argument)
        with foreign_errors(unreadable):
            copy.touch(mode=0o600)
            with _stored(url, argument).open("rb") as remote, copy.open("wb") as local:
                shutil.copyfileobj(remote, local, 1 << 20)
        yield copy


def rejects_file(target: str, source: object) -> RejectsFile:
    """
    The rejects file, local or in a store; `s3://connection_id@bucket/key` uses the credentials of that connection.

    Args:
        source: the source of the rows, which the rejects must not overwrite.

    Raises:
        InvalidRequestError: the store is unknown, the URL names no file, or it is the source.
        ConfigurationError: the store cannot be used.
    """
    from esms_connectors.recipients import RejectsFile

    if "://" not in target:
        return RejectsFile(target)
    place = _stored(target, "rejects")
    if isinstance(source, str) and "://" in source and _stored(source, "source") == place:
        raise InvalidRequestError(
            f"{place.name} is both the source and the rejects file; give the rejects another name.",
            field="rejects",
        )
    with foreign_errors(
        lambda error: ConfigurationError(f"rejects: {place.protocol}:// cannot be used ({type(error).__name__}).")
    ):
        return RejectsFile(f"{place.protocol}://{place.path}", filesystem=place.fs)


def _stored(url: str, name: str) -> Any:
    """A URL as Airflow's `ObjectStoragePath`, which resolves the connection."""
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.io import has_fs

    scheme, _, rest = url.partition("://")
    if not has_fs(scheme) or not rest.rpartition("/")[2]:
        raise InvalidRequestError(
            f"{name}: {scheme}:// is not a store that this Airflow knows, or the URL names no file; install its "
            "provider, such as apache-airflow-providers-amazon[s3fs].",
            field=name,
        )
    return ObjectStoragePath(url)


@contextmanager
def placed(target: str | os.PathLike[str], name: str) -> Iterator[str]:
    """
    The path to write for `target`: the path itself or, for a URL, a file in a temporary folder that is copied there on
    a clean exit. `s3://connection_id@bucket/key` uses the credentials of that connection.

    Raises:
        InvalidRequestError: the store is unknown or rejects the file.
    """
    url = str(target)
    if "://" not in url:
        yield url
        return
    place = _stored(url, name)
    with scratch_folder() as folder:
        yield str(folder / place.name)
        with foreign_errors(
            lambda error: InvalidRequestError(
                f"{name}: {place.name} cannot be written: {type(error).__name__}.", field=name
            )
        ):
            for file in sorted(folder.iterdir()):
                with file.open("rb") as local, (place.parent / file.name).open("wb") as remote:
                    shutil.copyfileobj(local, remote, 1 << 20)

"""Files of rejects and exports, on this machine and in stores; what is neither is refused at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import fsspec
import pytest

from esms_connectors.gateway.errors import ConfigurationError, EsmsError, InvalidRequestError
from esms_connectors.recipients import Columns, RejectsFile, read_recipients
from esms_connectors.recipients.output_files import OutputFile

ROWS = [{"phone": "024", "name": "An"}, {"phone": "0901888484", "name": "Bé"}]


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    made = fsspec.filesystem("memory")
    yield made
    made.rm("/", recursive=True)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing may be left in the working folder, nor beside it."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def reject(path: str | Path) -> None:
    with RejectsFile(path) as rejects:
        list(read_recipients(ROWS, Columns(params=("name",)), rejects=rejects))


def test_rejects_in_object_storage_are_written_and_an_edited_file_is_kept(store: fsspec.AbstractFileSystem) -> None:
    """As on a disk: nothing without a reject, an older file is kept, a repeat changes nothing."""
    reject("memory://bucket/a/rejects.csv")
    assert store.cat("/bucket/a/rejects.csv").decode("utf-8-sig").splitlines()[1].endswith(",024,An")
    reject("memory://bucket/a/rejects.csv")
    assert store.find("/bucket") == ["/bucket/a/rejects.csv"]
    store.pipe("/bucket/a/rejects.csv", b"somebody's repairs")
    reject("memory://bucket/a/rejects.csv")
    assert store.cat("/bucket/a/rejects.csv.old") == b"somebody's repairs"
    assert os.listdir(".") == []


@pytest.mark.parametrize("path", ["file://{}/a/rejects.csv", "{}/a/rejects.csv", "~/a/rejects.csv"])
def test_local_rejects_file_is_readable_only_by_its_owner(folder: Path, path: str) -> None:
    """By its address too, and the home folder by its sign; only the owner reads phones."""
    reject(path.format(folder))
    written = folder / "a" / "rejects.csv"
    assert "024" in written.read_text("utf-8-sig")
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (Path("s3://bucket/rejects.csv"), "Give it as text"),
        ("s3:/bucket/rejects.csv", "Give it as text"),
        ("gs:/bucket/rejects.csv", "Give it as text"),
        ("nosuch://bucket/rejects.csv", "nosuch"),
        ("s3://bucket/rejects.csv", "package for the scheme"),
        ("s3://aws_default@bucket/rejects.csv", "Airflow address"),
        ("memory://", "names no file"),
        ("memory://bucket/", "names no file"),
        ("", "takes a path"),
        ("  ", "takes a path"),
        ("a\0b", "takes a path"),
    ],
)
def test_invalid_output_path_is_rejected_on_construction(path: str | Path, words: str) -> None:
    """Not after the first message; and no folder `s3:` is made."""
    for make in (RejectsFile, lambda one: OutputFile(one, "output")):
        with pytest.raises(EsmsError, match=words):
            make(path)
    assert os.listdir(".") == []


def test_source_url_given_as_a_path_is_rejected() -> None:
    """The same for reading."""
    with pytest.raises(InvalidRequestError, match="Give it as text"):
        list(read_recipients(Path("s3://bucket/a.csv"), Columns()))


def test_rejects_file_must_differ_from_a_source_in_object_storage(store: fsspec.AbstractFileSystem) -> None:
    """Its repaired rows would be replaced by what is left of them."""
    store.pipe("/bucket/a.csv", b"phone\n024\n")
    with pytest.raises(InvalidRequestError, match="both the source and the rejects"):
        list(read_recipients("memory://bucket/a.csv", Columns(), rejects=RejectsFile("memory://bucket/a.csv")))


def test_failed_export_leaves_the_previous_file(folder: Path, store: fsspec.AbstractFileSystem) -> None:
    """After an error what stood there before stands there."""
    for path in (f"{folder}/a.csv", "memory://bucket/a.csv"):
        with OutputFile(path, "output").opened() as file:
            file.write("first")
        with suppress(ZeroDivisionError), OutputFile(path, "output").opened() as file:
            print(1 / 0, file=file)
    assert (folder / "a.csv").read_text("utf-8-sig") == store.cat("/bucket/a.csv").decode("utf-8-sig") == "first"
    assert sorted(os.listdir(folder)) == ["a.csv", "here"]


def test_storage_error_is_reported_without_credentials(
    store: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own words may hold signatures."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("https://bucket/?signature=5ecret")

    monkeypatch.setattr(type(store), "_open", refuse)
    with pytest.raises(InvalidRequestError, match=r"rejects\.csv cannot be written: PermissionError") as error:
        reject("memory://user:5ecret@bucket/rejects.csv")
    assert "5ecret" not in str(error.value)


def test_custom_filesystem_is_used_for_rejects(store: fsspec.AbstractFileSystem) -> None:
    """Such as that of an Airflow connection, whose addresses nobody else knows."""
    with RejectsFile("memory://connection@bucket/rejects.csv", filesystem=store) as rejects:
        list(read_recipients(ROWS, Columns(params=("name",)), rejects=rejects))
    [name] = store.find("/")
    assert name.endswith("bucket/rejects.csv")


def test_missing_fsspec_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else needs it."""
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(ConfigurationError, match=r"need the extra \[files\]"):
        RejectsFile("s3://bucket/rejects.csv")
    reject("rejects.csv")
    assert os.listdir(".") == ["rejects.csv"]

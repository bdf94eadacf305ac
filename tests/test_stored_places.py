"""Addresses of ledgers and warehouses, made absolute before somebody reads them in another folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from esms_connectors import ConfigurationError
from esms_connectors.ledger import Ledger
from esms_connectors.ledger.addresses import absolute_ledger_url, ledger_file
from esms_connectors.warehouse import open_warehouse
from esms_connectors.warehouse.addresses import absolute_address, local_path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a blank in its name."""
    path = tmp_path / "a folder"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


@pytest.mark.parametrize("url", ["sqlite:///ledger.sqlite", "sqlite:///./ledger.sqlite", "ledger.sqlite"])
def test_absolute_ledger_url_names_the_same_file(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The absolute URL opens, from elsewhere, the file that the relative one names here."""
    assert ledger_file(url) == Path("ledger.sqlite")
    made_absolute = absolute_ledger_url(url)
    monkeypatch.chdir(folder.parent)
    with Ledger.open(made_absolute) as ledger:
        assert ledger.name == str(folder / "ledger.sqlite")
    assert absolute_ledger_url(made_absolute) == made_absolute


@pytest.mark.parametrize("url", ["postgresql://me:p%40ss@db/ledger", "sqlite:////var/l.sqlite?timeout=5", "/var/l.db"])
def test_absolute_and_remote_ledger_urls_are_unchanged(folder: Path, url: str) -> None:
    """Servers, passwords, parameters."""
    assert absolute_ledger_url(url) == url
    assert (ledger_file(url) is None) == url.startswith("postgresql")


def test_invalid_ledger_url_gives_configuration_error() -> None:
    """Whatever was to be made of it."""
    with pytest.raises(ConfigurationError, match="ledger"):
        absolute_ledger_url("postgresql://me:hunter2@db:port/ledger")


@pytest.mark.parametrize(
    ("address", "path", "expected"),
    [
        ("duckdb:///rows.duckdb", "rows.duckdb", "duckdb:///{quoted}/rows.duckdb"),
        ("duckdb:///my%20rows.duckdb", "my rows.duckdb", "duckdb:///{quoted}/my%20rows.duckdb"),
        ("rows.duckdb", "rows.duckdb", "{folder}/rows.duckdb"),
        ("rows?format=csv", "rows", "{folder}/rows?format=csv"),
        ("file://rows?format=csv", "rows", "{folder}/rows?format=csv"),
        ("duckdb:////var/rows.duckdb", "/var/rows.duckdb", None),
        ("file:///var/rows?format=csv", "/var/rows", None),
        ("/var/rows", "/var/rows", None),
        ("s3://bucket/rows?format=csv", None, None),
        ("postgresql://me:p%40ss@db/rows", None, None),
        ("dlt://bigquery?dataset=esms", None, None),
    ],
)
def test_local_warehouse_addresses_become_absolute(
    folder: Path, address: str, path: str | None, expected: str | None
) -> None:
    """Files and folders become absolute, all else stays."""
    assert local_path(address) == (None if path is None else Path(path))
    quoted = str(folder).replace(" ", "%20")
    expected = address if expected is None else expected.format(folder=folder, quoted=quoted)
    assert absolute_address(address) == expected
    assert local_path(expected) == (None if path is None else folder / path)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("destination", "setting", "path"),
    [
        ("duckdb", None, "esms_connectors.duckdb"),
        ("duckdb", "duckdb:///rows.duckdb", "rows.duckdb"),
        ("duckdb", "duckdb:////var/rows.duckdb", "/var/rows.duckdb"),
        ("duckdb", "/var/rows.duckdb", "/var/rows.duckdb"),
        ("duckdb", ":memory:", None),
        ("sqlalchemy", "sqlite:////var/rows.sqlite", "/var/rows.sqlite"),
        ("sqlalchemy", "mysql://me:hunter2@db/rows", None),
        ("bigquery", None, None),
        ("postgres", "postgresql://me:hunter2@db/rows", None),
    ],
)
def test_local_file_behind_dlt_is_recognised(
    folder: Path, monkeypatch: pytest.MonkeyPatch, destination: str, setting: str | None, path: str | None
) -> None:
    """Its place stands in dlt's settings; without one it is a file in the working folder, as dlt makes it."""
    if setting is not None:
        monkeypatch.setenv(f"DESTINATION__{destination.upper()}__CREDENTIALS", setting)
    address = f"dlt://{destination}?dataset=esms"
    assert local_path(address) == (None if path is None else Path(path))
    assert absolute_address(address) == address


@pytest.mark.in_turn
def test_dlt_creates_its_file_at_the_reported_path(folder: Path) -> None:
    """Without a setting."""
    with open_warehouse("dlt://duckdb") as warehouse:
        warehouse.prepare()
    assert [one.name for one in folder.iterdir() if one.suffix == ".duckdb"] == [str(local_path("dlt://duckdb"))]


@pytest.mark.parametrize("address", ["s3:/bucket/rows", "postgresql:/me:hunter2@db/rows"])
def test_url_with_a_missing_slash_is_rejected_without_creating_a_folder(folder: Path, address: str) -> None:
    """As `Path` makes it of an address: it would be a folder called `s3:`, and gone with its machine."""
    for opened in (Ledger.open, open_warehouse):
        with pytest.raises(ConfigurationError, match="lacks a slash") as error:
            opened(address)
        assert "hunter2" not in str(error.value)
    assert list(folder.iterdir()) == []

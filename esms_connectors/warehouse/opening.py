"""Opens the warehouse that an address names."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from esms_connectors.databases.extras import need
from esms_connectors.databases.urls import check_database_url
from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.warehouse.contract import Warehouse

_MOTHERDUCK = re.compile(r"(duckdb:/{2,3})?(md|motherduck):", re.IGNORECASE)


def open_warehouse(address: str | Path) -> Warehouse:
    """
    Open what `address` names; its tables are created on first use.

    Args:
        address: one of
            `duckdb:///esms.duckdb` (four slashes for an absolute path), or a path that ends in `.duckdb`;
            `postgresql://user@host/database`, the password in it or in `PGPASSWORD`;
            `mysql://user:password@host/database`, or `mariadb://…`;
            a folder, `file:///folder`, `s3://bucket/prefix`, `gs://…`, `abfs://…` with `?format=parquet` (or `csv`,
            `jsonl`);
            `dlt://bigquery?dataset=esms` for any destination that dlt knows, with dlt's own configuration.

    Raises:
        ConfigurationError: an invalid address, a missing extra, or an unusable target.
    """
    text = str(address).strip()
    if not text:
        raise ConfigurationError("No target is given: give duckdb:///esms.duckdb, postgresql://…, a folder or a URL.")
    if not text.lower().startswith("duckdb://"):
        check_database_url(text, "The warehouse's URL")
    scheme = text.split("://", 1)[0].lower() if "://" in text else ""
    if (path := duckdb_path(text)) is not None:
        _need("duckdb", "duckdb")
        from esms_connectors.warehouse.duckdb_file import DuckDbWarehouse

        return DuckDbWarehouse(path)
    if scheme.split("+")[0] in ("postgresql", "postgres"):
        _need("psycopg", "postgres")
        from esms_connectors.warehouse.postgresql import PostgresWarehouse

        return PostgresWarehouse(text)
    if scheme.split("+")[0] in ("mysql", "mariadb"):
        for module in ("pymysql", "sqlalchemy"):
            _need(module, "mysql")
        from esms_connectors.warehouse.mysql import MySqlWarehouse

        return MySqlWarehouse(text)
    if scheme == "dlt":
        _need("dlt", "dlt")
        from esms_connectors.warehouse.dlt_destination import DltWarehouse

        parts = urlsplit(text)
        return DltWarehouse(parts.netloc, parse_qs(parts.query).get("dataset", ["esms"])[0])
    _need("fsspec", "files")
    from esms_connectors.warehouse.files import FilesWarehouse

    return FilesWarehouse(text)


def duckdb_path(address: str) -> str | None:
    """
    The file that `address` names, if it names a DuckDB file.

    Raises:
        ConfigurationError: a MotherDuck address, which would otherwise be taken for a local file or folder.
    """
    if _MOTHERDUCK.match(address):
        raise ConfigurationError(
            "MotherDuck is loaded through dlt: give dlt://motherduck?dataset=esms, and "
            "DESTINATION__MOTHERDUCK__CREDENTIALS=md:///database?motherduck_token=… in the environment."
        )
    if address.lower().startswith("duckdb://"):
        return unquote(address[len("duckdb://") :].removeprefix("/"))
    return address if "://" not in address and address.lower().endswith((".duckdb", ".ddb")) else None


def _need(module: str, extra: str) -> None:
    for name in ("pyarrow", "msgspec"):
        need(name, extra)
    need(module, extra)

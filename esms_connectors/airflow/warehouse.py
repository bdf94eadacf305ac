"""What warehouse tasks share: the address of the warehouse, and the time span of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esms_connectors.airflow.connections import mysql_url, place_of
from esms_connectors.airflow.hooks import address_of, connection, extra_of, mask
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError, foreign_errors

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk.definitions.context import Context
    from pendulum import DateTime

    from esms_connectors.warehouse import Warehouse


WAREHOUSE = (("warehouse", "warehouse_conn_id"), "Give warehouse (an address) or warehouse_conn_id.")


def warehouse_address(conn_id: str | None, address: str | None) -> str:
    """
    An address for `open_warehouse`, masked in logs: it may hold a password.

    Args:
        conn_id: a connection of type `postgres` or `mysql`; `duckdb`, `generic` or `fs` with the file, or an address
            without a password, as host, schema or `path` of the extra.
        address: the address itself; one of the two is given.

    Raises:
        InvalidRequestError: both or none. ConfigurationError: a connection that is not a warehouse.
    """
    if bool(address) == bool(conn_id):
        raise InvalidRequestError(WAREHOUSE[1], field="warehouse")
    if address:
        mask(address if "@" in address else None)
        return str(address)
    conn = connection(conn_id or "")
    where = f"Connection {conn.conn_id!r}, for the warehouse, is of type {conn.conn_type!r}"
    match conn.conn_type:
        case "postgres" | "postgresql":
            return address_of(conn, purpose="the warehouse")
        case "mysql" | "mariadb":
            url = mysql_url(conn, extra_of(conn))
            mask(url)
            return url
        case "duckdb" | "generic" | "fs" | None:
            return place_of(conn, extra_of(conn))
        case "sqlite":
            raise ConfigurationError(f"{where}: a warehouse file must be a DuckDB file.")
        case kind if kind in _STORES:
            raise ConfigurationError(
                f"{where}, and names no bucket: give "
                f"warehouse='{_STORES[kind]}://{conn.conn_id}@bucket/prefix?format=parquet' instead."
            )
        case kind if kind in _BY_DLT:
            raise ConfigurationError(
                f"{where}: give warehouse='dlt://{_BY_DLT[kind]}?dataset=esms' instead, and dlt's settings in the "
                "environment."
            )
    raise ConfigurationError(f"{where}; postgres, mysql and duckdb can be used.")


_STORES = {"aws": "s3", "google_cloud_platform": "gs", "wasb": "abfs", "adls": "abfs", "azure_data_lake": "abfs"}
# Destinations of dlt, which has its own configuration.
_BY_DLT = {"gcpbigquery": "bigquery", "snowflake": "snowflake", "redshift": "redshift", "databricks": "databricks"}


def opened_warehouse(address: str) -> Warehouse:
    """
    `open_warehouse`, also for an object store with the credentials of a connection: `s3://connection@bucket/prefix`.

    Raises:
        ConfigurationError: see `open_warehouse`; the connection does not exist, or Airflow does not know the store.
    """
    from esms_connectors.warehouse import open_warehouse

    scheme, conn_id, rest = store_connection(address)
    if conn_id is None:
        return open_warehouse(address)
    from airflow.sdk.io import get_fs

    from esms_connectors.warehouse.files import FilesWarehouse

    connection(conn_id)  # raises if there is none

    def unusable(error: Exception) -> ConfigurationError:
        problem = (
            "Airflow knows no such store; install its provider, such as apache-airflow-providers-amazon[s3fs]"
            if isinstance(error, ValueError)
            else f"connection {conn_id!r} does not open it ({type(error).__name__})"
        )
        return ConfigurationError(f"{scheme}://: {problem}.")

    with foreign_errors(unusable):
        options = get_fs(scheme, conn_id).storage_options
    return FilesWarehouse(f"{scheme}://{rest}", storage_options=options)


def store_connection(address: str) -> tuple[str, str | None, str]:
    """Scheme, connection and the rest of an object store's address; no connection for any other."""
    scheme, found, rest = address.partition("://")
    place, _, path = rest.partition("/")
    conn_id, named, bucket = place.rpartition("@")
    is_database = scheme.split("+")[0] in ("postgresql", "postgres", "mysql", "mariadb", "duckdb", "dlt", "file")
    # In Azure's own format the container precedes the @, and an account with dots follows it.
    if not found or not named or is_database or ":" in conn_id or "." in bucket:
        return scheme, None, rest
    return scheme, conn_id, f"{bucket}/{path}"


def due(context: Context) -> datetime:
    """The end of the data interval or, if there is none, the time that the run was due."""
    from esms_connectors.gateway import machine_clock

    end = context.get("data_interval_end")
    return end or getattr(context.get("dag_run"), "run_after", None) or machine_clock.now()


def export_span(
    context: Context, start: datetime | str | None, end: datetime | str | None
) -> tuple[DateTime | None, DateTime | None]:
    """
    Start and end of the load: as given, else the data interval. (None, None) for a run without an interval, such as
    that of a cron trigger, which loads whatever is missing.

    Raises:
        InvalidRequestError: as `span`.
    """
    nothing_given = start in (None, "") and end in (None, "")
    first, last = context.get("data_interval_start"), context.get("data_interval_end")
    if nothing_given and (first is None or last is None or first == last):
        return None, None
    return span(context, start, end)


def span(context: Context, start: datetime | str | None, end: datetime | str | None) -> tuple[Any, Any]:
    """
    Start and end, aware: as given, else the data interval of the run.

    Raises:
        InvalidRequestError: nothing is given and the run has no interval, or the span is empty or in the future.
    """
    from esms_connectors.airflow.arguments import point_in_time
    from esms_connectors.gateway import machine_clock

    given = [
        own if own not in (None, "") else context.get(name)
        for own, name in ((start, "data_interval_start"), (end, "data_interval_end"))
    ]
    if None in given:
        raise InvalidRequestError(
            "This run has no data interval (it was triggered by hand): give start and end.", field="start"
        )
    first: Any = point_in_time(given[0], "start", context)
    last: Any = point_in_time(given[1], "end", context)
    if first >= last:
        raise InvalidRequestError(
            f"There is nothing between {first} and {last}: a schedule such as @daily gives an interval, a cron "
            "trigger none. Give start and end.",
            field="start",
        )
    if first >= machine_clock.now():
        raise InvalidRequestError(f"The window begins in the future ({first}): nothing can be there.", field="start")
    return first, last

"""Optional packages: a missing one is reported before it is used."""

from __future__ import annotations

import importlib.util

from esms_connectors.gateway.errors import ConfigurationError

_EXTRAS = {
    "duckdb": "duckdb",
    "postgres": "postgres",
    "postgresql": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
    "dlt": "dlt",
}


def need(module: str, extra: str) -> None:
    """Raise an error that names the extra, instead of an ImportError."""
    if importlib.util.find_spec(module) is None:
        raise ConfigurationError(f"This needs the extra [{extra}]: pip install 'esms-connectors[{extra}]'")


def missing_framework(name: str) -> ModuleNotFoundError | None:
    """
    The error that our package for Airflow or Prefect raises on import if that one is not installed. A folder with its
    name but without code does not count.
    """
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.origin is not None:
        return None
    return ModuleNotFoundError(
        f"esms_connectors.{name} needs the extra [{name}]: pip install 'esms-connectors[{name}]'", name=name
    )


def extra_of(address: str | None) -> str:
    """The extra that a warehouse needs, by its address; without an address it is a DuckDB file."""
    scheme, place, _ = (address or "duckdb://").lower().rpartition("://")
    if not place:
        return "duckdb" if (address or "").lower().endswith((".duckdb", ".ddb")) else "files"
    return _EXTRAS.get(scheme.split("+")[0], "files")

"""Optional packages: what an address needs is named before anything is tried."""

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
    """One line that names the extra, instead of an ImportError."""
    if importlib.util.find_spec(module) is None:
        raise ConfigurationError(f"This needs the extra [{extra}]: pip install 'esms-connectors[{extra}]'")


def missing_framework(name: str) -> ModuleNotFoundError | None:
    """
    What our package for Airflow or Prefect raises in its first lines where that one is not installed. A folder of its
    name, without code, is not it.
    """
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.origin is not None:
        return None
    return ModuleNotFoundError(
        f"esms_connectors.{name} needs the extra [{name}]: pip install 'esms-connectors[{name}]'", name=name
    )


def extra_of(address: str | None) -> str:
    """The extra that a warehouse needs, by its address; none is a file of DuckDB."""
    scheme, place, _ = (address or "duckdb://").lower().rpartition("://")
    if not place:
        return "duckdb" if (address or "").lower().endswith((".duckdb", ".ddb")) else "files"
    return _EXTRAS.get(scheme.split("+")[0], "files")

"""
Views for analysts on the loaded tables: daily delivery, monthly costs, delivery times, failures, a statement.

The SQL is that of the dbt package `dbt_esms`, whose models are created as views unchanged in DuckDB and PostgreSQL.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from functools import cache
from graphlib import TopologicalSorter
from importlib.resources import as_file, files
from pathlib import Path
from types import MappingProxyType

from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.gateway.paths import kind_at
from esms_connectors.warehouse.contract import Warehouse
from esms_connectors.warehouse.grouped import GroupedTable
from esms_connectors.warehouse.outcomes import OUTCOMES_TABLE

__all__ = ["copy_dbt_package", "create_marts"]

INVOICES = GroupedTable(
    "esms_invoices",
    {
        "invoice": "varchar",
        "month": "date",
        "sms_type": "integer",
        "messages": "integer",
        "amount_vnd": "decimal(18, 4)",
    },
    "invoice",
    ("invoice", "sms_type"),
)

_PACKAGE = files("esms_connectors") / "dbt_esms"
_SOURCE = re.compile(r"\{\{\s*source\('esms', '(\w+)'\)\s*\}\}")
_REF = re.compile(r"\{\{\s*ref\('(\w+)'\)\s*\}\}")


@cache
def mart_views() -> Mapping[str, str]:
    """View -> its query, each after the views it reads."""
    texts = {
        model.name.removesuffix(".sql"): model.read_text("utf-8")
        for model in (_PACKAGE / "models").iterdir()
        if model.name.endswith(".sql")
    }
    order = TopologicalSorter({name: _REF.findall(text) for name, text in sorted(texts.items())}).static_order()
    return MappingProxyType({name: _REF.sub(r"\1", _SOURCE.sub(r"\1", texts[name])) for name in order})


def create_marts(warehouse: Warehouse) -> tuple[str, ...]:
    """
    Atomically create or update the views.

    Returns:
        The names of the views.

    Raises:
        ConfigurationError: the warehouse has no views, or a name is taken by something else.
        WarehouseError: the database cannot be reached, or refused.
    """
    views = mart_views()
    warehouse.create_views(views, (OUTCOMES_TABLE, INVOICES))
    return tuple(views)


def copy_dbt_package(folder: str | Path) -> Path:
    """
    Copy the dbt package into a new folder and return its path.

    Raises:
        ConfigurationError: the folder exists already, or cannot be written.
    """
    place = Path(folder).expanduser().absolute()
    if kind_at(place) != "nothing":
        raise ConfigurationError(f"{place} already exists: give another folder, or move it away.")
    problem = ""
    try:
        with as_file(_PACKAGE) as package:
            shutil.copytree(package, place)
    except OSError as error:
        problem = error.strerror or type(error).__name__
    if problem:
        raise ConfigurationError(f"{place} cannot be written ({problem}).")
    return place

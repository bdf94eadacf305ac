"""
Metadata for OpenLineage: file or table, columns and number of rows. No rows, phones, keys or queries.

Nothing is imported until a listener asks; if OpenLineage is not installed, the answer is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

# The sent data of the account, which campaigns add to and the export reads; named as in the assets.
SENT_DATA = ("esms://rest.esms.vn", "sent-data")


@dataclass(frozen=True, slots=True)
class DataTransfer:
    """
    What a task moved.

    Attributes:
        source, target: namespace and name of a dataset in OpenLineage's naming; None if it has no name.
        columns: columns of the target, name -> description.
    """

    source: tuple[str, str] | None
    target: tuple[str, str] | None
    rows: int
    columns: Mapping[str, str] = field(default_factory=dict)


def operator_lineage(moved: DataTransfer | None) -> Any:
    """An `OperatorLineage`, or None if nothing was moved or OpenLineage is not installed."""
    if moved is None:
        return None
    try:
        from airflow.providers.common.compat.openlineage.facet import (
            Dataset,
            OutputDataset,
            OutputStatisticsOutputDatasetFacet,
            SchemaDatasetFacet,
            SchemaDatasetFacetFields,
        )
        from airflow.providers.openlineage.extractors import OperatorLineage
    except ImportError:
        return None
    facets: dict[str, Any] = {}
    if moved.columns:
        columns = [SchemaDatasetFacetFields(name=name, description=text) for name, text in moved.columns.items()]
        facets["schema"] = SchemaDatasetFacet(fields=columns)
    counted = {"outputStatistics": OutputStatisticsOutputDatasetFacet(rowCount=moved.rows)}
    source, target = moved.source, moved.target
    return OperatorLineage(
        inputs=[] if source is None else [Dataset(namespace=source[0], name=source[1])],
        outputs=[]
        if target is None
        else [OutputDataset(namespace=target[0], name=target[1], facets=facets, outputFacets=counted)],
    )


def file_dataset(recipients: object) -> tuple[str, str] | None:
    """The dataset of a file of recipients; None for rows that came as a list or by a query."""
    if not isinstance(recipients, str | Path):
        return None
    if "://" not in str(recipients):
        return "file", str(Path(recipients).absolute())
    namespace, path = _in_store(str(recipients))
    return namespace, path or "/"


def warehouse_dataset(address: str, table: str) -> tuple[str, str] | None:
    """The dataset of a table in a warehouse; None for an address of an unknown kind."""
    scheme = address.split("://", 1)[0].lower() if "://" in address else ""
    parts = urlsplit(address)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if scheme == "duckdb" or (not scheme and address.lower().endswith((".duckdb", ".ddb"))):
        path = address[len("duckdb:///") :] if scheme else address
        return f"duckdb://{Path(unquote(path)).absolute()}", f"main.{table}"
    # The first of several hosts; with a socket the server is on this machine.
    host = parts.netloc.rpartition("@")[2].split(",")[0] or "localhost"
    if scheme.split("+")[0] in ("mysql", "mariadb"):
        port = "" if re.search(r":\d+$", host) else ":3306"
        return f"mysql://{host}{port}", f"{parts.path.strip('/')}.{table}"
    if scheme.split("+")[0] in ("postgresql", "postgres"):
        port = "" if re.search(r":\d+$", host) else ":5432"
        return f"postgres://{host}{port}", f"{parts.path.strip('/')}.{asked.get('schema', 'public')}.{table}"
    if scheme == "dlt":
        return f"dlt://{parts.netloc.rpartition('@')[2]}", f"{asked.get('dataset', 'esms')}.{table}"
    if scheme in ("", "file"):
        return "file", str(Path(unquote(parts.path) if scheme else address).absolute() / table)
    namespace, path = _in_store(address)
    return namespace, f"{path.rstrip('/')}/{table}".lstrip("/")


def _in_store(url: str) -> tuple[str, str]:
    """Bucket and key, without the part before an `@`, which is a connection or a password, and without a query."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return "file", unquote(parts.path)
    # For Azure the part before the `@` is the container.
    container = re.fullmatch(r"([^:@]+@)?[^:@]+", parts.netloc) if parts.scheme in ("abfs", "abfss") else None
    place = parts.netloc if container else parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}", parts.path.lstrip("/")

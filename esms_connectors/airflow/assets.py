"""
Assets of eSMS: `esms://rest.esms.vn/sent-data`, the host of the gateway and what of an account is meant.

Airflow calls these functions by the provider's metadata; `create_asset` is for DAGs too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from airflow.sdk import Asset

GATEWAY = "rest.esms.vn"


def create_asset(
    *, path: str = "sent-data", host: str = GATEWAY, name: str | None = None, extra: dict[str, Any] | None = None
) -> Asset:
    """
    An asset of the scheme `esms`, such as `create_asset(path="campaigns/march")` for outlets of your own.

    Raises:
        ValueError: no path.
    """
    from airflow.sdk import Asset

    uri = f"esms://{host}/{path.strip('/')}"
    return Asset(name=name or uri, uri=uri, extra=extra or {})


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    One spelling of an address: the host in small letters, no slash at the end.

    Raises:
        ValueError: no host or no path, or one with keys or a query, which Airflow would show.
    """
    host, path = uri.netloc.lower(), uri.path.rstrip("/")
    if not host or not path:
        raise ValueError("URI format esms:// must contain the gateway's host and a path: esms://rest.esms.vn/sent-data")
    if "@" in host or uri.query or uri.fragment:
        raise ValueError("URI format esms:// has neither a user nor a query")
    return uri._replace(netloc=host, path=path)


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Any:
    """The dataset of OpenLineage, as `esms_connectors.airflow.lineage` names what operators read and write."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(asset.uri)
    return Dataset(namespace=f"esms://{parts.netloc}", name=parts.path.strip("/"))

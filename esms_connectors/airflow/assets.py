"""
Assets of eSMS, such as `esms://rest.esms.vn/sent-data`: the gateway's host and a part of the account.

Airflow finds these functions through the provider's metadata; `create_asset` is also for use in DAGs.
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
    An asset of the scheme `esms`, such as `create_asset(path="campaigns/march")` for custom outlets.

    Raises:
        ValueError: no path.
    """
    from airflow.sdk import Asset

    uri = f"esms://{host}/{path.strip('/')}"
    return Asset(name=name or uri, uri=uri, extra=extra or {})


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Normalise an address: lower-case host, no trailing slash.

    Raises:
        ValueError: no host or no path, or an address with keys or a query, which Airflow would show.
    """
    host, path = uri.netloc.lower(), uri.path.rstrip("/")
    if not host or not path:
        raise ValueError("URI format esms:// must contain the gateway's host and a path: esms://rest.esms.vn/sent-data")
    if "@" in host or uri.query or uri.fragment:
        raise ValueError("URI format esms:// has neither a user nor a query")
    return uri._replace(netloc=host, path=path)


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Any:
    """The OpenLineage dataset, named as in `esms_connectors.airflow.lineage`."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(asset.uri)
    return Dataset(namespace=f"esms://{parts.netloc}", name=parts.path.strip("/"))

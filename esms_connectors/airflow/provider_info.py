"""What Airflow reads about this provider. Imports nothing: every Airflow command loads it."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Metadata after Airflow's provider schema. A mistake in it breaks all of Airflow, so a test validates it."""
    return {
        "package-name": "esms-connectors",
        "name": "eSMS.vn",
        "description": "Send SMS and Zalo ZNS through eSMS.vn, wait for delivery, load every status row.",
    }

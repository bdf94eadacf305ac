"""The Airflow provider. Found by Airflow through `provider_info`; a thin adapter over the core."""

from esms_connectors.databases.extras import missing_framework

if (missing := missing_framework("airflow")) is not None:
    raise missing

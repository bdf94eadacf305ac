"""The Airflow provider. Found by Airflow through `provider_info`; a thin adapter over the core."""

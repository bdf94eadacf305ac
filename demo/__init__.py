"""The program of `make demo`: one campaign on a real Airflow, another on a real Prefect. Not part of the wheel."""

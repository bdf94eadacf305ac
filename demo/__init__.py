"""What `make demo` runs: a campaign through a real Airflow, another through a real Prefect. Not part of the wheel."""

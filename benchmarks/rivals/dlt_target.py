"""The targets of dlt, shared by both of its pipelines."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import dlt
from measuring import Job

DATASET = "bench"

# dlt imports its destinations on first use; here they count as libraries, not as part of the load.
LIBRARIES = {
    "": ["pyarrow", "dlt.pipeline.pipeline", "dlt.normalize.normalize", "dlt.load.load"],
    "duckdb": ["duckdb", "dlt.destinations.impl.duckdb.duck"],
    "postgresql": ["psycopg2", "dlt.destinations.impl.postgres.postgres"],
    "mariadb": ["pymysql", "sqlalchemy", "dlt.destinations.impl.sqlalchemy.sqlalchemy_job_client"],
    "parquet": ["fsspec", "dlt.destinations.impl.filesystem.filesystem"],
}


def pipeline(job: Job) -> Any:
    if job.target == "duckdb":
        destination: Any = dlt.destinations.duckdb(job.address)
    elif job.target == "postgresql":
        parts = urlsplit(job.address)
        # The socket folder, encoded for a URL. dlt requires a password, which the server ignores.
        host = quote(parse_qs(parts.query)["host"][0], safe="")
        destination = dlt.destinations.postgres(f"postgresql://{parts.username}:none@{host}{parts.path}")
    elif job.target == "mariadb":
        url = job.address.replace("mysql://", "mysql+pymysql://", 1)
        destination = dlt.destinations.sqlalchemy(credentials=url)
    else:
        destination = dlt.destinations.filesystem(bucket_url=f"file://{job.address}")
    return dlt.pipeline("bench", pipelines_dir=job.folder, destination=destination, dataset_name=DATASET)

"""This package: pull alone, or pull and load."""

from __future__ import annotations

from datetime import datetime

from measuring import Job, measure

from esms_connectors import Credentials, EsmsClient
from esms_connectors.sent_data.reader import SentDataReader, windows_between
from esms_connectors.warehouse import load_sent_messages, open_warehouse


def load(job: Job) -> int:
    start, end = datetime.fromisoformat(job.start), datetime.fromisoformat(job.end)
    credentials = Credentials(job.api_key, job.secret_key)
    with EsmsClient(credentials, job.base_url, max_connections=job.threads) as client:
        if job.target == "pull":
            windows = windows_between(start, end, [job.sms_type])
            with SentDataReader(client, windows, threads=job.threads) as reader:
                return sum(batch.num_rows for reading in reader for batch in reading)
        with open_warehouse(job.address) as warehouse:
            summary = load_sent_messages(client, warehouse, start, end, sms_types=[job.sms_type], threads=job.threads)
            return summary.rows


if __name__ == "__main__":
    measure(
        load,
        {
            "duckdb": ["duckdb", "esms_connectors.warehouse.duckdb_file"],
            "postgresql": ["psycopg", "esms_connectors.warehouse.postgresql"],
            "mariadb": ["pymysql", "esms_connectors.warehouse.mysql"],
            "parquet": ["duckdb", "pyarrow.parquet", "fsspec", "esms_connectors.warehouse.files"],
        },
    )

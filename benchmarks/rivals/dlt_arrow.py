"""dlt fed with Arrow: the reading and decoding of this package, dlt's merge."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import dlt
import pyarrow as pa
from dlt_target import LIBRARIES, pipeline
from measuring import Job, measure

from esms_connectors import Credentials, EsmsClient
from esms_connectors.sent_data.reader import read_sent_messages

# dlt loads Parquet into PostgreSQL only through a separate driver; CSV is loaded by COPY.
_FORMATS = {"duckdb": "parquet", "postgresql": "csv", "parquet": "parquet", "mariadb": "parquet"}


def load(job: Job) -> int:
    @dlt.resource(name="sent_messages", primary_key=("message_id", "phone"), write_disposition="merge")
    def sent_messages() -> Iterator[pa.Table]:
        start, end = datetime.fromisoformat(job.start), datetime.fromisoformat(job.end)
        with EsmsClient(Credentials(job.api_key, job.secret_key), job.base_url, max_connections=job.threads) as client:
            for batch in read_sent_messages(client, start, end, [job.sms_type], threads=job.threads):
                yield pa.Table.from_batches([batch])

    running = pipeline(job)
    running.run(sent_messages(), loader_file_format=_FORMATS[job.target])
    return int(running.last_trace.last_normalize_info.row_counts["sent_messages"])


if __name__ == "__main__":
    measure(load, LIBRARIES)

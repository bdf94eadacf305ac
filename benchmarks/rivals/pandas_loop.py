"""A quick hand-written solution: requests, sequential pages, pandas, a staging table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import requests
from measuring import PATH, Job, measure

COLUMNS = {
    "ReferenceId": "message_id",
    "Phone": "phone",
    "SmsType": "sms_type",
    "Campaign": "campaign",
    "Content": "content",
    "SellPrice": "price_vnd",
    "SendStatus": "send_status",
    "SendResult": "send_result",
    "SentTime": "sent_at",
    "SmsId": "portal_id",
}
TABLE = """
CREATE TABLE IF NOT EXISTS {name} (message_id text, phone text, sms_type integer, campaign text, content text,
    price_vnd numeric(18,4), send_status integer, send_result integer, sent_at timestamptz, portal_id bigint{key})
"""


def pages(job: Job) -> Iterator[pd.DataFrame]:
    with requests.Session() as session:
        page = 1
        while True:
            answer = session.post(f"{job.base_url}/{PATH}", json=job.body(page), timeout=60)
            answer.raise_for_status()
            rows = answer.json()["SentData"]
            if not rows:
                return
            frame = pd.DataFrame(rows).rename(columns=COLUMNS)[list(COLUMNS.values())]
            milliseconds = frame["sent_at"].str.extract(r"(\d+)")[0].astype("int64")
            frame["sent_at"] = pd.to_datetime(milliseconds, unit="ms", utc=True)
            yield frame
            page += 1


def into_postgresql(job: Job) -> int:
    """Default `to_sql`, which is an executemany, into a staging table; from there one INSERT ... ON CONFLICT."""
    from sqlalchemy import create_engine, text

    engine = create_engine(job.address.replace("postgresql://", "postgresql+psycopg://"))
    count = 0
    with engine.begin() as connection:
        connection.execute(text(TABLE.format(name="sent_messages", key=", PRIMARY KEY (message_id, phone)")))
        connection.execute(text(TABLE.format(name="staging", key="")))
        connection.execute(text("TRUNCATE staging"))
    for frame in pages(job):
        frame.to_sql("staging", engine, if_exists="append", index=False)
        count += len(frame)
    changes = ", ".join(f"{name} = excluded.{name}" for name in list(COLUMNS.values())[2:])
    with engine.begin() as connection:
        upsert = (
            f"INSERT INTO sent_messages SELECT * FROM staging ON CONFLICT (message_id, phone) DO UPDATE SET {changes}"
        )
        connection.execute(text(upsert))
    return count


def into_duckdb(job: Job) -> int:
    """DuckDB reads a frame directly; delete existing rows, then insert."""
    import duckdb

    count = 0
    with duckdb.connect(job.address) as connection:
        connection.execute(TABLE.format(name="sent_messages", key=""))
        connection.execute(TABLE.format(name="staging", key=""))
        connection.execute("TRUNCATE staging")
        for frame in pages(job):
            connection.execute("INSERT INTO staging SELECT * FROM frame")
            count += len(frame)
        connection.begin()
        connection.execute(
            "DELETE FROM sent_messages USING staging "
            "WHERE sent_messages.message_id = staging.message_id AND sent_messages.phone = staging.phone"
        )
        connection.execute("INSERT INTO sent_messages SELECT * FROM staging")
        connection.commit()
    return count


def into_parquet(job: Job) -> int:
    """Rewrite the file of the day."""
    frame = pd.concat(list(pages(job)), ignore_index=True)
    folder = Path(job.address)
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(folder / "day.parquet", index=False)
    return len(frame)


def load(job: Job) -> int:
    return {"postgresql": into_postgresql, "duckdb": into_duckdb, "parquet": into_parquet}[job.target](job)


if __name__ == "__main__":
    measure(load, {"postgresql": ["sqlalchemy", "psycopg"], "duckdb": ["duckdb"], "parquet": ["pyarrow.parquet"]})

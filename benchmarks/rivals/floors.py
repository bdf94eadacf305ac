"""
Lower bounds: decoding without a network, and the network without decoding.

Targets: `decode` (msgspec and columns, no tolerance, no checks), `our decode` (the same pages through this package),
`wire` (the pages over requests, discarded).
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pyarrow as pa
import requests
from measuring import PAGE_SIZE, PATH, Job, measure, stopwatch

from esms_connectors.sent_data.columns import PageReader

PAGES_HELD = 200
TIME, MONEY = pa.timestamp("ms", tz="UTC"), pa.decimal128(18, 4)


class Row(msgspec.Struct, gc=False):
    """A row exactly as in the gateway's sample."""

    Campaign: str
    Content: str
    Phone: str
    ReferenceId: str
    SellPrice: float
    SendResult: int
    SendStatus: int
    SentTime: str
    SmsId: int
    SmsType: int


class Page(msgspec.Struct, gc=False):
    CountTotal: int
    SentData: list[Row]


_decode = msgspec.json.Decoder(Page).decode


def columns(body: bytes) -> pa.RecordBatch:
    rows = _decode(body).SentData
    return pa.RecordBatch.from_pydict(
        {
            "message_id": pa.array([row.ReferenceId for row in rows], pa.string()),
            "phone": pa.array([row.Phone for row in rows], pa.string()),
            "sms_type": pa.array([row.SmsType for row in rows], pa.int32()),
            "campaign": pa.array([row.Campaign for row in rows], pa.string()),
            "content": pa.array([row.Content for row in rows], pa.string()),
            "price_vnd": pa.array([row.SellPrice for row in rows], pa.float64()).cast(MONEY),
            "send_status": pa.array([row.SendStatus for row in rows], pa.int32()),
            "send_result": pa.array([row.SendResult for row in rows], pa.int32()),
            "sent_at": pa.array([int(row.SentTime[6:-7]) for row in rows], pa.int64()).cast(TIME),
            "portal_id": pa.array([row.SmsId for row in rows], pa.int64()),
        }
    )


def our_columns(body: bytes) -> pa.RecordBatch:
    reader = PageReader()
    return reader.columns(reader.read(body)).batch


def fetch(job: Job, pages: Iterator[int]) -> Iterator[bytes]:
    with requests.Session() as session:
        for page in pages:
            yield session.post(f"{job.base_url}/{PATH}", json=job.body(page), timeout=60).content


def decode(job: Job, convert: Callable[[bytes], pa.RecordBatch]) -> int:
    """Decode pages from memory."""
    pages = -(-job.rows // PAGE_SIZE)
    held = list(fetch(job, iter(range(1, min(PAGES_HELD, pages) + 1))))
    gc.collect()
    stopwatch.start()
    return sum(convert(held[page % len(held)]).num_rows for page in range(pages))


def wire(job: Job) -> int:
    """Fetch every page once, over one connection per thread."""
    pages = iter(range(1, -(-job.rows // PAGE_SIZE) + 1))
    guard = threading.Lock()

    def numbers() -> Iterator[int]:
        while True:
            with guard:
                page = next(pages, None)
            if page is None:
                return
            yield page

    def read() -> int:
        return sum(PAGE_SIZE for _ in fetch(job, numbers()))

    with ThreadPoolExecutor(job.threads) as pool:
        readers = [pool.submit(read) for _ in range(job.threads)]
        return sum(reader.result() for reader in readers)


def load(job: Job) -> int:
    match job.target:
        case "wire":
            return wire(job)
        case "decode":
            return decode(job, columns)
        case _:
            return decode(job, our_columns)


if __name__ == "__main__":
    measure(load, {})

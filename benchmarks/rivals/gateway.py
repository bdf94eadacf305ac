"""
A gateway that is not a bottleneck: the pages of one Vietnamese day, joined from rows that are already encoded as JSON.

The rows are those of the emulator; only answering is simplified, because the emulator looks up, checks and encodes
every page. There are two editions of the day: an early one, in which a tenth of the messages still await their report,
and the final one. `POST /bench {"edition": "final", "latency_ms": 200}` selects one, `GET /bench` shows what is served.

    python benchmarks/rivals/gateway.py --rows 1000000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from esms_connectors.emulator import DEMO_API_KEY, Emulator
from esms_connectors.emulator.progress import local_text_ms

SMS_TYPE = 2
AWAITING_REPORT, NOT_KNOWN = 7, 2
VIETNAM = timedelta(hours=7)


class Day:
    """Messages of yesterday, spread evenly over its seconds."""

    def __init__(self, rows: int) -> None:
        emulator = Emulator()
        midnight = (datetime.now(UTC) + VIETNAM).replace(hour=0, minute=0, second=0, microsecond=0) - VIETNAM
        self.start, self.end = midnight - timedelta(days=1), midnight
        emulator.populate(rows, start=int(self.start.timestamp() * 1000), end=int(self.end.timestamp() * 1000))
        self.rows = rows
        self.edition = "early"
        self.latency_seconds = 0.0
        self.answers = 0
        self._index = emulator.state.index(DEMO_API_KEY, SMS_TYPE)
        encode = msgspec.json.Encoder().encode
        final = [encode(row) for row in emulator.state.rows]
        early = list(final)
        for number in random.Random(1).sample(range(rows), rows // 10):
            row = emulator.state.rows[number]
            row.SendStatus, row.SendResult = AWAITING_REPORT, NOT_KNOWN
            early[number] = encode(row)
        # Newest first, as the gateway lists them.
        self._editions = {"early": early[::-1], "final": final[::-1]}

    def page(self, asked: dict[str, Any]) -> list[bytes]:
        since, until = local_text_ms(asked["From"]), local_text_ms(asked["To"])
        assert since is not None
        assert until is not None
        low, high = self._index.window(since, until)
        newest, page_size = self.rows - high, int(asked["PageSize"])
        begin = newest + (int(asked["Page"]) - 1) * page_size
        rows = self._editions[self.edition][begin : max(begin, min(begin + page_size, self.rows - low))]
        self.answers += 1
        head = b'{"CodeResult":"100","CountTotal":%d,"SentData":[' % (high - low)
        return [head, b",".join(rows), b"]}"]

    def control(self, wanted: bytes) -> list[bytes]:
        for name, value in (json.loads(wanted) if wanted else {}).items():
            if name == "latency_ms":
                self.latency_seconds = value / 1000
            else:
                self.edition = value
        waiting = self.rows // 10 if self.edition == "early" else 0
        figures = {
            "rows": self.rows,
            "awaiting": waiting,
            "answers": self.answers,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
        }
        return [json.dumps(figures).encode()]


_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, one request at a time: the default of every HTTP library."""

    def __init__(self, day: Day) -> None:
        self._day = day
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = _LENGTH.search(head)
        if len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        if b" /bench " in head[: head.index(b"\r\n")]:
            self._answer(self._day.control(body))
        else:
            asked = json.loads(body)
            loop = asyncio.get_running_loop()
            if self._day.latency_seconds:
                loop.call_later(self._day.latency_seconds, lambda: self._answer(self._day.page(asked)))
            else:
                self._answer(self._day.page(asked))

    def _answer(self, body: list[bytes]) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(b"".join([head % sum(map(len, body)), *body]))


async def serve(rows: int) -> None:
    day = Day(rows)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(day), "127.0.0.1", 0, backlog=256)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    asyncio.run(serve(parser.parse_args().rows))

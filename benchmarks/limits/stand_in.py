"""
An in-process gateway: a `requests` adapter, so that no server shares the cores.

Answers are built by slicing and joining bytes, and this cost is included in the measurement; `Pages(held=True)` keeps
each answer, so that it costs almost nothing from the second time on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from esms_connectors import Credentials, EsmsClient
from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY

PAGE_ROWS = 500
CHUNK = 500
SMS_TYPE = 2
DAY_SECONDS = 86_400
VIETNAM = timedelta(hours=7)
# A fixed day in the past; no measured code depends on the current date.
DAY_START = datetime(2026, 11, 1, tzinfo=UTC) - VIETNAM
DAY_END = DAY_START + timedelta(days=1)

_ROW = (
    '{"Campaign":"2026-11-01 campaign %d","Content":"Cam on quy khach Kh\u00e1nh %d da su dung dich vu cua chung toi. '
    'Chuc quy khach mot ngay tot lanh!","Phone":"09%08d","ReferenceId":"cf466408620179e91cd6bf57%08x",'
    '"SellPrice":790.0,"SendResult":%d,"SendStatus":%d,"SentTime":"/Date(%d+0700)/","SmsId":%d,"SmsType":2}'
)


class _Adapter(BaseAdapter):
    """
    Attributes:
        latency_seconds: delay of each answer; the calling thread sleeps.
        calls: number of answers so far.
    """

    def __init__(self, latency_seconds: float = 0.0) -> None:
        super().__init__()
        self.latency_seconds = latency_seconds
        self.calls = 0
        self._responses = HTTPAdapter()

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        self.calls += 1
        assert isinstance(request.body, bytes)
        body = self.answer(request.body)
        if self.latency_seconds:
            time.sleep(self.latency_seconds)
        # In the form in which urllib3 returns answers from a socket.
        raw = HTTPResponse(
            body=BytesIO(body),
            headers={"Content-Type": "application/json; charset=utf-8", "Content-Length": str(len(body))},
            status=200,
            version=11,
            reason="OK",
            preload_content=False,
            decode_content=False,
            request_method="POST",
        )
        return self._responses.build_response(request, raw)

    def answer(self, asked: bytes) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing to close."""


class Pages(_Adapter):
    """
    A day of `rows` status rows, evenly spread, in pages of 500.

    Attributes:
        waiting: whether every tenth row still waits for its report.
        held: whether each answer is kept.
    """

    def __init__(self, rows: int, *, latency_seconds: float = 0.0, held: bool = False) -> None:
        super().__init__(latency_seconds)
        self.rows, self.waiting = rows, True
        self._held: dict[tuple[bool, bytes], bytes] | None = {} if held else None
        self._step = DAY_SECONDS * 1000 / rows

    def answer(self, asked: bytes) -> bytes:
        if self._held is None:
            return self._page(json.loads(asked))
        key = (self.waiting, asked)
        if key not in self._held:
            self._held[key] = self._page(json.loads(asked))
        return self._held[key]

    def _page(self, asked: Mapping[str, Any]) -> bytes:
        low, high = self._row_at(asked["From"]), min(self.rows, self._row_at(asked["To"], behind=True))
        first = low + (int(asked["Page"]) - 1) * int(asked["PageSize"])
        numbers = range(first, min(first + int(asked["PageSize"]), high))
        rows = ",".join([self._row(number) for number in numbers])
        return f'{{"CodeResult":"100","CountTotal":{max(0, high - low)},"SentData":[{rows}]}}'.encode()

    def _row(self, number: int) -> str:
        status = 7 if self.waiting and number % 10 == 0 else 5
        sent_at = int(DAY_START.timestamp() * 1000 + number * self._step)
        return _ROW % (
            *(number % 20, number % 1000, number % 10**8, number, 2 if status == 7 else 1, status, sent_at),
            29_000_000 + number,
        )

    def _row_at(self, text: str, *, behind: bool = False) -> int:
        """The first row in this second, or with `behind` the first one after it."""
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC) - VIETNAM
        milliseconds = (moment - DAY_START).total_seconds() * 1000 + 1000 * behind
        return max(0, -int(-milliseconds // self._step))


class Zns(_Adapter):
    """Accepts every row of every bulk call; the answer for each first phone is built once and kept."""

    def __init__(self, phones: list[str], *, latency_seconds: float = 0.0) -> None:
        super().__init__(latency_seconds)
        self._answers = {
            phones[first]: _accepted(phones[first : first + CHUNK], first) for first in range(0, len(phones), CHUNK)
        }

    def answer(self, asked: bytes) -> bytes:
        place = asked.find(b'"Phone"')
        first = asked[place + 7 : place + 30].decode().strip(': "')[:10]
        return self._answers[first]


class AnyZns(_Adapter):
    """The same for arbitrary phones."""

    def answer(self, asked: bytes) -> bytes:
        phones = [row["Phone"] for row in json.loads(asked)["Data"]]
        return _accepted(phones, self.calls * CHUNK)


def _accepted(phones: list[str], number: int) -> bytes:
    detail = ",".join(
        f'{{"CodeResult":"100","Phone":"{phone}","SMSID":"cf466408620179e91cd6bf57{number + place:08x}"}}'
        for place, phone in enumerate(phones)
    )
    return f'{{"CodeResult":"100","TotalSuccess":{len(phones)},"detail":[{detail}]}}'.encode()


def client_of(adapter: BaseAdapter, **settings: Any) -> EsmsClient:
    return EsmsClient(Credentials(DEMO_API_KEY, DEMO_SECRET_KEY), adapter=adapter, **settings)

"""A transport adapter that answers every request with the same bytes, where a socket would only cost time."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pendulum
import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from esms_connectors import NO_RETRIES, Credentials, EsmsClient


class Canned(BaseAdapter):
    """Answers every request with the same bytes."""

    def __init__(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        super().__init__()
        self.body, self.status, self.headers = body, status, headers or {}
        self.calls = 0
        self.requests: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        self.calls += 1
        self.requests.append(request)
        response = requests.Response()
        response.status_code = self.status
        response.headers.update(self.headers)
        response.raw = HTTPResponse(BytesIO(self.body), headers=self.headers, status=self.status, preload_content=False)
        response.request = request
        return response

    def close(self) -> None:
        """Nothing is open."""


def client_of(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> EsmsClient:
    """A client that is always answered with `body`, bytes or something for json.dumps."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return EsmsClient(
        Credentials("key-of-canned", "secret-of-canned"),
        "http://127.0.0.1",
        adapter=Canned(content, status, headers),
        retries=NO_RETRIES,
        now=lambda: pendulum.datetime(2024, 5, 15, 12, tz="Asia/Ho_Chi_Minh"),
    )

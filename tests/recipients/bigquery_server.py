"""The part of BigQuery's REST API, and of Google's tokens, that a query needs, on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY_ID = "5ecretkeyid"
JOB = {"projectId": "shop", "jobId": "job-1", "location": "asia-southeast1"}


class BigQueryServer:
    """
    Attributes:
        schema: column -> type; `rows` hold texts as they stand in its JSON.
        key: the file of a service account whose tokens it gives out.
        asked: the bodies of the queries that came.
        refusal: status, reason and words of what it answers instead; from page `refused_page` on.
    """

    def __init__(self, key: Path) -> None:
        self.schema: Mapping[str, str] = {}
        self.rows: list[list[str | None]] = []
        self.asked: list[dict[str, Any]] = []
        self.pages: list[str] = []
        self.refusal: tuple[int, str, str] | None = None
        self.refused_page = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._http.server_port}"
        self.key = self._write_key(key)
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _write_key(self, path: Path) -> Path:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(65537, 2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        account = {
            "type": "service_account",
            "project_id": "shop",
            "private_key_id": KEY_ID,
            "private_key": pem.decode(),
            "client_email": "reader@shop.iam.gserviceaccount.com",
            "token_uri": f"{self.address}/token",
        }
        path.write_text(json.dumps(account), encoding="utf-8")
        return path

    def answer(self, target: str, body: bytes) -> tuple[int, dict[str, Any]]:
        place, asked = urlsplit(target), parse_qs(urlsplit(target).query)
        if place.path == "/token":
            if self.refusal and self.refusal[1] == "invalid_grant":
                return 400, {"error": "invalid_grant", "error_description": self.refusal[2]}
            return 200, {"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}
        if place.path == "/bigquery/v2/projects/shop/queries":
            query = json.loads(body)
            self.asked.append(query)
            return self._page(0, int(query["maxResults"]))
        if place.path == "/bigquery/v2/projects/shop/jobs/job-1":
            return 200, {
                "jobReference": JOB,
                "status": {"state": "DONE"},
                "configuration": {
                    "jobType": "QUERY",
                    "query": {"destinationTable": {"projectId": "shop", "datasetId": "_found", "tableId": "anon"}},
                },
                "statistics": {"query": {"statementType": "SELECT"}},
            }
        if place.path == "/bigquery/v2/projects/shop/queries/job-1":
            return self._page(int(asked["pageToken"][0]), int(asked["maxResults"][0]))
        return 404, {"error": {"code": 404, "message": f"no such place: {place.path}", "errors": []}}

    def _page(self, begin: int, size: int) -> tuple[int, dict[str, Any]]:
        self.pages.append(f"{begin}+{size}")
        if self.refusal and len(self.pages) > self.refused_page:
            status, reason, words = self.refusal
            one = {"reason": reason, "message": words, "domain": "global"}
            return status, {"error": {"code": status, "message": words, "errors": [one]}}
        end = min(begin + size, len(self.rows))
        more = {"pageToken": str(end)} if end < len(self.rows) else {}
        return 200, {
            "kind": "bigquery#queryResponse",
            "schema": {
                "fields": [{"name": name, "type": kind, "mode": "NULLABLE"} for name, kind in self.schema.items()]
            },
            "jobReference": JOB,
            "totalRows": str(len(self.rows)),
            "rows": [{"f": [{"v": cell} for cell in row]} for row in self.rows[begin:end]],
            "jobComplete": True,
            **more,
        }


def _handler(server: BigQueryServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body: bytes) -> None:
            status, found = server.answer(self.path, body)
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None: ...

    return Handler

"""A database of its own in the session's PostgreSQL, as an Airflow connection and for looking into."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from postgres_server import PostgresServer


@dataclass(frozen=True)
class Database:
    """Made when it is first named."""

    server: PostgresServer
    name: str = field(default_factory=lambda: f"airflow_{uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        self.server.execute(f"CREATE DATABASE {self.name}")

    @property
    def connection(self) -> dict[str, Any]:
        parts = urlsplit(self.server.uri)
        host = parse_qs(parts.query)["host"][0]
        return {"conn_type": "postgres", "host": host, "login": parts.username, "schema": self.name}

    def rows(self, query: str) -> list[Any]:
        import psycopg

        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode())

    def dump(self) -> dict[str, bytes]:
        """Table -> all of its rows, as text."""
        tables = self.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        return {
            table: "\n".join(row for (row,) in self.rows(f'SELECT one::text FROM "{table}" one')).encode()
            for (table,) in tables
        }

    @property
    def url(self) -> str:
        return urlsplit(self.server.uri)._replace(path=f"/{self.name}").geturl()

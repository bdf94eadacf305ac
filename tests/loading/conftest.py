"""An emulator, a place of each kind, and `esms` to pull from the one into the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from disturbing_gateway import DAY, NEXT
from esms_processes import Esms
from pulling_bench import KINDS, Load, Place, Puller, duckdb_place, mysql_place, parquet_place, postgresql_place

from esms_connectors import EsmsClient
from esms_connectors.emulator import Emulator, EmulatorServer
from esms_connectors.warehouse import LoadSummary, load_sent_messages, open_warehouse


@pytest.fixture
def make_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Place]:
    def make(kind: str) -> Place:
        if kind == "postgresql":
            server = request.getfixturevalue("postgres")
            return postgresql_place(server.uri, server.new_schema())
        if kind == "mysql":
            return mysql_place(request.getfixturevalue("mariadb"))
        return duckdb_place(tmp_path) if kind == "duckdb" else parquet_place(tmp_path)

    return make


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, make_place: Callable[[str], Place]) -> Place:
    """Empty, of each kind."""
    return make_place(request.param)


@pytest.fixture
def duckdb_only(make_place: Callable[[str], Place]) -> Place:
    """For what the kind does not matter to."""
    return make_place("duckdb")


@pytest.fixture
def pull(esms: Esms, server: EmulatorServer, place: Place) -> Puller:
    """`esms pull` of the emulator into `place`."""
    return Puller(esms, server.base_url, place, server.emulator.clock)


@pytest.fixture
def load(gateway: Emulator, make_client: Callable[..., EsmsClient]) -> Load:
    """Load in this process, by the emulator's clock: the day before unless a span is given."""

    def run(place: Place, start: Any = DAY, end: Any = NEXT, **settings: Any) -> LoadSummary:
        settings.setdefault("now", lambda: gateway.clock.now.in_timezone("UTC"))
        settings.setdefault("sms_types", [2])
        # A client that was refused its keys stays stopped, so each load has one of its own.
        with make_client() as client, open_warehouse(place.address) as warehouse:
            return load_sent_messages(client, warehouse, start, end, **settings)

    return run

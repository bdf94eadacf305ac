"""Warehouses of both databases, and loads of the emulator by its own clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from esms_processes import Done, Esms
from places import Place

from esms_connectors import EsmsClient
from esms_connectors.emulator import Emulator, EmulatorServer
from esms_connectors.warehouse import Privacy, load_sent_messages, open_warehouse

KINDS = ("duckdb", "postgresql")


@pytest.fixture
def make_address(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """The address of an empty warehouse of the kind named."""

    def make(kind: str) -> str:
        if kind == "duckdb":
            return f"duckdb:///{tmp_path / 'kho' / 'esms.duckdb'}"
        server = request.getfixturevalue("postgres")
        return f"{server.uri}&schema={server.new_schema()}"

    return make


@pytest.fixture(params=["duckdb", pytest.param("postgresql", marks=pytest.mark.in_turn(every=2))])
def address(request: pytest.FixtureRequest, make_address: Callable[[str], str]) -> str:
    """An empty warehouse, of each kind."""
    return make_address(request.param)


@pytest.fixture
def duckdb_address(make_address: Callable[[str], str]) -> str:
    """For what the kind does not matter to."""
    return make_address("duckdb")


@pytest.fixture
def load(gateway: Emulator, make_client: Callable[..., EsmsClient]) -> Callable[..., None]:
    """Load a span into a warehouse: types 2 and 25 unless others are given."""

    def run(address: str, start: Any, end: Any, **settings: Any) -> None:
        settings.setdefault("now", lambda: gateway.clock.now.in_timezone("UTC"))
        settings.setdefault("sms_types", [2, 25])
        with make_client() as client, open_warehouse(address) as warehouse:
            load_sent_messages(client, warehouse, start, end, **settings)

    return run


@pytest.fixture
def run(esms: Esms, server: EmulatorServer, tmp_path: Path) -> Callable[..., Done]:
    """`esms …` with an empty environment but for what is given."""

    def run_esms(*arguments: str, **changes: str | None) -> Done:
        environment = {"HOME": str(tmp_path), "ESMS_LEDGER": None, "ESMS_WAREHOUSE": None, **changes}
        return esms.start(server.base_url, *arguments, environment=environment).finish()

    return run_esms


@pytest.fixture
def make_place() -> Iterator[Callable[..., Place]]:
    places: list[Place] = []

    def make(address: str, privacy: Privacy | None = None) -> Place:
        places.append(Place(address, privacy))
        return places[-1]

    yield make
    for place in places:
        place.warehouse.close()

"""Gateways, ledgers and senders for the tests of bulk sending."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from bulk_bench import POSTGRESQL, SQLITE, Bench, SenderFactory, new_ledger, open_bench
from journeys import Chain, opened_chain

from esms_connectors.emulator import EmulatorConfig
from esms_connectors.gateway import machine_clock
from esms_connectors.recipients import Recipient


@pytest.fixture(scope="session")
def senders() -> Iterator[SenderFactory]:
    """Makes senders in processes of their own."""
    factory = SenderFactory()
    yield factory
    factory.close()


@pytest.fixture
def new_ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """The URL of an empty ledger in the database named."""

    def make(database: str) -> str:
        if database == SQLITE:
            return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
        url, _ = new_ledger(request.getfixturevalue("postgres"))
        return str(url)

    return make


@pytest.fixture(params=[SQLITE, pytest.param(POSTGRESQL, marks=pytest.mark.in_turn(every=2))])
def ledger_url(request: pytest.FixtureRequest, new_ledger_url: Callable[[str], str]) -> str:
    """An empty ledger, in each database."""
    return new_ledger_url(request.param)


@pytest.fixture
def make_bench(senders: SenderFactory, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes benches: a gateway, a ledger at the URL given, and the people given."""
    with ExitStack() as stack:

        def make(
            url: str, recipients: Sequence[Recipient] = (), config: EmulatorConfig | None = None, *, proven: bool = True
        ) -> Bench:
            return stack.enter_context(open_bench(url, senders, tmp_path, recipients, config, proven=proven))

        yield make


@pytest.fixture
def sqlite_url(new_ledger_url: Callable[[str], str]) -> str:
    """An empty ledger in SQLite, for what the database does not matter to."""
    return new_ledger_url(SQLITE)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """The longest first, so that no worker of pytest-xdist is left with them at the end."""
    items.sort(key=lambda item: "random_sequences" not in item.nodeid)


@pytest.fixture
def chain(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Chain]]:
    """Makes chains on SQLite; the machine's clock is the gateway's."""
    with ExitStack() as stack:

        def make(*given: Any, **more: Any) -> Chain:
            made = stack.enter_context(opened_chain(sqlite_url, *given, **more))
            monkeypatch.setattr(machine_clock, "source", made.now)
            return made

        yield make

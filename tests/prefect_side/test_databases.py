"""Recipients from a database that a block names, and a ledger in PostgreSQL under Prefect."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import LEASE_SECONDS, name_of, phone_of
from postgres_server import PostgresServer
from prefect.blocks.system import Secret
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector
from sqlalchemy.engine import make_url

from esms_connectors.emulator import Emulator, EmulatorServer
from esms_connectors.ledger import LedgerError
from esms_connectors.prefect import EsmsLedger, ZnsCampaign, zns_campaign

QUERY = "SELECT phone, customer_name, service, code, date FROM customers ORDER BY id"


@pytest.fixture
def crm(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a database with 700 customers."""
    schema = postgres.new_schema()
    rows = ",".join(f"({n}, '{phone_of(n)}', 'Khách {n}', 'Cắt tóc', 'M{n}', '15/05/2024')" for n in range(700))
    postgres.execute(
        f"CREATE TABLE {schema}.customers (id int, phone text, customer_name text, service text, code text, date text);"
        f"INSERT INTO {schema}.customers VALUES {rows}"
    )
    yield _within(postgres, schema)
    postgres.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def postgres_ledger(prefect_server: str, postgres: PostgresServer) -> EsmsLedger:
    """A saved block of an empty ledger in PostgreSQL."""
    block = EsmsLedger(url=_within(postgres, postgres.new_schema()), lease_seconds=LEASE_SECONDS)
    block.save(f"postgres-{uuid.uuid4().hex[:8]}")
    return block


def _within(server: PostgresServer, schema: str) -> str:
    return f"{server.uri}&options=-csearch_path%3D{schema}"


def _secret(url: str) -> str:
    Secret(value=url).save("crm", overwrite=True)
    return "secret/crm"


def _connector(url: str) -> str:
    parsed = make_url(url)
    SqlAlchemyConnector(
        connection_info=ConnectionComponents(
            driver="postgresql+psycopg",
            username=parsed.username,
            password=parsed.password,
            host=parsed.host,
            port=parsed.port,
            database=parsed.database,
            query=dict(parsed.query),
        )
    ).save("crm", overwrite=True)
    return "sqlalchemy-connector/crm"


@pytest.mark.in_turn
@pytest.mark.parametrize("save", [_secret, _connector])
def test_rows_from_a_database_block_are_sent_once_and_rerun_resumes(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], crm: str, save: Callable[[str], str]
) -> None:
    """Its URL stands in the block alone; everybody is sent to once, and the run resumes."""
    campaign = make_campaign(0, query=QUERY, database=save(crm))
    assert zns_campaign(campaign)["accepted"] == 700
    assert zns_campaign(campaign)["shards_passed_over"] == 2
    assert gateway.deliveries_by_phone() == {phone_of(number): 1 for number in range(700)}
    assert crm not in campaign.model_dump_json()


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "value",
    [
        "postgresql://me:hunter2@127.0.0.1:1/crm",
        # Signs that a URL has for itself: the rest of the password would be taken for a port.
        "postgresql://me:p@ss:hunter2@127.0.0.1:1/crm",
        "hunter2",
        {"url": "hunter2"},
    ],
)
def test_unusable_database_gives_one_line_error_without_its_password(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], prefect_server: str, value: Any
) -> None:
    """Nobody there, no URL, no text."""
    Secret(value=value).save("nowhere", overwrite=True)
    with pytest.raises(Exception, match=r"database block|query failed|URL cannot be read") as error:
        zns_campaign(make_campaign(0, query=QUERY, database="secret/nowhere"))
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)
    assert gateway.message_count == 0


@pytest.mark.in_turn
def test_concurrent_runs_with_a_postgresql_ledger_send_each_row_once(
    gateway: Emulator,
    server: EmulatorServer,
    make_campaign: Callable[..., ZnsCampaign],
    postgres_ledger: EsmsLedger,
) -> None:
    """Both at once, in threads of one process: everybody once, and both say so."""
    campaign = make_campaign(2000, chunk_size=100, ledger=name_of(postgres_ledger))
    server.latency_seconds = 0.02
    told: list[dict[str, Any]] = []
    runs = [threading.Thread(target=lambda: told.append(zns_campaign(campaign))) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [(one["accepted"], one["complete"]) for one in told] == [(2000, True)] * 2
    assert gateway.deliveries_by_phone() == {phone_of(number): 1 for number in range(2000)}
    with postgres_ledger.open() as ledger:
        assert ledger.summary(campaign.run_key).accepted == 2000


@pytest.mark.in_turn
def test_unreachable_postgresql_ledger_gives_one_line_error_and_sends_nothing(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], prefect_server: str
) -> None:
    """One line, without the password. It may be back for the next try."""
    block = EsmsLedger(url="postgresql://me:hunter2hunter2@127.0.0.1:1/ledger")
    block.save(f"gone-{uuid.uuid4().hex[:8]}")
    with pytest.raises(LedgerError) as error:
        zns_campaign(make_campaign(10, ledger=name_of(block)))
    assert error.value.retryable
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)
    assert gateway.message_count == 0

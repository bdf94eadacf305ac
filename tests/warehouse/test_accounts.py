"""A warehouse takes the rows of one account: what was loaded for one would count as loaded for another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pendulum
import pytest
from targets import Target

from esms_connectors import Credentials, EsmsClient
from esms_connectors.emulator import Emulator, EmulatorConfig, VirtualClock
from esms_connectors.emulator.world import default_account
from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.warehouse import load_sent_messages
from esms_connectors.warehouse.accounts import ACCOUNTS, check_account, claim_account
from esms_connectors.warehouse.coverage import compare_windows
from esms_connectors.warehouse.snapshots import take_snapshot

NOON = pendulum.datetime(2026, 11, 20, 12, tz="Asia/Ho_Chi_Minh")
NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
FIRST = ("FIRSTACCOUNT0123456789", "FIRSTSECRET0123456789")
OTHER = ("OTHERACCOUNT0123456789", "OTHERSECRET0123456789")
EMULATED = (default_account().api_key, default_account().secret_key)

Client = Callable[..., EsmsClient]


def client_of(keys: tuple[str, str], **settings: Any) -> EsmsClient:
    return EsmsClient(Credentials(*keys), **settings)


def test_warehouse_belongs_to_the_first_account_and_rejects_others(target: Target) -> None:
    check_account(target.warehouse, client_of(FIRST))  # nobody's yet
    assert list(target.warehouse.rows_of(ACCOUNTS)) == []
    claim_account(target.warehouse, client_of(FIRST), NOW)
    with target.again() as again:
        claim_account(again, client_of(FIRST), NOW + timedelta(hours=1))
        claim_account(again, client_of(FIRST, base_url="https://proxy.example"), NOW)
        for claim in (check_account, lambda *given: claim_account(*given, NOW + timedelta(hours=1))):
            with pytest.raises(ConfigurationError, match=r"another account.* --same-account"):
                claim(again, client_of(OTHER))
        [(account, _, same_as_before)] = again.rows_of(ACCOUNTS)
    assert account == client_of(FIRST).api_key_hash
    assert not same_as_before


@pytest.mark.in_turn(every=3)
def test_new_keys_need_the_same_account_flag_only_once(target: Target) -> None:
    claim_account(target.warehouse, client_of(FIRST), NOW)
    claim_account(target.warehouse, client_of(OTHER), NOW + timedelta(days=1), same_account=True)
    for keys in (OTHER, FIRST):
        claim_account(target.warehouse, client_of(keys), NOW + timedelta(days=2))
        check_account(target.warehouse, client_of(keys))
    assert len(target.warehouse.rows_of(ACCOUNTS)) == 2


@pytest.mark.in_turn(every=3)
def test_real_account_cannot_claim_an_emulator_warehouse(sql_target: Target) -> None:
    claim_account(sql_target.warehouse, client_of(EMULATED), NOW)
    for same_account in (False, True):
        with pytest.raises(ConfigurationError, match="an emulator's rows"):
            claim_account(sql_target.warehouse, client_of(FIRST), NOW, same_account=same_account)


@pytest.mark.in_turn(every=3)
def test_concurrent_first_claims_accept_only_one_account(sql_target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has seen that the warehouse is nobody's before the other wrote."""
    put = sql_target.warehouse.put_group

    def put_second(*given: Any) -> None:
        monkeypatch.undo()
        claim_account(sql_target.warehouse, client_of(OTHER), NOW)
        put(*given)

    monkeypatch.setattr(sql_target.warehouse, "put_group", put_second)
    with pytest.raises(ConfigurationError, match="another account"):
        claim_account(sql_target.warehouse, client_of(FIRST), NOW + timedelta(seconds=1))
    claim_account(sql_target.warehouse, client_of(OTHER), NOW)


@pytest.fixture
def gateway() -> Emulator:
    """With two accounts beside that of the emulator."""
    accounts = [replace(default_account(), api_key=key, secret_key=secret) for key, secret in (FIRST, OTHER)]
    return Emulator(EmulatorConfig(accounts=(default_account(), *accounts)), clock=VirtualClock(NOON))


@pytest.mark.in_turn(every=3)
def test_load_with_another_account_is_rejected_without_changes(
    gateway: Emulator, make_client: Client, duckdb_target: Target
) -> None:
    """Without dates it would have found its day loaded, and brought nothing."""
    warehouse = duckdb_target.warehouse

    def now() -> pendulum.DateTime:
        return gateway.clock.now.in_timezone("UTC")

    clients = [make_client(credentials=Credentials(*keys), now=now) for keys in (FIRST, OTHER)]
    for number, client in enumerate(clients):
        client.send_customer_care_sms(f"090123456{number}", "Xin chao", "Baotrixemay")
    gateway.clock.advance(days=1)
    pull = partial(load_sent_messages, sms_types=[2], now=now)
    assert pull(clients[0], warehouse).rows == 1
    before = duckdb_target.messages(), duckdb_target.loads()
    for attempt in (
        lambda: pull(clients[1], warehouse),
        lambda: pull(clients[1], warehouse, NOON.subtract(days=1), NOON),
        lambda: take_snapshot(clients[1], warehouse, tables=["balances"]),
        lambda: list(compare_windows(clients[1], warehouse, [load.window for load in warehouse.loads()])),
    ):
        with pytest.raises(ConfigurationError, match="another account"):
            attempt()
    assert (duckdb_target.messages(), duckdb_target.loads()) == before
    assert pull(clients[1], warehouse, same_account=True).rows == 0

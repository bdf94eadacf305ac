"""
Whose rows a warehouse holds. What was loaded for one account would be taken for loaded for another, whose rows would
then be missed, so a warehouse takes those of one alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.warehouse.contract import Warehouse
from esms_connectors.warehouse.grouped import GroupedTable

ACCOUNTS = GroupedTable(
    "esms_accounts",
    {"account": "varchar", "noted_at": "timestamptz", "same_as_before": "boolean"},
    "account",
    ("account",),
)
_EMULATOR = "emulator"


def claim_account(warehouse: Warehouse, client: EsmsClient, now: datetime, *, same_account: bool = False) -> None:
    """
    Write down whose warehouse it is where nobody has loaded yet; otherwise see that it is this account's.

    Args:
        same_account: the keys are new ones of the account that was loaded before.

    Raises:
        ConfigurationError: it is another account's, or an emulator's.
    """
    account, owners = _account_of(client), _owners(warehouse)
    if not owners or (same_account and account not in owners and _EMULATOR not in (account, *owners)):
        warehouse.put_group(ACCOUNTS, account, [(account, now, bool(owners))])
        owners = _owners(warehouse)  # somebody else may have been first
    _refuse_others(warehouse.name, account, owners)


def check_account(warehouse: Warehouse, client: EsmsClient) -> None:
    """
    Raises:
        ConfigurationError: the warehouse is another account's, or an emulator's.
    """
    owners = _owners(warehouse)
    if owners:
        _refuse_others(warehouse.name, _account_of(client), owners)


def _account_of(client: EsmsClient) -> str:
    """One emulator is as good as another."""
    return _EMULATOR if client.of_emulator else client.api_key_hash


def _owners(warehouse: Warehouse) -> set[str]:
    """The account that came first, and its later keys."""
    lines: Sequence[tuple[Any, ...]] = sorted(warehouse.rows_of(ACCOUNTS), key=lambda line: (line[1], line[0]))
    return {account for number, (account, _, same) in enumerate(lines) if number == 0 or same}


def _refuse_others(name: str, account: str, owners: set[str]) -> None:
    if account in owners:
        return
    if _EMULATOR in owners:
        raise ConfigurationError(f"{name} holds an emulator's rows: load those of an account into another warehouse.")
    if account == _EMULATOR:
        raise ConfigurationError(f"{name} holds an account's rows: load those of an emulator into another warehouse.")
    raise ConfigurationError(
        f"{name} was loaded with the keys of another account, and its days would count as loaded for this one: choose "
        "another warehouse (a file, a schema, a folder). If these are new keys of the same account, say so once: "
        "esms pull --same-account --into …"
    )

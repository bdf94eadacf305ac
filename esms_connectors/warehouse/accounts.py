"""
The account that a warehouse belongs to. A warehouse holds the rows of one account only: windows loaded for one account
would count as loaded for another, and the rows of the other would be missing.
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
    Record the account of a warehouse that has none yet; otherwise check that the warehouse belongs to this account.

    Args:
        same_account: these are new keys of the account that was loaded before.

    Raises:
        ConfigurationError: the warehouse belongs to another account or to an emulator.
    """
    account = _account_of(client)
    with warehouse.held():
        owners = _owners(warehouse)
        if not owners or (same_account and account not in owners and _EMULATOR not in (account, *owners)):
            warehouse.put_group(ACCOUNTS, account, [(account, now, bool(owners))])
            owners = _owners(warehouse)  # another process may have been first
    _refuse_others(warehouse.name, account, owners)


def check_account(warehouse: Warehouse, client: EsmsClient) -> None:
    """
    Raises:
        ConfigurationError: the warehouse belongs to another account or to an emulator.
    """
    owners = _owners(warehouse)
    if owners:
        _refuse_others(warehouse.name, _account_of(client), owners)


def _account_of(client: EsmsClient) -> str:
    """The hash of the API key; all emulators count as one account."""
    return _EMULATOR if client.of_emulator else client.api_key_hash


def _owners(warehouse: Warehouse) -> set[str]:
    """The first account recorded, and its later keys."""
    lines: Sequence[tuple[Any, ...]] = sorted(warehouse.rows_of(ACCOUNTS), key=lambda line: (line[1], line[0]))
    return {account for number, (account, _, same) in enumerate(lines) if number == 0 or same}


def _refuse_others(name: str, account: str, owners: set[str]) -> None:
    if account in owners:
        return
    if _EMULATOR in owners:
        raise ConfigurationError(
            f"{name} contains an emulator's rows: load those of an account into another warehouse."
        )
    if account == _EMULATOR:
        raise ConfigurationError(
            f"{name} contains an account's rows: load those of an emulator into another warehouse."
        )
    raise ConfigurationError(
        f"{name} was loaded with the keys of another account, and its days would count as loaded for this one: choose "
        "another warehouse (a file, a schema, a folder). If these are new keys of the same account, say so once: "
        "esms pull --same-account --into …"
    )

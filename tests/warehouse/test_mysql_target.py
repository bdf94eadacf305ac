"""What is MySQL's alone: `make test-mysql`. Its merge is held by the suite that all targets share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest
from targets import ALL_TARGETS, DELIVERED, Target, merge, row

from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.warehouse import open_warehouse
from esms_connectors.warehouse.contract import MESSAGES, MergeCounts, WarehouseError

pytestmark = pytest.mark.mysql


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """A database without tables."""
    made = ALL_TARGETS["mysql"](request, tmp_path)
    yield made
    made.warehouse.close()


def _change(target: Target, statement: str) -> None:
    place, _, socket = target.address.partition("?unix_socket=")
    database = place.rpartition("/")[2]
    with pymysql.connect(unix_socket=socket, user="root", database=database, autocommit=True) as connection:
        connection.cursor().execute(statement)


def test_missing_table_is_recreated_only_while_the_others_are_empty(target: Target) -> None:
    """Each is made at once and for good, so a process may end between two; with rows in one, the others were lost."""
    target.warehouse.prepare()
    _change(target, "DROP TABLE esms_loads")
    target.warehouse.prepare()
    assert merge(target, [row(1)]) == MergeCounts(inserted=1)
    _change(target, "DROP TABLE esms_loads")
    with pytest.raises(ConfigurationError, match="restore the others"):
        target.warehouse.prepare()


def test_foreign_table_named_esms_loads_is_rejected(target: Target) -> None:
    _change(target, "CREATE TABLE esms_loads (a int)")
    with pytest.raises(ConfigurationError, match="esms_loads already exists but was not created by"):
        target.warehouse.prepare()
    _change(target, "DROP TABLE esms_loads")
    target.warehouse.prepare()
    assert target.read(MESSAGES) == []


def test_too_long_key_rejects_the_whole_load(target: Target) -> None:
    """Nothing is cut off."""
    target.warehouse.prepare()
    with pytest.raises(WarehouseError, match="a key has over 700 characters"):
        merge(target, [row(1), row(2, row_key="x" * 701)])
    assert target.messages() == {}


def test_merge_works_without_the_primary_key(target: Target) -> None:
    target.warehouse.prepare()
    _change(target, "ALTER TABLE esms_sent_messages DROP PRIMARY KEY")
    merge(target, [row(1, (5, 2))])
    assert merge(target, [row(1, DELIVERED), row(2)], minute=5) == MergeCounts(inserted=1, changed=1)
    assert len(target.messages()) == 2


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mysql://u:geheim@127.0.0.1:1/x", "cannot be reached"),
        ("mysql://u:geheim@127.0.0.1:1", "names no database"),
        ("mariadb://u:geheim@127.0.0.1:1/x?nope=1", "an option of the address is unknown"),
        ("mysql://u:geheim@127.0.0.1:1/x?ssl_ca=/none", "names a file that cannot be read"),
    ],
)
def test_unusable_address_is_rejected_without_leaking_the_password(address: str, said: str) -> None:
    with pytest.raises((ConfigurationError, WarehouseError), match=said) as caught:
        open_warehouse(address).prepare()
    assert "geheim" not in str(caught.value)

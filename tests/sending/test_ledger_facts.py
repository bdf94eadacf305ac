"""What the ledger's database keeps besides rows: facts about gateways; and how an older one is brought up to date."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pendulum
import sqlalchemy as sa
from bulk_bench import Bench, people

from esms_connectors.gateway.request_ids import IdFact
from esms_connectors.ledger.schema import SCHEMA_VERSION

NOON = pendulum.datetime(2024, 5, 15, 12, tz="Asia/Ho_Chi_Minh")


def test_latest_gateway_fact_is_kept_per_account_and_function(
    ledger_url: str, make_bench: Callable[..., Bench]
) -> None:
    """By account and function; older news change nothing, whenever they arrive."""
    facts = make_bench(ledger_url).ledger().facts
    assert facts.known("a", "send_zns_bulk") is None
    honoured, ignored = IdFact(True, NOON), IdFact(False, NOON.add(seconds=1))
    facts.learn("a", "send_zns_bulk", honoured)
    assert facts.known("a", "send_zns_bulk") == honoured
    facts.learn("a", "send_zns_bulk", ignored)
    facts.learn("a", "send_zns_bulk", honoured)
    assert facts.known("a", "send_zns_bulk") == ignored
    assert facts.known("b", "send_zns_bulk") is None
    assert facts.known("a", "send_zns") is None


def test_only_one_concurrent_worker_may_probe_per_run(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """However many ask at once; for each run and account anew, and again only when nothing left the machine."""
    bench = make_bench(ledger_url)
    allowed: list[str] = []
    start = threading.Barrier(6)

    def ask(run_key: str) -> None:
        facts = bench.ledger().facts
        start.wait(240)
        if facts.begin_probe(run_key, "a", "send_zns_bulk", NOON):
            allowed.append(run_key)

    askers = [threading.Thread(target=ask, args=("one" if number % 2 else "two",)) for number in range(6)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(60)
    assert sorted(allowed) == ["one", "two"]
    facts = bench.ledger().facts
    facts.abandon_probe("one", "a", "send_zns_bulk")
    assert facts.begin_probe("one", "a", "send_zns_bulk", NOON)
    assert not facts.begin_probe("one", "a", "send_zns_bulk", NOON)


def test_version_1_ledger_is_migrated(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """Rows stay what they were: settled ones settled, refused ones due under a new id."""
    bench = make_bench(ledger_url, people(40))
    bench.gateway.set_balance(300 * 30)
    bench.send(threads=1)
    assert bench.books.summary(bench.run_key).refused_by_code == {"103": 10}
    engine = bench.ledger()._engine
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE esms_gateway_facts"))
        connection.execute(sa.text("DROP TABLE esms_id_probes"))
        connection.execute(sa.text("ALTER TABLE esms_sends DROP COLUMN id_refused"))
        connection.execute(sa.text("UPDATE esms_ledger_version SET version = 1"))
    bench.gateway.set_balance(10**9)
    assert bench.send(threads=1).complete
    bench.check_complete()
    with engine.begin() as connection:
        assert connection.execute(sa.text("SELECT version FROM esms_ledger_version")).scalar() == SCHEMA_VERSION
        generations = connection.execute(sa.text("SELECT generation, count(*) FROM esms_sends GROUP BY 1 ORDER BY 1"))
        assert [tuple(row) for row in generations] == [(0, 30), (1, 10)]

"""Bulk sends and the ledger itself: other secrets, other versions, odd answers, no database."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pendulum
import pytest
import sqlalchemy as sa
from bulk_bench import CARE, ZNS, Bench, new_ledger, people
from postgres_server import PostgresServer

from esms_connectors import Credentials, EsmsClient
from esms_connectors.databases.postgresql import is_passing
from esms_connectors.delivery.polling import target_of_run
from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_SECRET_KEY,
    Emulator,
    Quirks,
)
from esms_connectors.emulator.faults import Fault, code, drop_after
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.ledger.database import LedgerError
from esms_connectors.ledger.rows import LedgerRow, Settlement
from esms_connectors.recipients import Columns, SqlQuery, read_recipients
from esms_connectors.sending.reconcile import reconcile


@pytest.mark.in_turn
def test_ledger_file_with_phone_secret_contains_no_plain_phones(
    sqlite_url: str, make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    """With a secret no phone, nor row key made of one, stands in any byte of the ledger; resume and reconcile work."""
    bench = make_bench(sqlite_url, people(300))
    bench.phone_secret = "a secret"
    bench.block(97)
    bench.gateway.faults.add(ZNS, drop_after(), probability=0.6)
    bench.send()
    bench.gateway.faults.clear()
    bench.clock.move(13 * 3600)
    bench.send()
    bench.reconcile(not_sent_after_seconds=3600)
    bench.send()
    bench.check_complete()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.sqlite*"))
    assert len(content) > 50_000
    for one in bench.recipients:
        assert one.phone[1:].encode() not in content


def test_changed_phone_secret_under_the_same_run_key_is_rejected(
    sqlite_url: str, make_bench: Callable[..., Bench]
) -> None:
    """Phones hashed otherwise would be other rows, and everybody would get a second message."""
    bench = make_bench(sqlite_url, people(50))
    bench.phone_secret = "one secret"
    bench.send()
    for other in ("another secret", None):
        bench.phone_secret = other
        with pytest.raises(InvalidRequestError):
            bench.send()
    assert bench.gateway.message_count == 50


def test_newer_ledger_version_is_rejected_with_upgrade_hint(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """A ledger made by a later version is not touched, and the error says what to do."""
    bench = make_bench(ledger_url, people(10))
    ledger = bench.ledger()
    with ledger._engine.begin() as connection:
        connection.execute(sa.text("UPDATE esms_ledger_version SET version = version + 1"))
    with pytest.raises(ConfigurationError, match="Upgrade"):
        bench.send()
    assert bench.gateway.message_count == 0


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///file::memory:?uri=true",
        "sqlite:///:memory:",
        "sqlite:////proc/nowhere/ledger.sqlite",
        "mysql://localhost/x",
        "nonsense://x",
        "://",
        "postgresql://user:S3cretWord@127.0.0.1:port/none",
    ],
)
def test_unusable_ledger_url_gives_one_line_error_without_password(url: str) -> None:
    """What cannot be a ledger is a ConfigurationError of one line without the password."""
    with pytest.raises(ConfigurationError) as raised:
        Ledger.open(url)
    assert "\n" not in str(raised.value)
    assert "S3cretWord" not in str(raised.value)


def test_unreachable_ledger_server_gives_retryable_error() -> None:
    """Such as one that is being restarted: a task that opens its ledger just then is not failed for good."""
    with pytest.raises(LedgerError, match="did not answer") as raised:
        Ledger.open("postgresql://user:S3cretWord@127.0.0.1:1/none?connect_timeout=1")
    assert raised.value.retryable
    assert "S3cretWord" not in str(raised.value)


@pytest.mark.parametrize(
    ("said", "state", "passing"),
    [
        ("connection failed: FATAL:  the database system is starting up", None, True),
        ("server closed the connection unexpectedly", None, True),
        ("anything", "57P03", True),
        ('FATAL:  password authentication failed for user "x"', None, False),
        ('FATAL:  database "x" does not exist', None, False),
        ("anything", "42501", False),
    ],
)
def test_transient_postgresql_errors_are_recognised(said: str, state: str | None, passing: bool) -> None:
    assert is_passing(state, said) is passing


def test_opening_waits_for_a_ledger_being_created(tmp_path: Path) -> None:
    """Workers that start at once open the same new file; SQLite would tell the second one at once that it is locked."""
    path = tmp_path / "ledger.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE esms_begun (one)")
    ends = threading.Timer(0.3, other.execute, ["COMMIT"])
    ends.start()
    with Ledger.open(path) as ledger:
        assert ledger.summary("r").total == 0
    ends.join()
    other.close()


def test_non_database_file_is_rejected_and_left_unchanged(tmp_path: Path) -> None:
    """A file of something else is an error and stays as it is."""
    (tmp_path / "ledger.sqlite").write_text("not a database at all, " * 100, encoding="utf-8")
    with pytest.raises(ConfigurationError):
        Ledger.open(tmp_path / "ledger.sqlite")
    assert (tmp_path / "ledger.sqlite").read_text(encoding="utf-8").startswith("not a database")


@pytest.mark.in_turn
@pytest.mark.parametrize("said", ["a\x00b", "dài " * 200, "\ud83d\ude00 emoji", 'quote " \\ \n line'])
def test_rows_are_settled_with_any_gateway_error_text(
    ledger_url: str, make_bench: Callable[..., Bench], said: str
) -> None:
    """Odd and long words of the gateway's never keep a row from being settled."""
    bench = make_bench(ledger_url, people(20))
    words = said.encode("utf-16", "surrogatepass").decode("utf-16")
    bench.gateway.faults.add(CARE, code("146", words))
    bench.send_sms(threads=2, at_least=None)
    assert Counter(bench.states().values()) == {"rejected": 20}


@pytest.mark.in_turn
@pytest.mark.parametrize("odd", ["code", "id"])
def test_rows_are_settled_with_overlong_codes_and_message_ids(
    ledger_url: str, make_bench: Callable[..., Bench], odd: str
) -> None:
    """A code or a message id of any length settles its row in both databases."""
    bench = make_bench(ledger_url, people(5))
    if odd == "code":
        bench.gateway.faults.add(CARE, code("9" * 60))
    else:
        bench.gateway.faults.add(
            CARE,
            Fault(
                "long id",
                "after",
                lambda reply: replace(reply, body=b'{"CodeResult":"100","SMSID":"%s"}' % (b"x" * 90)),
            ),
        )
    bench.send_sms(threads=1, at_least=None)
    assert set(bench.states().values()) <= {"accepted", "unknown", "not_sent"}
    assert "claimed" not in bench.states().values()


def test_lost_claim_can_settle_a_row_only_as_accepted(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """A worker that lost its claim may only bring proof of acceptance; everything else of it is too late."""
    from esms_connectors.ledger.rows import LedgerRow

    bench = make_bench(ledger_url)
    ledger = bench.ledger()
    ledger.begin_run("r", "zns", {"campaign": "c"})
    row = LedgerRow("k", "0901000000", "p", 1)
    (first,) = ledger.claim("r", [row], worker="first", chunk="1").claims
    assert ledger.claim("r", [row], worker="second", chunk="1").busy == 1
    bench.clock.move(bench.lease_seconds + 1)
    (second,) = ledger.claim("r", [row], worker="second", chunk="1").claims
    assert second.in_doubt
    assert second.wire_id == first.wire_id
    for state in (SendState.NOT_SENT, SendState.REJECTED, SendState.UNKNOWN):
        ledger.settle([Settlement(first.request_id, state, "103")], worker="first")
        assert ledger.summary("r").claimed == 1
    # Refused for the account's sake: says nothing of what the first may have sent.
    ledger.settle([Settlement(second.request_id, SendState.NOT_SENT, "103")], worker="second")
    assert ledger.summary("r").unknown == 1
    ledger.settle([Settlement(first.request_id, SendState.ACCEPTED, "100", "id-1")], worker="first")
    assert ledger.summary("r").accepted == 1
    ledger.settle([Settlement(second.request_id, SendState.UNKNOWN)], worker="second")
    assert ledger.summary("r").accepted == 1


assert pendulum
assert Quirks


def test_sandbox_run_is_separate_from_the_real_run(sqlite_url: str, make_bench: Callable[..., Bench]) -> None:
    """The ledger has it marked, under a key of its own, so that the real run skips nobody; nothing waits for it."""
    bench = make_bench(sqlite_url, people(40))
    checked = bench.send(client=bench.client(sandbox=True))
    assert (checked.sandbox, checked.accepted, bench.gateway.message_count) == (True, 40, 0)
    about = bench.books.run_about(f"sandbox/{bench.run_key}")
    assert about["sandbox"] == "yes"
    for look in (lambda: target_of_run(bench.books, checked.run.run_key), lambda: bench.reconcile()):
        bench.run_key, real = checked.run.run_key, bench.run_key
        with pytest.raises(InvalidRequestError, match="is a sandbox run"):
            look()
        with pytest.raises(InvalidRequestError, match="is of a sandbox run, and this account sends for real"):
            bench.send()
        bench.run_key = real
    assert bench.send().complete
    bench.check_complete()


def test_recipients_are_read_from_a_postgresql_query(postgres: PostgresServer) -> None:
    """A query in a real PostgreSQL is a source like a file, parameters and Vietnamese text included."""
    url = new_ledger(postgres)[0]
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE vip (id serial, phone text, name text)"))
        connection.execute(
            sa.text(
                "INSERT INTO vip (phone, name) "
                "SELECT '0901' || lpad(n::text, 6, '0'), 'Chị Hương' FROM generate_series(1, 2500) n"
            )
        )
    engine.dispose()
    query = SqlQuery(url, "SELECT phone, name FROM vip WHERE id > :least ORDER BY id", {"least": 500})
    rows = list(read_recipients(query, Columns(params=["name"])))
    assert (len(rows), rows[0].phone, rows[0].template_params) == (2000, "0901000501", ("Chị Hương",))


def test_reconcile_with_wrong_phone_secret_is_rejected(tmp_path: Path) -> None:
    """No phone would be found, and everything in doubt would look unsent: refused, and the rows stay in doubt."""
    url = str(tmp_path / "ledger.sqlite")
    with Ledger.open(url, phone_secret="the right one") as ledger:
        ledger.begin_run("r", "zns", {"campaign": "c"})
    gateway = Emulator()
    with gateway.serve() as server, EsmsClient(Credentials(DEMO_API_KEY, DEMO_SECRET_KEY), server.base_url) as client:
        for secret in (None, "another"):
            with (
                Ledger.open(url, phone_secret=secret) as ledger,
                pytest.raises(InvalidRequestError, match="another secret"),
            ):
                reconcile(client, ledger, "r", not_sent_after_seconds=0)


def test_reconcile_at_another_gateway_settles_no_rows(tmp_path: Path) -> None:
    """Where not even the accepted rows are to be found, missing rows prove nothing."""
    moments = [pendulum.now("Asia/Ho_Chi_Minh").at(12)]
    with Ledger.open(tmp_path / "ledger.sqlite", now=lambda: moments[0]) as ledger:
        ledger.begin_run("r", "zns", {"campaign": "c"})
        rows = [LedgerRow(f"090100000{number}", f"090100000{number}", "x", number) for number in range(2)]
        first, second = ledger.claim("r", rows, worker="w", chunk="0").claims
        ledger.settle(
            [
                Settlement(first.request_id, SendState.ACCEPTED, "100", "an-id"),
                Settlement(second.request_id, SendState.UNKNOWN),
            ],
            worker="w",
        )
        moments[0] = moments[0].add(hours=2)
        other = Emulator()
        with other.serve() as server, EsmsClient(Credentials(DEMO_API_KEY, DEMO_SECRET_KEY), server.base_url) as client:
            result = reconcile(client, ledger, "r", not_sent_after_seconds=3600)
        assert (result.not_sent, result.run.unknown, result.run.accepted) == (0, 1, 1)

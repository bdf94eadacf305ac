"""What a ledger holds about one person, and how people are taken out of it: on demand, or because they are old."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from bulk_bench import Bench, people, phone_of

from esms_connectors import InvalidRequestError
from esms_connectors.emulator.faults import drop_after
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.ledger import people as people_of_ledger
from esms_connectors.ledger.rows import LedgerRow, Settlement
from esms_connectors.sending.guard import GuardSettings

SOMEBODY = phone_of(7)
DAY = 24 * 3600.0
RULES = GuardSettings().changed({"transaction_cap": 3, "max_cost_vnd": 10**9})


def filled(make_bench: Callable[..., Bench], url: str, secret: str | None = None) -> Bench:
    """Two messages to somebody in one run, who is on the suppression list, too."""
    rows = people(30)
    rows[8] = replace(rows[8], phone=SOMEBODY, row_key=f"{SOMEBODY} order-17")
    bench = make_bench(url, rows)
    bench.phone_secret = secret
    bench.send(key_column="order", guard=RULES, price_vnd=500)
    bench.books.guard.suppression.add([SOMEBODY, phone_of(9)], reason="refused by SMS")
    ids = [bench.books.request_id(bench.run_key, SOMEBODY)]
    bench.books.release(bench.run_key, ids, f"{SOMEBODY} says that nothing came")
    bench.recipients.append(rows[7])
    bench.send(rows, key_column="order", guard=RULES, price_vnd=500)
    return bench


@pytest.mark.in_turn
@pytest.mark.parametrize("secret", [None, "a secret of the tests"])
def test_person_returns_all_data_held_about_a_phone(
    ledger_url: str, make_bench: Callable[..., Bench], secret: str | None
) -> None:
    """Rows with what was decided about them, the entry on the list, what counts towards a cap; of nobody else."""
    bench = filled(make_bench, ledger_url, secret)
    held = bench.books.person(f"+84 {SOMEBODY[1:]}")
    assert [one["state"] for one in held["messages"]] == ["accepted", "accepted"]
    assert {one["run_key"] for one in held["messages"]} == {bench.run_key}
    assert {(one["channel"], one["vnd"]) for one in held["messages"]} == {("zns", 500)}
    assert all(one["message_id"] and one["first_attempt_at"] for one in held["messages"])
    [resent] = [one for row in held["messages"] for one in row["resends"]]
    assert (resent["was"], "nothing came" in resent["reason"]) == ("accepted", True)
    assert held["suppressed"]["reason"] == "refused by SMS"
    assert [one["message_class"] for one in held["counted"]] == ["transaction"] * 2
    assert bench.books.person(phone_of(999)) == {"messages": [], "suppressed": None, "counted": []}


def test_person_lookup_with_another_secret_is_rejected(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    bench = filled(make_bench, ledger_url, "a secret of the tests")
    with (
        Ledger(bench.books._engine, phone_secret="another") as other,
        pytest.raises(InvalidRequestError, match="another secret"),
    ):
        other.person(SOMEBODY)


@pytest.mark.parametrize("given", [{}, {"phone": SOMEBODY, "zalo_user_id": "7"}, {"phone": "0901"}])
def test_person_requires_exactly_one_valid_identifier(
    sqlite_url: str, make_bench: Callable[..., Bench], given: dict[str, str]
) -> None:
    with pytest.raises(InvalidRequestError):
        make_bench(sqlite_url, people(1)).books.person(**given)


@pytest.mark.in_turn
@pytest.mark.parametrize("secret", [None, "a secret of the tests"])
@pytest.mark.parametrize("keep", [False, True])
def test_erased_phone_is_removed_from_all_tables(
    ledger_url: str, make_bench: Callable[..., Bench], secret: str | None, keep: bool
) -> None:
    """Neither in what counts for caps nor on the suppression list, unless that entry is to stay; nobody else goes."""
    bench = filled(make_bench, ledger_url, secret)
    done = bench.books.erase(SOMEBODY, keep_suppressed=keep)
    assert done == {"erased": 2, "unsettled": 0, "counted": 2, "suppressed": 0 if keep else 1}
    held = bench.books.person(SOMEBODY)
    assert (held["messages"], held["counted"], bool(held["suppressed"])) == ([], [], keep)
    assert bench.books.person(phone_of(9))["suppressed"] is not None
    assert bench.send(key_column="order", guard=RULES, price_vnd=500).complete
    assert bench.look()[SOMEBODY] == 3


def test_erased_phone_is_absent_from_files_with_all_rules_enabled(
    sqlite_url: str, make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    """Free words that somebody wrote about them are no exception."""
    bench = filled(make_bench, sqlite_url)
    bench.books.erase(SOMEBODY)
    content = b"".join(one.read_bytes() for one in tmp_path.glob("ledger.sqlite*"))
    assert SOMEBODY.encode() not in content
    assert phone_of(9).encode() in content


def test_zalo_user_is_erased_by_user_id(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """It is no phone; rows by it stand in the ledger like those by phone."""
    user = "4097311281936189049"
    bench = make_bench(ledger_url)
    books = bench.books
    books.begin_run("zalo", "zalo_text", {"campaign": "zalo #1"})
    [claim] = books.claim("zalo", [LedgerRow(user, user, "p", 1)], worker="w", chunk="1").claims
    books.settle([Settlement(claim.request_id, SendState.ACCEPTED, message_id="m1")], worker="w")
    assert [one["row_key"] for one in books.person(zalo_user_id=user)["messages"]] == [user]
    assert books.erase(zalo_user_id=user)["erased"] == 1
    assert user not in str(list(books.rows("zalo")))


@pytest.mark.in_turn(every=3)
def test_old_rows_are_anonymised_and_not_resent(
    ledger_url: str, make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """400 days later: nobody's phone, key or words are left of the old run; the list stays."""
    monkeypatch.setattr(people_of_ledger, "_AT_ONCE", 7)
    bench = filled(make_bench, ledger_url)
    books, old = bench.books, bench.run_key
    bench.clock.move(400 * DAY)
    before = bench.clock.now().subtract(days=399)
    assert books.people.forget(before.subtract(days=100))["erased"] == 0
    assert books.people.forget(before) == {"erased": 30, "unsettled": 0, "counted": 30, "suppressed": 0}
    rows = list(books.rows(old))
    assert {(one["phone"], one["row_key"], one["line"], one["reason"]) for one in rows} == {
        ("erased", "erased", None, None)
    }
    assert {one["state"] for one in rows} == {"accepted"}
    assert books.people.forget(before)["erased"] == 0
    assert books.person(SOMEBODY)["suppressed"] is not None
    bench.run_key = old
    calls = bench.gateway.call_count("send_zns_bulk")
    assert bench.send(key_column="order", guard=RULES, price_vnd=500).complete
    assert bench.gateway.call_count("send_zns_bulk") == calls


@pytest.mark.in_turn
def test_rows_in_doubt_are_not_anonymised(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    """Only the phone can settle them, however old they are."""
    bench = make_bench(ledger_url, people(20))
    bench.attempts, bench.chunk_size = 1, 10
    bench.gateway.faults.add("send_zns_bulk", drop_after())
    bench.send(at_least=None)
    bench.clock.move(400 * DAY)
    done = bench.books.people.forget(bench.clock.now().subtract(days=300))
    assert (done["erased"], done["unsettled"]) == (0, 20)
    assert {row["phone"] for row in bench.books.rows(bench.run_key)} == {one.phone for one in bench.recipients}
    assert bench.books.erase(phone_of(3))["unsettled"] == 1


def test_long_expired_suppression_entries_are_deleted(ledger_url: str, make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(ledger_url, people(1))
    listed = bench.books.guard.suppression
    listed.add([phone_of(1)], reason="for a month", expires=bench.clock.now().add(days=30))
    listed.add([phone_of(2)], reason="for ever")
    listed.add([phone_of(3)], reason="for two years", expires=bench.clock.now().add(days=800))
    bench.clock.move(500 * DAY)
    assert bench.books.people.forget(bench.clock.now().subtract(days=400))["suppressed"] == 1
    assert {entry["reason"] for entry in listed.entries()} == {"for ever", "for two years"}

"""One run key under the keys of two accounts: what one of them has in doubt, the other neither repeats nor judges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from bulk_bench import CARE, ZNS, Bench, people

from esms_connectors import Credentials, EsmsClient
from esms_connectors.emulator import EmulatorConfig
from esms_connectors.emulator.faults import drop_after, http_status, refuse_taken
from esms_connectors.emulator.world import default_account
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.sending.reconcile import reconcile

KEYS = (("FIRSTACCOUNT0123456789", "FIRSTSECRET0123456789"), ("OTHERACCOUNT0123456789", "OTHERSECRET0123456789"))


@pytest.fixture
def bench(sqlite_url: str, make_bench: Callable[..., Bench]) -> Bench:
    """Ten people, a gateway with two accounts beside that of the emulator, and attempts that are made once."""
    accounts = [replace(default_account(), api_key=api_key, secret_key=secret) for api_key, secret in KEYS]
    made = make_bench(sqlite_url, people(10), EmulatorConfig(accounts=(default_account(), *accounts)), proven=False)
    made.attempts = 1
    return made


def of_account(bench: Bench, number: int) -> EsmsClient:
    return bench.client(credentials=Credentials(*KEYS[number]))


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("channel", [CARE, ZNS])
def test_row_in_doubt_is_not_resent_by_another_account(bench: Bench, channel: str) -> None:
    """Its request ids hold back nothing that the first one took, and its sent data says nothing of it."""
    send = bench.send if channel == ZNS else bench.send_sms
    first, other = (of_account(bench, number) for number in range(2))
    bench.gateway.faults.add(channel, drop_after())
    bench.gateway.faults.add("get_sms_sent_data", http_status(503))
    send(bench.recipients[:4], client=first, threads=1, at_least=None)
    bench.gateway.faults.clear()
    in_doubt = [one for one, state in bench.states().items() if state == "unknown"]
    assert in_doubt
    for _ in range(2):
        # The others get theirs, and are listed under the run's campaign.
        send(client=other, at_least=None)
        bench.clock.move(2 * 3600)
        found = reconcile(other, bench.books, bench.run_key, not_sent_after_seconds=60)
        assert "other keys" in found.open_because
        assert found.not_sent == 0
    assert {bench.states()[one] for one in in_doubt} == {"unknown"}
    assert set(bench.look().values()) == {1}
    reconcile(first, bench.books, bench.run_key, not_sent_after_seconds=60)
    bench.check_complete()


def test_partly_accepted_refused_call_is_not_duplicated_by_another_account(bench: Bench) -> None:
    """A part was taken; the other account lists the run, and not these rows, because they are none of its own."""
    first, other = (of_account(bench, number) for number in range(2))
    bench.gateway.faults.add(ZNS, refuse_taken("99"), next_calls=1)
    bench.gateway.faults.add("get_sms_sent_data", http_status(503))
    bench.send(bench.recipients[:4], client=first, threads=1, at_least=None)
    bench.gateway.faults.clear()
    bench.send(bench.recipients[4:], client=other, at_least=None)
    bench.clock.move(2 * 3600)
    bench.send(client=other, at_least=None)
    assert set(bench.look().values()) == {1}


def test_same_account_resumes_rows_in_doubt(bench: Bench) -> None:
    """What is in doubt goes out again under its id, as ever."""
    first = of_account(bench, 0)
    bench.gateway.faults.add(CARE, drop_after())
    bench.send_sms(client=first, threads=1, at_least=None)
    bench.gateway.faults.clear()
    assert bench.send_sms(client=of_account(bench, 0)).complete
    bench.check_complete()


@pytest.mark.parametrize("begins", ["emulator", "account"])
def test_run_key_cannot_be_shared_by_emulator_and_live_account(bench: Bench, begins: str) -> None:
    """Whoever tried a campaign on an emulator has told nobody: going live under its run key says so in one line."""
    clients = [bench.client(), of_account(bench, 0)]
    if begins == "account":
        clients.reverse()
    assert bench.send(client=clients[0]).complete
    with pytest.raises(InvalidRequestError, match=r"an emulator.*Use a new run key"):
        bench.send(client=clients[1])
    assert set(bench.look().values()) == {1}

"""A ZNS campaign from its source to its summary, against the emulator."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pendulum
import pytest

from esms_connectors import EsmsClient, InvalidRequestError
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator, refuse_before
from esms_connectors.ledger import Ledger, LedgerRow, SendState, Settlement
from esms_connectors.recipients import Columns, Recipients, RejectsFile
from esms_connectors.sending.bulk import BulkIncompleteError, BulkSummary, send_bulk
from esms_connectors.sending.campaign import SourceChangedError, ZnsCampaign, summary_dict, time_to_send
from esms_connectors.sending.channels import CareSmsChannel, ZnsChannel

COLUMNS = Columns("phone", ("name", "service", "code", "date"))


def people(count: int, first: int = 0) -> list[dict[str, str]]:
    return [
        {"phone": f"0901{n:06d}", "name": f"Chị {n}", "service": "Gội", "code": f"K{n}", "date": "19/03/2025"}
        for n in range(first, first + count)
    ]


@pytest.fixture
def campaign(client: EsmsClient, tmp_path: Path) -> Iterator[Callable[..., ZnsCampaign]]:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:

        def make(source: Any, **more: Any) -> ZnsCampaign:
            given = {"ledger": ledger, "run_key": "march", "threads": 2, "columns": COLUMNS, **more}
            return ZnsCampaign(client, source, template_id=DEMO_TEMPLATE_ID, oa_id=DEMO_OA_ID, **given)

        yield make


def test_plan_then_send_then_nothing_is_left(campaign: Callable[..., ZnsCampaign], gateway: Emulator) -> None:
    """The plan sends nothing; sending twice is the resume; the summary is counts."""
    one = campaign(people(700), price_vnd=300)
    plan = one.plan()
    assert (plan.to_send, gateway.call_count("send_zns_bulk")) == (700, 0)
    result = summary_dict(one.send(plan), plan)
    assert (result["accepted"], result["cost_vnd"]) == (700, 210_000)
    assert "0901" not in json.dumps(result)
    again = campaign(people(700))
    assert again.plan().to_send == 0
    assert again.send(again.plan()).counters.accepted == 0
    assert set(gateway.deliveries_by_phone().values()) == {1}


@pytest.mark.parametrize(
    ("state", "begun"),
    [
        (None, False),
        (SendState.NOT_SENT, False),
        (SendState.ACCEPTED, True),
        (SendState.REJECTED, True),
        (SendState.UNKNOWN, True),
        (SendState.CLAIMED, True),
    ],
)
def test_a_time_that_is_over_is_a_mistake_only_where_nothing_went_out(
    tmp_path: Path, state: SendState | None, begun: bool
) -> None:
    """Of a run that has begun the rest is sent at once, whatever became of what went out; five minutes are no past."""
    now = pendulum.datetime(2026, 11, 21, 8, 30, tz="Asia/Ho_Chi_Minh")
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.begin_run("march", "zns", {})
        if state is not None:
            [claim] = ledger.claim("march", [LedgerRow("a", "0901000001", "x", 1)], worker="w", chunk="0").claims
        if state not in (None, SendState.CLAIMED):
            ledger.settle([Settlement(claim.request_id, state)], worker="w")

        def ask(minutes: float) -> Any:
            return time_to_send(now.subtract(minutes=minutes), ledger, "march", now=lambda: now)

        assert [ask(minutes) for minutes in (-60, 0, 5)] == [now.subtract(minutes=one) for one in (-60, 0, 5)]
        if begun:
            assert ask(5.1) is None
        else:
            with pytest.raises(InvalidRequestError, match="lies in the past"):
                ask(5.1)
        with pytest.raises(InvalidRequestError, match="zone"):
            time_to_send(now.naive(), ledger, "march")


def test_a_share_that_is_out_of_reach_sends_nothing(campaign: Callable[..., ZnsCampaign], gateway: Emulator) -> None:
    """One of ten rows cannot be sent: at_least 1 is refused before the first message, 0.9 is kept."""
    rows = [*people(9), {**people(1)[0], "phone": "0283812345"}]
    strict = campaign(rows)
    with pytest.raises(InvalidRequestError, match="1 of 10 rows"):
        strict.send(strict.plan())
    assert list(gateway.messages()) == []
    lenient = campaign(rows, at_least=0.9)
    assert lenient.send(lenient.plan()).run.accepted == 9


def test_rows_that_come_or_go_between_the_readings_are_noticed(
    campaign: Callable[..., ZnsCampaign], tmp_path: Path
) -> None:
    """What is sent must be what was checked; the same call again is right."""
    path = tmp_path / "people.jsonl"
    path.write_text("\n".join(map(json.dumps, people(5))), encoding="utf-8")
    one = campaign(path)
    plan = one.plan()
    path.write_text("\n".join(map(json.dumps, people(6))), encoding="utf-8")
    with pytest.raises(SourceChangedError, match="5 rows were checked, 6"):
        one.send(plan)
    assert one.send(one.plan()).run.accepted == 6


def test_a_gateway_that_is_down_is_worth_another_try(campaign: Callable[..., ZnsCampaign], gateway: Emulator) -> None:
    """The run stops itself, and says that waiting may help."""
    gateway.faults.add("send_zns_bulk", refuse_before(), next_calls=400)
    one = campaign(people(500), chunk_size=25)
    with pytest.raises(BulkIncompleteError) as error:
        one.send(one.plan())
    assert error.value.retryable
    assert error.value.summary.stopped_by is not None
    gateway.faults.clear()
    assert one.send(one.plan()).run.accepted == 500


def test_what_can_be_read_only_once_is_refused(campaign: Callable[..., ZnsCampaign]) -> None:
    """It would be empty when it is sent."""
    with pytest.raises(InvalidRequestError, match="iterator"):
        campaign(iter(people(3)))
    with pytest.raises(InvalidRequestError, match=r"0\.98"):
        campaign(people(3), at_least=98)


@pytest.mark.parametrize("at_least", [1.0, 0.0, None])
def test_a_list_without_rows(campaign: Callable[..., ZnsCampaign], gateway: Emulator, at_least: float | None) -> None:
    """More often a mistake than a wish, so an error; nothing to do where the caller says so. `at_least` has no say."""
    empty = campaign([], at_least=at_least)
    with pytest.raises(InvalidRequestError, match="it has none"):
        empty.send(empty.plan())
    quiet = campaign([], at_least=at_least, on_empty="skip")
    plan = quiet.plan()
    summary = quiet.send(plan)
    assert (plan.empty, summary.accepted, summary.complete) == (True, 0, True)
    assert gateway.call_count("send_zns_bulk") == 0


@pytest.mark.parametrize("at_least", [1.0, 0.0, None])
def test_a_run_without_rows(client: EsmsClient, tmp_path: Path, at_least: float | None) -> None:
    """The same rule one floor below, for rows that were checked elsewhere and for texts."""

    def zns(ledger: Ledger, **more: Any) -> BulkSummary:
        channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID)
        return send_bulk(channel, [], ledger=ledger, run_key="zns", at_least=at_least, **more)

    def sms(ledger: Ledger, **more: Any) -> BulkSummary:
        channel = CareSmsChannel(client, "x", DEMO_BRANDNAME)
        return send_bulk(channel, Recipients(list), ledger=ledger, run_key="sms", at_least=at_least, **more)

    with Ledger.open(tmp_path / "empty.sqlite") as ledger:
        for send in (zns, sms):
            with pytest.raises(InvalidRequestError, match="it has none"):
                send(ledger)
            assert send(ledger, on_empty="skip").accepted == 0
            with pytest.raises(InvalidRequestError, match="on_empty is skip or fail"):
                send(ledger, on_empty="green")


def test_rows_that_none_can_be_sent_are_no_empty_list(campaign: Callable[..., ZnsCampaign]) -> None:
    """Somebody was to be told."""
    bad = campaign([{**people(1)[0], "phone": "0283812345"}], on_empty="skip", at_least=0.0)
    with pytest.raises(InvalidRequestError, match="landline"):
        bad.send(bad.plan())


def test_what_comes_in_after_an_empty_plan_waits(
    campaign: Callable[..., ZnsCampaign], gateway: Emulator, tmp_path: Path
) -> None:
    """Nothing is sent that was not checked."""
    path = tmp_path / "people.csv"
    path.write_text("phone,name,service,code,date\n", "utf-8")
    quiet = campaign(path, on_empty="skip")
    plan = quiet.plan()
    path.write_text("phone,name,service,code,date\n0901888484,A,B,C,D\n", "utf-8")
    assert quiet.send(plan).accepted == 0
    assert gateway.message_count == 0
    assert quiet.send(quiet.plan()).accepted == 1


def changed(rows: list[dict[str, str]], **changes: dict[str, str]) -> list[dict[str, str]]:
    """`rows`, some of them (`_3`, counted from 0) with other cells."""
    return [{**row, **changes.get(f"_{number}", {})} for number, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Chị Khác"}, "line 3 was sent in this run with other content before"),
        ({"phone": "0909999999"}, "line 3 was sent in this run with another phone before"),
    ],
)
@pytest.mark.parametrize("new_first", [False, True])
def test_a_changed_row_is_counted_by_the_plan(
    campaign: Callable[..., ZnsCampaign], gateway: Emulator, tmp_path: Path, change: dict[str, str], words: str,
    new_first: bool,
) -> None:  # fmt: skip
    """It names the line, and lists the row as it was read; nobody gets anything before that is settled."""
    keyed = {"columns": Columns("phone", COLUMNS.params, key_column="code"), "chunk_size": 2}
    first = campaign(people(5), **keyed)
    first.send(first.plan())
    rows = changed(people(8), _2=change)
    if new_first:
        rows = [rows[5], rows[6], *rows[:5], rows[7]]
        words = words.replace("line 3", "line 5")
    again = campaign(rows, **keyed)
    with RejectsFile(tmp_path / "rejects.csv") as rejects:
        plan = again.plan(rejects)
    assert (plan.already_settled, plan.report.conflicts, plan.to_send) == (4, 1, 3)
    assert (plan.as_dict()["conflicts"], plan.chunks) == (1, 2)
    assert any(words in problem for problem in plan.problems)
    [row] = csv.DictReader((tmp_path / "rejects.csv").read_text("utf-8-sig").splitlines())
    assert (row["_reason"], row["code"]) == (words.partition(" ")[2].partition(" ")[2], "K2")
    with pytest.raises(InvalidRequestError, match=words):
        again.send(plan)
    assert gateway.message_count == 5

    skipping = campaign(rows, **keyed, conflicts="skip")
    summary = skipping.send(skipping.plan())
    assert summary.counters.accepted == 3
    assert set(gateway.deliveries_by_phone().values()) == {1}
    assert gateway.message_count == 8


def test_only_changed_rows(campaign: Callable[..., ZnsCampaign], gateway: Emulator) -> None:
    """Skipped, there is nothing left to do."""
    first = campaign(people(3))
    first.send(first.plan())
    again = campaign(changed(people(3), _0={"name": "X"}, _1={"name": "X"}, _2={"name": "X"}), conflicts="skip")
    assert again.send(again.plan()).counters.accepted == 0
    assert gateway.message_count == 3


@pytest.mark.parametrize("change", [{"columns": Columns("phone", COLUMNS.params, key_column="code")}])
def test_a_run_key_of_another_campaign_is_told_by_the_plan(
    campaign: Callable[..., ZnsCampaign], change: dict[str, Any]
) -> None:
    """What the send would refuse the plan refuses."""
    first = campaign(people(3))
    first.send(first.plan())
    with pytest.raises(InvalidRequestError, match="used before with another key_column"):
        campaign(people(3), **change).plan()

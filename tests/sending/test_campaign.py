"""A ZNS campaign from its source to its summary, against the emulator."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pendulum
import pytest

from esms_connectors import EsmsClient, InvalidRequestError
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.faults import refuse_before
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.ledger.rows import LedgerRow, Settlement
from esms_connectors.recipients import Columns, Recipients, RejectsFile
from esms_connectors.sending.bulk import BulkIncompleteError, RunResult, send_bulk
from esms_connectors.sending.campaign import Campaign, SourceChangedError
from esms_connectors.sending.channels import CareSmsChannel, ZnsChannel
from esms_connectors.sending.plan import PlanChangedError
from esms_connectors.sending.policy import time_to_send

COLUMNS = Columns("phone", ("name", "service", "code", "date"))


def people(count: int, first: int = 0) -> list[dict[str, str]]:
    return [
        {"phone": f"0901{n:06d}", "name": f"Chị {n}", "service": "Gội", "code": f"K{n}", "date": "19/03/2025"}
        for n in range(first, first + count)
    ]


@pytest.fixture
def campaign(client: EsmsClient, tmp_path: Path) -> Iterator[Callable[..., Campaign]]:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:

        def make(source: Any, *, columns: Columns = COLUMNS, chunk_size: int = 500, **more: Any) -> Campaign:
            given = {"ledger": ledger, "run_key": "march", "threads": 2, **more}
            channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID, chunk_size=chunk_size)
            return Campaign(channel, source, columns, **given)

        yield make


def test_plan_and_send_complete_and_rerun_sends_nothing(campaign: Callable[..., Campaign], gateway: Emulator) -> None:
    """The plan sends nothing; sending twice is the resume; the summary is counts."""
    one = campaign(people(700), price_vnd=300)
    plan = one.plan()
    assert (plan.to_send, gateway.call_count("send_zns_bulk")) == (700, 0)
    result = one.send(plan).as_dict()
    assert (result["accepted"], result["cost_vnd"]) == (700, 210_000)
    assert not re.search(r"\b(0|84)901\d{6}\b", json.dumps(result))
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
def test_past_send_time_is_rejected_unless_the_run_has_begun(
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


def test_unreachable_at_least_share_sends_nothing(campaign: Callable[..., Campaign], gateway: Emulator) -> None:
    """One of ten rows cannot be sent: at_least 1 is refused before the first message, 0.9 is kept."""
    rows = [*people(9), {**people(1)[0], "phone": "0283812345"}]
    strict = campaign(rows)
    with pytest.raises(InvalidRequestError, match="1 of 10 rows"):
        strict.send(strict.plan())
    assert list(gateway.messages()) == []
    lenient = campaign(rows, at_least=0.9)
    assert lenient.send(lenient.plan()).run.accepted == 9


def test_plan_says_that_rows_which_cannot_be_sent_prevent_sending(campaign: Callable[..., Campaign]) -> None:
    """In the words of the error that the send would end with."""
    problem = campaign([*people(9), {"phone": "1"}], at_least=0.95).plan().problems[-1]
    assert problem.startswith("1 of 10 rows cannot be sent (1 phone: ")
    assert problem.endswith("more than at_least=0.95 allows")
    assert problem not in campaign([*people(9), {"phone": "1"}], at_least=0.9).plan().problems


def test_rows_changed_after_the_plan_prevent_sending(
    campaign: Callable[..., Campaign], gateway: Emulator, tmp_path: Path
) -> None:
    """What is sent must be what was planned: nothing is, and a new plan is right."""
    path = tmp_path / "people.jsonl"
    path.write_text("\n".join(map(json.dumps, people(5))), encoding="utf-8")
    one = campaign(path)
    plan = one.plan()
    path.write_text("\n".join(map(json.dumps, people(6))), encoding="utf-8")
    with pytest.raises(PlanChangedError, match="6 rows would be sent to, the plan has 5"):
        one.send(plan)
    assert gateway.message_count == 0
    assert one.send(one.plan()).run.accepted == 6


def test_rows_added_between_check_and_send_raise_an_error(campaign: Callable[..., Campaign], tmp_path: Path) -> None:
    """Between the reading that checks and the one that sends: nobody is told twice, and the call fails."""
    path = tmp_path / "people.jsonl"
    path.write_text("\n".join(map(json.dumps, people(5))), encoding="utf-8")
    one = campaign(path)
    more = "\n".join(map(json.dumps, people(6)))
    with pytest.raises(SourceChangedError, match="5 rows were checked, then 6"):
        one.send(on_plan=lambda _: path.write_text(more, "utf-8") and None)
    assert one.send().run.accepted == 6


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": 51}, "51 rows would be sent to, the plan has 50"),
        ({"name": "Chị Khác"}, "as many rows .50., but other phones, keys, values or texts"),
        ({"columns": Columns("phone", COLUMNS.params, key_column="code")}, "key_column is 'code' and was 'phone'"),
        ({"run_key": "april"}, "run_key is 'april' and was 'march'"),
    ],
)
def test_send_rejects_input_that_differs_from_the_plan(
    campaign: Callable[..., Campaign], gateway: Emulator, change: dict[str, Any], words: str, as_json: bool
) -> None:
    """What was approved is sent, in whatever order it is read; anything else is refused before the first message."""
    plan: Any = campaign(people(50)).plan()
    plan = json.loads(json.dumps(plan.as_dict())) if as_json else plan
    other = dict(change)
    rows = people(other.pop("rows", 50))
    rows[-1] |= {"name": other.pop("name", rows[-1]["name"])}
    with pytest.raises(PlanChangedError, match=words):
        campaign(rows, **other).send(plan)
    assert gateway.message_count == 0
    same = campaign(list(reversed(people(50))))
    assert same.send(plan).accepted == 50
    assert same.send(plan).accepted == 50, "the resume is of the same plan"
    assert set(gateway.deliveries_by_phone().values()) == {1}


def test_plan_with_another_brandname_or_account_and_invalid_plan_are_rejected(
    client: EsmsClient, tmp_path: Path
) -> None:
    """It names what changed; and what is not a plan is none."""
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        channel = CareSmsChannel(client, "Chào {name}", DEMO_BRANDNAME)
        columns = Columns(params={"name": "name"})
        one = Campaign(channel, people(3), columns, ledger=ledger, run_key="march")
        told = one.plan().as_dict()
        with pytest.raises(PlanChangedError, match="brandname is 'Baotrixemay' and was 'Other'"):
            one.send(told | {"about": {"brandname": "Other"}})
        with pytest.raises(PlanChangedError, match="sandbox is False and was True"):
            one.send(told | {"sandbox": True})
        with pytest.raises(InvalidRequestError, match="not a plan"):
            one.send({"recipients": 3})


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(("bad", "at_least", "accepted"), [(99, 0.98, 0), (2, 0.98, 98), (3, 0.98, 0), (99, None, 1)])
def test_at_least_share_counts_invalid_rows(
    campaign: Callable[..., Campaign], gateway: Emulator, bad: int, at_least: float | None, accepted: int
) -> None:
    """Rows that our check refuses count like those that the gateway refuses, and the result has them always."""
    rows = people(100)
    for row in rows[:bad]:
        row["phone"] = "0283812345"
    one = campaign(rows, at_least=at_least)
    if accepted:
        told = one.send().as_dict()
        assert (told["accepted"], told["rows"]["rejected"], told["at_least"]) == (accepted, bad, at_least)
        assert told["accepted_share"] == accepted / 100
    else:
        with pytest.raises(InvalidRequestError, match=f"{bad} of 100 rows cannot be sent"):
            one.send()
    assert gateway.message_count == accepted


def test_at_least_share_counts_invalid_and_gateway_rejected_rows(
    campaign: Callable[..., Campaign], gateway: Emulator
) -> None:
    """One of each kind of ten: 0.8 is kept, 0.9 is not; rows of other lists under the run key do not help."""
    rows = people(10)
    rows[0]["phone"] = "0283812345"
    gateway.block_phone(rows[1]["phone"])
    other = campaign(people(40, first=100))
    assert other.send().accepted == 40
    assert campaign(rows, at_least=0.8).send().accepted == 8
    with pytest.raises(BulkIncompleteError, match=r"8 accepted.*fewer of 10 rows than at_least=0.9"):
        campaign(rows, at_least=0.9).send()


def test_result_separates_this_call_from_the_run_total(campaign: Callable[..., Campaign]) -> None:
    """In the line as in the JSON; a list that was sent before says that nothing left now."""
    first = campaign(people(40)).send()
    assert str(first) == "40 accepted"
    second = campaign(people(10, first=100)).send()
    assert str(second) == "10 accepted; the run in all: 50 accepted"
    again = campaign(people(10, first=100)).send()
    assert str(again).startswith("10 accepted (0 now, 10 before)")
    told = again.as_dict()
    assert (told["accepted"], told["sent_by_this_try"], told["run"]["accepted"]) == (10, 0, 50)
    assert told["ledger"].endswith("ledger.sqlite")
    assert told["sandbox"] is False


@pytest.mark.in_turn
def test_unreachable_gateway_gives_retryable_error(campaign: Callable[..., Campaign], gateway: Emulator) -> None:
    """The run stops itself, and says that waiting may help."""
    gateway.faults.add("send_zns_bulk", refuse_before(), next_calls=400)
    one = campaign(people(500), chunk_size=25)
    with pytest.raises(BulkIncompleteError) as error:
        one.send(one.plan())
    assert error.value.retryable
    assert error.value.summary.stopped_by is not None
    gateway.faults.clear()
    assert one.send(one.plan()).run.accepted == 500


def test_iterator_source_and_invalid_at_least_are_rejected(campaign: Callable[..., Campaign]) -> None:
    """It would be empty when it is sent."""
    with pytest.raises(InvalidRequestError, match="iterator"):
        campaign(iter(people(3)))
    with pytest.raises(InvalidRequestError, match=r"0\.95"):
        campaign(people(3), at_least=98)


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("at_least", [1.0, 0.0, None])
def test_empty_list_is_an_error_unless_on_empty_is_skip(
    campaign: Callable[..., Campaign], gateway: Emulator, at_least: float | None
) -> None:
    """More often a mistake than a wish, so an error; nothing to do where the caller says so. `at_least` has no say."""
    empty = campaign([], at_least=at_least)
    with pytest.raises(InvalidRequestError, match="it is empty"):
        empty.send(empty.plan())
    quiet = campaign([], at_least=at_least, on_empty="skip")
    plan = quiet.plan()
    summary = quiet.send(plan)
    assert (plan.empty, summary.accepted, summary.complete) == (True, 0, True)
    assert gateway.call_count("send_zns_bulk") == 0


@pytest.mark.parametrize("at_least", [1.0, 0.0, None])
def test_empty_send_bulk_is_an_error_unless_on_empty_is_skip(
    client: EsmsClient, tmp_path: Path, at_least: float | None
) -> None:
    """The same rule one floor below, for rows that were checked elsewhere and for texts."""

    def zns(ledger: Ledger, **more: Any) -> RunResult:
        channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID)
        return send_bulk(channel, [], ledger=ledger, run_key="zns", at_least=at_least, **more)

    def sms(ledger: Ledger, **more: Any) -> RunResult:
        channel = CareSmsChannel(client, "x", DEMO_BRANDNAME)
        return send_bulk(channel, Recipients(list), ledger=ledger, run_key="sms", at_least=at_least, **more)

    with Ledger.open(tmp_path / "empty.sqlite") as ledger:
        for send in (zns, sms):
            with pytest.raises(InvalidRequestError, match="it is empty"):
                send(ledger)
            assert send(ledger, on_empty="skip").accepted == 0
            with pytest.raises(InvalidRequestError, match="on_empty is skip or fail"):
                send(ledger, on_empty="green")


def test_list_of_only_invalid_rows_is_not_treated_as_empty(campaign: Callable[..., Campaign]) -> None:
    """Somebody was to be told."""
    bad = campaign([{**people(1)[0], "phone": "0283812345"}], on_empty="skip", at_least=0.0)
    with pytest.raises(InvalidRequestError, match="landline"):
        bad.send(bad.plan())


def test_rows_added_after_an_empty_plan_require_a_new_plan(
    campaign: Callable[..., Campaign], gateway: Emulator, tmp_path: Path
) -> None:
    """Nothing is sent that was not checked."""
    path = tmp_path / "people.csv"
    path.write_text("phone,name,service,code,date\n", "utf-8")
    quiet = campaign(path, on_empty="skip")
    plan = quiet.plan()
    row = "phone,name,service,code,date\n0901888484,A,B,C,D\n"
    assert quiet.send(plan, on_plan=lambda _: path.write_text(row, "utf-8") and None).accepted == 0
    assert gateway.message_count == 0
    with pytest.raises(PlanChangedError):
        quiet.send(plan)
    assert quiet.send(quiet.plan()).accepted == 1


def changed(rows: list[dict[str, str]], **changes: dict[str, str]) -> list[dict[str, str]]:
    """`rows`, some of them (`_3`, counted from 0) with other cells."""
    return [{**row, **changes.get(f"_{number}", {})} for number, row in enumerate(rows)]


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Chị Khác"}, "line 3 was sent in this run with other content before"),
        ({"phone": "0909999999"}, "line 3 was sent in this run with another phone before"),
    ],
)
@pytest.mark.parametrize("new_first", [False, True])
def test_changed_rows_are_reported_as_conflicts_by_the_plan(
    campaign: Callable[..., Campaign], gateway: Emulator, tmp_path: Path, change: dict[str, str], words: str,
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


def test_list_of_only_changed_rows_sends_nothing_when_skipped(
    campaign: Callable[..., Campaign], gateway: Emulator
) -> None:
    """Skipped, there is nothing left to do."""
    first = campaign(people(3))
    first.send(first.plan())
    again = campaign(changed(people(3), _0={"name": "X"}, _1={"name": "X"}, _2={"name": "X"}), conflicts="skip")
    assert again.send(again.plan()).counters.accepted == 0
    assert gateway.message_count == 3


@pytest.mark.parametrize("change", [{"columns": Columns("phone", COLUMNS.params, key_column="code")}])
def test_plan_rejects_a_run_key_used_with_another_key_column(
    campaign: Callable[..., Campaign], change: dict[str, Any]
) -> None:
    """What the send would refuse the plan refuses."""
    first = campaign(people(3))
    first.send(first.plan())
    # With the ledger's place: on a new machine or in a new folder nobody remembers the run that was before.
    told = r"used before with another key_column \(phone, now code; ledger .+\.sqlite\)"
    with pytest.raises(InvalidRequestError, match=told):
        campaign(people(3), **change).plan()

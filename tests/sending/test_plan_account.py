"""What the gateway says of price, template and OA before anything is sent, and what a plan makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pendulum
import pytest

from esms_connectors import EsmsClient
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.faults import code, html
from esms_connectors.emulator.world import TemplateParam
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import ZnsRecipient
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Columns
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels import AdvertisingChannel, CareSmsChannel, Channel, ZnsChannel
from esms_connectors.sending.template_lock import TemplateChangedError, TemplateLock, read_template_file

ROWS = [
    {"phone": f"0901{number:06d}", "customer_name": f"Ms {number}", "service": "S", "code": "C", "date": "19/03/2026"}
    for number in range(40)
]
NAMED = {name: name for name in ("customer_name", "service", "code", "date")}
TOMORROW_NINE = pendulum.tomorrow("Asia/Ho_Chi_Minh").at(9)


@pytest.fixture
def campaign(client: EsmsClient, tmp_path: Path) -> Iterator[Callable[..., Campaign]]:
    """Makes campaigns of the rows above."""
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:

        def make(channel: Channel, params: Any = (), rows: Any = ROWS) -> Campaign:
            return Campaign(channel, rows, Columns(params=params), ledger=ledger, run_key="r")

        yield make


def zns(client: EsmsClient, **more: Any) -> ZnsChannel:
    return ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID, **more)


def test_zns_estimate_equals_the_charged_amount(
    gateway: Emulator, client: EsmsClient, campaign: Callable[..., Campaign]
) -> None:
    """Nothing was sent before: the price is the gateway's, and the balance afterwards is what the plan said."""
    run = campaign(zns(client), NAMED)
    plan = run.plan()
    assert (plan.price_vnd, plan.price_from, plan.cost_vnd) == (300, "the gateway's estimate", 40 * 300)
    run.send()
    assert client.get_balance().balance_vnd == plan.left_vnd


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("advertising", [False, True])
def test_sms_estimate_is_per_segment_and_equals_the_charge(
    client: EsmsClient, campaign: Callable[..., Campaign], advertising: bool
) -> None:
    """A text of two segments: the price is that of one, the cost that of all; and it is what is charged."""
    text = "[QC] Khuyen mai " + "a" * 200 + " TC: soan TC gui 1234"
    kind = AdvertisingChannel if advertising else CareSmsChannel
    run = campaign(kind(client, text, DEMO_BRANDNAME, send_at=TOMORROW_NINE))
    plan = run.plan()
    assert (plan.segments, plan.price_vnd) == (80, Decimal(790))
    assert plan.cost_vnd == 80 * 790
    before = client.get_balance().balance_vnd
    run.send()
    assert before - client.get_balance().balance_vnd == plan.cost_vnd


@pytest.mark.parametrize(
    ("template", "oa", "words"),
    [
        ({"status": "PENDING_REVIEW"}, {}, "is PENDING_REVIEW, not ENABLE"),
        ({"status": "SOMETHING_NEW"}, {}, "is SOMETHING_NEW, not ENABLE"),
        ({"quality": "LOW"}, {}, "is of LOW quality"),
        ({"daily_quota": 39}, {}, "the quota of template 267247 allows 39 more today, the plan needs 40"),
        ({}, {"daily_quota": 39}, f"the quota of OA {DEMO_OA_ID} allows 39 more today, the plan needs 40"),
    ],
)
def test_plan_is_not_good_with_template_or_quota_problems(
    gateway: Emulator,
    client: EsmsClient,
    campaign: Callable[..., Campaign],
    template: dict[str, Any],
    oa: dict[str, Any],
    words: str,
) -> None:
    """Status, quality and both quotas; the same plan without is good."""
    assert campaign(zns(client), NAMED).plan().as_dict()["good"] is True
    if template:
        gateway.change_template(DEMO_TEMPLATE_ID, **template)
    if oa:
        gateway.change_official_account(DEMO_OA_ID, **oa)
    told = campaign(zns(client), NAMED).plan().as_dict()
    assert told["good"] is False
    assert [problem for problem in told["problems"] if words in problem]


@pytest.mark.parametrize(
    ("send_at", "mode", "good"), [(None, None, False), (TOMORROW_NINE, None, True), (None, 3, True)]
)
def test_plan_checks_the_quota_of_the_sending_day(
    gateway: Emulator,
    client: EsmsClient,
    campaign: Callable[..., Campaign],
    send_at: datetime | None,
    mode: int | None,
    good: bool,
) -> None:
    """Today's is nearly used up: tomorrow's is not, and sending mode 3 goes beyond it."""
    gateway.change_official_account(DEMO_OA_ID, daily_quota=50)
    client.send_zns_bulk([_recipient(number) for number in range(20)], DEMO_TEMPLATE_ID, DEMO_OA_ID)
    plan = campaign(zns(client, sending_mode=mode, send_at=send_at), NAMED).plan()
    assert plan.good is good, plan.problems


def _recipient(number: int) -> ZnsRecipient:
    return ZnsRecipient(f"0912{number:06d}", ("A", "B", "C", "19/03/2026"), f"used-{number}")


def test_disabled_template_prevents_sending_until_enabled(
    gateway: Emulator, client: EsmsClient, campaign: Callable[..., Campaign]
) -> None:
    """Every row would be refused, and stand in the ledger as rejected: the run stops before, and goes on later."""
    gateway.change_template(DEMO_TEMPLATE_ID, status="DISABLE")
    with pytest.raises(InvalidRequestError, match="is DISABLE, not ENABLE"):
        campaign(zns(client), NAMED).send()
    gateway.change_template(DEMO_TEMPLATE_ID, status="ENABLE")
    assert campaign(zns(client), NAMED).send().accepted == 40


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("fault", [html(), code("99"), code("160")])
def test_positional_params_are_sent_when_template_lookup_fails(
    gateway: Emulator, client: EsmsClient, campaign: Callable[..., Campaign], fault: Any
) -> None:
    """The function does not answer: one note says that nothing is checked, and all is sent."""
    gateway.faults.add("get_zns_template", fault, every=1)
    result = campaign(zns(client), tuple(NAMED)).send()
    assert (result.accepted, gateway.message_count) == (40, 40)
    assert [note for note in result.as_dict()["rows"]["notes"] if "did not return template" in note][1:] == []


def test_named_params_require_the_template(
    gateway: Emulator, client: EsmsClient, campaign: Callable[..., Campaign]
) -> None:
    """Their order is the template's: without one nothing is sent, and the line says what to do."""
    gateway.faults.add("get_zns_template", html(), every=1)
    with pytest.raises(InvalidRequestError, match=r"did not return template .*by name need the template"):
        campaign(zns(client), NAMED).send()
    assert gateway.message_count == 0


def test_template_file_replaces_an_unavailable_template(
    gateway: Emulator, client: EsmsClient, campaign: Callable[..., Campaign], tmp_path: Path
) -> None:
    """It has the order of the values and their limits: by name all are sent, and what is too long is rejected."""
    file = saved(client, tmp_path)
    gateway.faults.add("get_zns_template", html(), every=1)
    rows = [*ROWS, {**ROWS[0], "phone": "0912000000", "customer_name": "x" * 31}]
    run = campaign(zns(client, template_file=file), NAMED, rows)
    run.at_least = 0.5
    result = run.send()
    assert (result.accepted, result.report.rejected) == (40, 1)
    assert gateway.message_count == 40
    assert "Ms 0" in next(gateway.messages()).content


def saved(client: EsmsClient, folder: Path) -> str:
    """The template as `esms template --save` keeps it."""
    path = folder / "lock.json"
    TemplateLock(client.get_zns_template(DEMO_TEMPLATE_ID, DEMO_OA_ID), DEMO_OA_ID).write(path)
    return str(path)


PARAMS = tuple(TemplateParam(name) for name in NAMED)


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"params": PARAMS[::-1]}, "its variables are date, code, service, customer_name and were customer_name"),
        ({"params": (TemplateParam("customer_name", max_length=99), *PARAMS[1:])}, "max_length of customer_name is 99"),
        ({"params": (*PARAMS, TemplateParam("link"))}, "its variables are"),
        ({"name": "Another name"}, "name is 'Another name'"),
        ({"tag": "PROMOTION"}, "tag is 'PROMOTION'"),
    ],
)
def test_template_that_differs_from_the_saved_file_is_rejected(
    gateway: Emulator,
    client: EsmsClient,
    campaign: Callable[..., Campaign],
    tmp_path: Path,
    change: dict[str, Any],
    words: str,
) -> None:
    """Other variables, other limits, another tag: nothing is sent; a worse quality is no other template."""
    file = saved(client, tmp_path)
    gateway.change_template(DEMO_TEMPLATE_ID, quality="LOW")
    assert campaign(zns(client, template_file=file), NAMED).plan().recipients == 40
    gateway.change_template(DEMO_TEMPLATE_ID, **change)
    with pytest.raises(TemplateChangedError, match=words):
        campaign(zns(client, template_file=file), NAMED).send()
    assert gateway.message_count == 0


def test_file_of_another_template_is_rejected(client: EsmsClient, tmp_path: Path) -> None:
    """By its ids, whatever the gateway says."""
    with pytest.raises(InvalidRequestError, match="holds template 267247"):
        ZnsChannel(client, "999", DEMO_OA_ID, template_file=saved(client, tmp_path)).row_rules()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", "no template with params"),
        (b'{"template": {"template_id": 267247, "params": []}}', "are texts"),
        (b'{"template": {"template_id": "1", "params": [{"name": ""}]}}', "has no name"),
        (b'{"template": {"template_id": "1", "params": [{"name": "a", "max_length": "x"}]}}', "max_length of variable"),
        (b'{"template": {"template_id": "1", "params": [{"name": "a", "required": 1}]}}', "required of variable"),
        (b'{"template": {"template_id": "1", "name": 5, "params": []}}', "are texts"),
    ],
)
def test_invalid_template_file_gives_one_line_error(tmp_path: Path, content: bytes | None, words: str) -> None:
    """What is wrong, in which file."""
    path = tmp_path / "lock.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidRequestError, match=words) as refused:
        read_template_file(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_handwritten_template_file_needs_only_param_names(tmp_path: Path) -> None:
    """In the order of the template."""
    path = tmp_path / "lock.json"
    path.write_text(json.dumps({"template": {"template_id": "1", "params": ["a", "b"]}}))
    found = read_template_file(path).template
    assert [(param.name, param.required) for param in found.params] == [("a", True), ("b", True)]

"""`call_gateway`: any function of the gateway by name, once however often task and flow are retried."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from conftest import name_of, phone_of
from prefect import flow
from prefect.runtime import flow_run

from esms_connectors import InvalidRequestError
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.prefect import EsmsCredentials, EsmsLedger, acall_gateway, call_gateway, gateway_task


@pytest.fixture
def blocks(credentials: EsmsCredentials, ledger_block: EsmsLedger) -> dict[str, Any]:
    return {"credentials": name_of(credentials), "ledger": name_of(ledger_block)}


def sms(number: int) -> dict[str, str]:
    return {"phone": phone_of(number), "content": "Xin chao", "brandname": DEMO_BRANDNAME}


def test_flow_retry_does_not_repeat_send_calls(gateway: Emulator, blocks: dict[str, Any]) -> None:
    """The flow fails behind them, and its retry makes no second call that sends."""

    @flow(retries=1, retry_delay_seconds=0)
    def fragile() -> list[dict[str, Any]]:
        template = call_gateway("get_zns_template", {"template_id": DEMO_TEMPLATE_ID, "oa_id": DEMO_OA_ID}, **blocks)
        sent = [call_gateway("send_customer_care_sms", sms(number), **blocks) for number in range(2)]
        if flow_run.run_count < 2:
            raise RuntimeError("behind the calls")
        return [template, *sent]

    template, *sent = fragile()
    assert template["status"] == "ENABLE"
    assert [one["called_by_this_try"] for one in sent] == [False, False]
    assert gateway.deliveries_by_phone() == {phone_of(0): 1, phone_of(1): 1}
    assert phone_of(0) not in json.dumps(sent)


@pytest.mark.in_turn
def test_call_with_a_call_key_is_made_once_across_runs(gateway: Emulator, blocks: dict[str, Any]) -> None:
    """In any run, and in async flows too."""

    @flow
    async def twice() -> None:
        for _ in range(2):
            await acall_gateway("send_customer_care_sms", sms(1), call_key="order-17", **blocks)

    asyncio.run(twice())
    asyncio.run(twice())
    assert gateway.deliveries_by_phone() == {phone_of(1): 1}


@pytest.mark.parametrize(
    ("operation", "arguments", "words"),
    [
        ("send_vibr", {}, "Did you mean send_viber?"),
        ("get_oa_quota", {"oaid": "4"}, "Did you mean oa_id?"),
        ("send_viber", {"phones": []}, "send_viber needs brandname."),
    ],
)
def test_invalid_call_is_rejected_at_definition_and_at_call_time(
    operation: str, arguments: dict[str, Any], words: str
) -> None:
    """`gateway_task` looks at the names when the file is loaded; the task itself before it needs a block."""
    with pytest.raises(InvalidRequestError) as caught:
        gateway_task(operation, *arguments)
    assert words in str(caught.value)
    with pytest.raises(InvalidRequestError) as caught:
        call_gateway.fn(operation, arguments)
    assert words in str(caught.value)


@pytest.mark.in_turn
def test_gateway_task_takes_operation_arguments_by_name(gateway: Emulator, blocks: dict[str, Any]) -> None:
    """Takes the arguments of the operation by name."""
    send = gateway_task("send_customer_care_sms", "phone", "content", "brandname", retries=2)
    assert (send.name, send.retries) == ("send-customer-care-sms", 2)

    @flow
    def one() -> dict[str, Any]:
        return send(**sms(1), settings=blocks)

    assert one()["called_by_this_try"] is True
    assert gateway.deliveries_by_phone() == {phone_of(1): 1}

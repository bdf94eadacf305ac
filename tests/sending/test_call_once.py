"""One call through the ledger: made once, whatever happens around it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from esms_connectors import EsmsClient, InvalidRequestError
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.faults import code, drop_after, drop_before
from esms_connectors.gateway.endpoints import ENDPOINTS, Effect
from esms_connectors.ledger import Ledger
from esms_connectors.sending.bulk import BulkIncompleteError
from esms_connectors.sending.one_sms import send_sms
from esms_connectors.sending.operations import _CHANNELS, call_once
from esms_connectors.sending.sms_message import SmsMessage

PHONE = "0901888484"
SMS = {"phone": PHONE, "content": "Xin chao", "brandname": DEMO_BRANDNAME}
XML = {"phones": [PHONE], "content": "Xin chao", "brandname": DEMO_BRANDNAME}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def test_all_functions_with_side_effects_have_a_channel() -> None:
    """And what only reads goes around the ledger."""
    assert set(_CHANNELS) == {name for name, endpoint in ENDPOINTS.items() if endpoint.effect is not Effect.READ}


def test_repeated_call_returns_the_recorded_result(client: EsmsClient, gateway: Emulator, ledger: Ledger) -> None:
    """Its answer is what the ledger keeps of it; a call to somebody else, or of another key, is another call."""
    first = call_once(client, "send_customer_care_sms", SMS, ledger=ledger, run_key="r")
    again = call_once(client, "send_customer_care_sms", SMS, ledger=ledger, run_key="r")
    assert first["message_id"] == again["message_id"] is not None
    assert (first["called_by_this_try"], again["called_by_this_try"]) == (True, False)
    assert gateway.message_count == 1

    call_once(client, "send_customer_care_sms", {**SMS, "phone": "0912345678"}, ledger=ledger, run_key="r")
    call_once(client, "send_customer_care_sms", SMS, ledger=ledger, run_key="r", call_key="order-2")
    assert gateway.message_count == 3


def test_call_keys_are_normalised_and_blank_ones_rejected(
    client: EsmsClient, gateway: Emulator, ledger: Ledger
) -> None:
    """Of a call and of one SMS, as of the rows of a list; what is no key is refused, not taken for none."""
    for key in ("17", " 17", "17.0", '="17"'):
        call_once(client, "send_customer_care_sms", SMS, ledger=ledger, run_key="calls", call_key=key)
        message = SmsMessage(PHONE, "Xin chao", DEMO_BRANDNAME, key=key)
        send_sms(client, message, ledger=ledger, run_key="messages")
    assert gateway.message_count == 2
    for key in ("", " "):
        with pytest.raises(InvalidRequestError, match="call_key is empty"):
            call_once(client, "send_customer_care_sms", SMS, ledger=ledger, run_key="calls", call_key=key)
        with pytest.raises(InvalidRequestError, match="message_key is empty"):
            SmsMessage(PHONE, "Xin chao", DEMO_BRANDNAME, key=key)


def test_changed_text_to_the_same_phone_is_rejected(client: EsmsClient, gateway: Emulator, ledger: Ledger) -> None:
    """Not sent as a second message."""
    call_once(client, "send_customer_care_sms", SMS, ledger=ledger, run_key="r")
    with pytest.raises(InvalidRequestError, match="call_key"):
        call_once(client, "send_customer_care_sms", {**SMS, "content": "Khac"}, ledger=ledger, run_key="r")
    assert gateway.message_count == 1


def test_lost_response_is_settled_under_the_same_request_id(
    client: EsmsClient, gateway: Emulator, ledger: Ledger
) -> None:
    """On the next try, where the function's request ids hold a second message back."""
    gateway.faults.add("send_customer_care_sms", drop_after())
    with pytest.raises(BulkIncompleteError) as caught:
        call_once(client.without_repeats(), "send_customer_care_sms", SMS, ledger=ledger, run_key="r")
    assert caught.value.summary.run.unknown + caught.value.summary.run.accepted == 1
    gateway.faults.clear()
    again = call_once(client, "send_customer_care_sms", SMS, ledger=ledger, run_key="r")
    assert again["duplicate"] is True
    assert gateway.message_count == 1


@pytest.mark.parametrize("fault", [drop_after, drop_before])
def test_lost_response_without_reliable_request_id_stays_in_doubt(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, fault: object
) -> None:
    """However often it is tried."""
    gateway.faults.add("send_customer_care_sms_xml", fault(), next_calls=1)
    for _ in range(3):
        with pytest.raises(BulkIncompleteError):
            call_once(client, "send_customer_care_sms_xml", XML, ledger=ledger, run_key="r")
    assert gateway.call_count("send_customer_care_sms_xml") == 1


def test_refusal_error_names_the_code_and_call_can_be_retried(
    client: EsmsClient, gateway: Emulator, ledger: Ledger
) -> None:
    """And what is put right goes out under the same run key."""
    gateway.faults.add("send_customer_care_sms", code("103"), next_calls=1)
    with pytest.raises(BulkIncompleteError, match="103"):
        call_once(client, "send_customer_care_sms", SMS, ledger=ledger, run_key="r")
    client.resume()
    assert call_once(client, "send_customer_care_sms", SMS, ledger=ledger, run_key="r")["called_by_this_try"]
    assert gateway.message_count == 1


def test_ledger_is_required_for_sending_but_not_for_reading(client: EsmsClient, gateway: Emulator) -> None:
    """Nothing is called without one."""
    told = call_once(client, "get_balance", {}, ledger=None, run_key="r")
    assert float(told["balance_vnd"]) > 0
    with pytest.raises(InvalidRequestError, match="ledger"):
        call_once(client, "send_customer_care_sms", SMS, ledger=None, run_key="r")
    assert gateway.message_count == 0


def test_repeated_bulk_call_is_sent_once_and_masks_phones(
    client: EsmsClient, gateway: Emulator, ledger: Ledger
) -> None:
    """Its rows get request ids of their own, and no phone stands in the answer in full."""
    values = ["Nguyễn Văn A", "Bảo trì xe", "BT-1", "15/05/2024"]
    rows = [{"phone": PHONE, "template_params": values}, {"phone": "0912345678", "template_params": values}]
    bulk = {"recipients": rows, "template_id": DEMO_TEMPLATE_ID, "oa_id": DEMO_OA_ID}
    for _ in range(2):
        answer = call_once(client, "send_zns_bulk", bulk, ledger=ledger, run_key="r")
    assert gateway.deliveries_by_phone() == {PHONE: 1, "0912345678": 1}
    assert PHONE not in json.dumps(answer)

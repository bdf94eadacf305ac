"""A refusal of a call for many is no word about any of them, unless the answer has one."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from samples import KEYED_SENDS, PHONE, VALUES, send_advertising_sms, send_customer_care_sms, send_customer_care_sms_xml

from esms_connectors import (
    BulkSubmission,
    EsmsClient,
    GatewayError,
    Outcome,
    OutcomeUnknownError,
    ZnsRecipient,
)
from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.faults import Fault, code, drop_after, rate_limit, refuse_taken

MakeClient = Callable[..., EsmsClient]
ACCEPTED, REJECTED, UNKNOWN = Outcome.ACCEPTED, Outcome.REJECTED, Outcome.UNKNOWN
BULK = "send_zns_bulk"
# Whatever a call may be refused with: balance, a blocked number, bad data, a template, the list's length, the rate.
REFUSALS = ["103", "99", "110", "789", "687", "108", "102", "160"]


def send(client: EsmsClient, count: int = 10) -> BulkSubmission:
    recipients = [ZnsRecipient(f"0901{number:06}", VALUES, f"bulk-{number}") for number in range(count)]
    return client.send_zns_bulk(recipients, DEMO_TEMPLATE_ID, DEMO_OA_ID)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_refused_bulk_call_may_have_been_taken_in_part(gateway: Emulator, client: EsmsClient, refusal: str) -> None:
    """Without `detail`: the refusal is raised, and says that it settles nothing and is not to be repeated."""
    gateway.faults.add(BULK, refuse_taken(refusal))
    with pytest.raises(GatewayError) as caught:
        send(client)
    assert (caught.value.code, caught.value.nothing_taken, caught.value.retryable) == (refusal, False, False)
    assert gateway.message_count == 5


@pytest.mark.parametrize("refusal", ["101", "140"])
@pytest.mark.parametrize("name", KEYED_SENDS)
def test_key_and_address_refusals_mean_nothing_was_taken(
    gateway: Emulator, client: EsmsClient, refusal: str, name: str
) -> None:
    """Nothing of such a call was taken, however many it is for."""
    gateway.faults.add(name, code(refusal))
    with pytest.raises(GatewayError) as caught:
        KEYED_SENDS[name](client)
    assert caught.value.nothing_taken


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("refusal", [*REFUSALS, "555", "124"])
@pytest.mark.parametrize("total_success", ["missing", "right", "wrong"])
def test_rows_in_detail_of_a_refused_call_are_accepted_and_others_unknown(
    gateway: Emulator, client: EsmsClient, refusal: str, total_success: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Accepted rows with their message ids; the others are unknown, whatever is said of the call and its totals."""
    gateway.faults.add(BULK, refuse_taken(refusal, detail="taken", total_success=total_success))
    with caplog.at_level(logging.WARNING):
        outcome = send(client)
    assert [(row.outcome, row.code) for row in outcome.rows] == [(ACCEPTED, "100")] * 5 + [(UNKNOWN, refusal)] * 5
    assert [gateway.message(row.message_id or "").phone for row in outcome.rows[:5]] == [
        row.phone for row in outcome.rows[:5]
    ]
    assert not any(row.refused for row in outcome.rows)
    assert getattr(outcome.refusal, "code", None) == refusal
    assert ("says that 0 messages were taken and names 5" in caplog.text) == (total_success == "wrong")
    assert gateway.message_count == 5


def test_rows_refused_individually_are_rejected(gateway: Emulator, client: EsmsClient) -> None:
    """Each row has its own word, so each is settled."""
    gateway.faults.add(BULK, refuse_taken("103", detail="all"))
    outcome = send(client)
    assert [(row.outcome, row.refused) for row in outcome.rows] == [(ACCEPTED, False)] * 5 + [(REJECTED, True)] * 5
    with pytest.raises(GatewayError, match="was not tried"):
        send_customer_care_sms(client)


def test_refused_row_with_a_message_id_is_unknown(gateway: Emulator, client: EsmsClient) -> None:
    """No page shows an id on a refused row; whoever has one may have been sent something."""

    def spoil(reply: Any) -> Any:
        answer = json.loads(reply.body)
        for row in answer["detail"][:5]:
            row["CodeResult"] = "103"
        return replace(reply, body=json.dumps(answer).encode())

    gateway.faults.add(BULK, Fault("refused with an id", "after", spoil))
    outcome = send(client)
    assert [row.outcome for row in outcome.rows] == [UNKNOWN] * 5 + [ACCEPTED] * 5
    assert all(gateway.message(row.message_id or "").phone == row.phone for row in outcome.rows)


@pytest.mark.parametrize("refusal", ["103", "99", "108", "146"])
def test_refused_message_with_a_message_id_is_settled_only_by_code_146(
    gateway: Emulator, client: EsmsClient, refusal: str
) -> None:
    """An id is evidence that something was taken; only 146 is documented to bring one with a message that was not."""
    gateway.faults.add("send_customer_care_sms", refuse_taken(refusal, with_id=True))
    with pytest.raises(GatewayError) as caught:
        send_customer_care_sms(client)
    assert caught.value.nothing_taken == (refusal == "146")
    assert gateway.message(caught.value.message_id or "").phone == PHONE


@pytest.mark.parametrize("call", [send_advertising_sms, send_customer_care_sms_xml])
def test_refused_batch_may_have_been_taken(gateway: Emulator, client: EsmsClient, call: Callable[..., Any]) -> None:
    """Advertising, and one text for many over the XML route."""
    gateway.faults.add(call.__name__, refuse_taken("99"))
    with pytest.raises(GatewayError) as caught:
        call(client)
    assert not caught.value.nothing_taken


def test_http_429_from_an_intermediary_is_repeated_only_with_a_request_id(
    gateway: Emulator, client: EsmsClient
) -> None:
    """HTTP 429 without words of the gateway: lost. With a request id it is repeated, without one it is not."""
    for name in (*KEYED_SENDS, "send_customer_care_sms_xml"):
        gateway.faults.add(name, rate_limit("http_429", retry_after=0, when="after"), next_calls=1)
    assert send_customer_care_sms(client).duplicate
    assert send_advertising_sms(client).duplicate
    with pytest.raises(OutcomeUnknownError):
        send_customer_care_sms_xml(client)
    assert gateway.call_count("send_customer_care_sms_xml") == 1


def test_code_124_after_a_rate_limit_refusal_stays_in_doubt(gateway: Emulator, client: EsmsClient) -> None:
    """160 may come after a part was taken, and may use up the ids of the rest; then 124 tells nobody which."""
    send_customer_care_sms(client, request_id="used")
    gateway.faults.add("send_customer_care_sms", rate_limit(), next_calls=1)
    with pytest.raises(OutcomeUnknownError) as caught:
        send_customer_care_sms(client, request_id="used")
    assert caught.value.refusal_code == "160"


def test_refusal_code_of_a_repeat_is_kept_in_the_error(gateway: Emulator, client: EsmsClient) -> None:
    """It says nothing of the lost attempt, but a later 124 may come of it."""
    gateway.faults.add("send_customer_care_sms", drop_after(), calls=[1])
    gateway.faults.add("send_customer_care_sms", code("103"), calls=[2])
    with pytest.raises(OutcomeUnknownError) as caught:
        send_customer_care_sms(client)
    assert caught.value.refusal_code == "103"

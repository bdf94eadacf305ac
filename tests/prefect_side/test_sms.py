"""`send_sms`: once, however often the task, the flow or a later run comes by."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from conftest import name_of, phone_of
from prefect import flow, task
from prefect.context import TaskRunContext
from prefect.runtime import flow_run

from esms_connectors import InvalidRequestError
from esms_connectors.emulator import Emulator
from esms_connectors.emulator.faults import code, drop_after, http_status
from esms_connectors.ledger import Ledger
from esms_connectors.prefect import EsmsCredentials, EsmsLedger, asend_sms, send_sms
from esms_connectors.prefect.results import SmsResult
from esms_connectors.prefect.retry import is_retryable
from esms_connectors.sending.bulk import BulkIncompleteError


@pytest.fixture
def blocks(credentials: EsmsCredentials, ledger_block: EsmsLedger) -> dict[str, Any]:
    return {"credentials": name_of(credentials), "ledger": name_of(ledger_block)}


def test_send_sms_sends_one_message_and_returns_no_phone(
    gateway: Emulator, books: Ledger, blocks: dict[str, Any]
) -> None:
    """In any spelling of the phone, with braces as they stand; the result is plain and names nobody."""

    @flow
    def one() -> dict[str, Any]:
        return send_sms("+84 901 000 001", "Ma {code} cua ban: {{1}}", **blocks)

    told = one()
    (message,) = gateway.messages()
    assert (message.phone, message.content) == (phone_of(1), "Ma {code} cua ban: {{1}}")
    assert (told["state"], told["message_id"], told["duplicate"]) == ("accepted", message.message_id, False)
    assert books.summary(told["run_key"]).accepted == 1
    assert phone_of(1) not in json.dumps(told)
    assert told.keys() >= SmsResult.__annotations__.keys()


def test_flow_retries_send_no_duplicates(gateway: Emulator, blocks: dict[str, Any]) -> None:
    """The flow fails behind the sends, twice; mapped, plain, and two texts to one person."""

    @flow(retries=2, retry_delay_seconds=0)
    def fragile() -> None:
        send_sms(phone_of(1), "one", **blocks)
        send_sms(phone_of(1), "two", **blocks)
        futures = [send_sms.submit(phone_of(number), "mapped", **blocks) for number in range(5)]
        assert all(future.result()["state"] == "accepted" for future in futures)
        if flow_run.run_count < 3:
            raise RuntimeError("behind the sends")

    fragile()
    contents = sorted((message.phone, message.content) for message in gateway.messages())
    assert contents == sorted(
        [(phone_of(1), "one"), (phone_of(1), "two"), *((phone_of(number), "mapped") for number in range(5))]
    )


@pytest.mark.in_turn
def test_recreated_subflows_of_a_retry_send_no_duplicate(gateway: Emulator, blocks: dict[str, Any]) -> None:
    """Prefect makes the subflows of a retried run anew; the message is that of the run around them."""

    @flow
    def inner() -> None:
        send_sms(phone_of(1), "x", **blocks)

    @flow
    def between() -> None:
        inner()

    @flow(retries=1, retry_delay_seconds=0)
    def outer() -> str:
        between()
        if flow_run.run_count < 2:
            raise RuntimeError("behind the subflow")
        return str(flow_run.id)

    first, second = outer(), outer()
    assert first != second
    assert gateway.deliveries_by_phone() == {phone_of(1): 2}


def _sends_itself(blocks: dict[str, Any]) -> None:
    send_sms(phone_of(1), "x", **blocks)


@flow
def _sends_in_a_flow(blocks: dict[str, Any]) -> None:
    send_sms.submit(phone_of(1), "x", **blocks).result()


@task
def _sends_in_a_task(blocks: dict[str, Any]) -> None:
    send_sms(phone_of(1), "x", **blocks)


@pytest.mark.in_turn
@pytest.mark.parametrize("send", [_sends_itself, _sends_in_a_flow, _sends_in_a_task])
def test_retried_task_without_a_flow_sends_once(
    gateway: Emulator, blocks: dict[str, Any], send: Callable[[dict[str, Any]], None]
) -> None:
    """Its run stays the same, whatever it calls is made anew; and its next run is another message."""

    @task(retries=1, retry_delay_seconds=0)
    def fragile() -> None:
        send(blocks)
        context = TaskRunContext.get()
        if context is not None and context.task_run.run_count < 2:
            raise RuntimeError("behind the message")

    fragile()
    assert gateway.deliveries_by_phone() == {phone_of(1): 1}
    fragile()
    assert gateway.deliveries_by_phone() == {phone_of(1): 2}


@pytest.mark.in_turn
def test_message_key_is_sent_once_across_runs_and_changes_are_rejected(
    gateway: Emulator, blocks: dict[str, Any]
) -> None:
    """In two runs of a flow, of which the second says that nothing left; with another text or phone it is refused."""

    @flow
    def delivered(text: str, phone: str = phone_of(1)) -> tuple[str, int]:
        told = send_sms(phone, text, message_key="order-17", **blocks)
        return told["state"], told["sent_by_this_try"]

    assert [delivered("here"), delivered("here")] == [("accepted", 1), ("accepted", 0)]
    for change, words in (
        ({"text": "there"}, "another text before"),
        ({"text": "here", "phone": phone_of(2)}, "phone before"),
    ):
        with pytest.raises(InvalidRequestError, match=words) as error:
            delivered(**change)
        assert "\n" not in str(error.value)
    assert gateway.deliveries_by_phone() == {phone_of(1): 1}


@pytest.mark.in_turn
def test_each_run_without_a_message_key_sends_its_own_message(gateway: Emulator, blocks: dict[str, Any]) -> None:
    """A daily greeting may go out daily."""

    @flow
    def daily() -> None:
        send_sms(phone_of(1), "hello", **blocks)
        send_sms(phone_of(1), "hello", **blocks)

    daily()
    daily()
    assert gateway.deliveries_by_phone() == {phone_of(1): 2}


def test_lost_response_is_reported_as_duplicate_and_sent_once(gateway: Emulator, blocks: dict[str, Any]) -> None:
    """Asked again under the same request id; the answer 124 has no id of the message."""
    gateway.faults.add("send_customer_care_sms", drop_after(), calls=[1])

    @flow
    def one() -> dict[str, Any]:
        return send_sms(phone_of(1), "x", **blocks)

    told = one()
    assert (told["state"], told["duplicate"], told["message_id"]) == ("accepted", True, None)
    assert gateway.deliveries_by_phone() == {phone_of(1): 1}


@pytest.mark.in_turn
def test_task_retries_outages_but_not_rejections(gateway: Emulator, blocks: dict[str, Any]) -> None:
    """A refusal for good is not tried again; a gateway that was down is, under the same request id."""
    tries: list[int] = []

    def refuse(_call: object) -> None:
        context = TaskRunContext.get()
        tries.append(context.task_run.run_count if context else 0)

    gateway.on_call("send_customer_care_sms", refuse)
    retried = send_sms.with_options(retries=2, retry_delay_seconds=0.1)
    gateway.faults.add("send_customer_care_sms", code("146"), calls=[1])

    @flow
    def one(text: str) -> Any:
        return retried(phone_of(1), text, **blocks)

    with pytest.raises(BulkIncompleteError, match="rejected with code 146") as error:
        one("refused")
    assert "\n" not in str(error.value)
    assert gateway.call_count("send_customer_care_sms") == 1
    # Three calls within one try, and its second look: more than one try of the task can bear.
    gateway.faults.add("send_customer_care_sms", http_status(503), calls=list(range(2, 15)))
    assert one("in the end")["state"] == "accepted"
    assert gateway.deliveries_by_phone() == {phone_of(1): 1}


def test_connection_errors_are_retryable_but_type_errors_are_not() -> None:
    """A connection may come back; a bug does not go away."""

    class State:
        data: Any = None

    state = State()
    for error, expected in ((ConnectionError("x"), True), (TypeError("x"), False), (None, False)):
        state.data = error
        assert is_retryable(None, None, state) is expected


def test_asend_sms_sends_concurrently_in_async_flows(gateway: Emulator, blocks: dict[str, Any]) -> None:
    """The twin; several at once."""

    @flow
    async def many() -> list[dict[str, Any]]:
        return await asyncio.gather(*(asend_sms(phone_of(number), "x", **blocks) for number in range(3)))

    assert [told["state"] for told in asyncio.run(many())] == ["accepted"] * 3
    assert gateway.deliveries_by_phone() == {phone_of(number): 1 for number in range(3)}


@pytest.mark.in_turn
def test_sandbox_sms_sends_nothing_and_leaves_the_ledger_empty(
    gateway: Emulator, credentials: EsmsCredentials, books: Ledger, blocks: dict[str, Any]
) -> None:
    """The gateway checks the text, and that is all."""
    credentials.sandbox = True
    credentials.save(name_of(credentials), overwrite=True)

    @flow
    def one() -> dict[str, Any]:
        return send_sms(phone_of(1), "x", **blocks)

    told = one()
    assert (told["state"], told["sent_by_this_try"], told["sandbox"]) == ("checked", 0, True)
    assert gateway.message_count == 0
    assert books.runs() == []


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"phone": "12345"}, "phone"),
        ({"brandname": ""}, None),
        ({"credentials": "nobody"}, "There is no block esms-credentials/nobody"),
        ({"rate_limit": "nobody"}, "does not exist"),
        ({"message_key": "x" * 300}, "message_key is longer than 200"),
        ({"text": " "}, "text is empty"),
        ({"send_at": datetime(2030, 1, 1)}, "is not a valid time with a zone"),
        ({"send_at": "soon"}, "send_at 'soon' is not a valid time"),
        ({"callback_url": "nowhere"}, "callback_url"),
    ],
)
def test_invalid_arguments_give_one_line_error_and_empty_brandname_is_ignored(
    gateway: Emulator, blocks: dict[str, Any], arguments: dict[str, Any], words: str | None
) -> None:
    """And nothing was sent."""

    @flow
    def one() -> Any:
        return send_sms(**{"phone": phone_of(1), "text": "x", **blocks, **arguments})

    if words is None:
        one()  # an empty name is the same as none: that of the credentials
        return
    with pytest.raises(Exception, match=words) as error:
        one()
    assert "\n" not in str(error.value)
    assert gateway.message_count == 0


def test_rejected_message_does_not_consume_its_message_key(
    gateway: Emulator, books: Ledger, blocks: dict[str, Any]
) -> None:
    """The message that was meant goes out under it."""
    with pytest.raises(InvalidRequestError, match="text is empty"):
        send_sms(phone_of(1), "", message_key="order-17", **blocks)
    assert books.runs() == []
    assert send_sms(phone_of(1), "Don hang 17", message_key="order-17", **blocks)["state"] == "accepted"
    assert gateway.deliveries_by_phone() == {phone_of(1): 1}


def test_send_outside_of_a_run_requires_a_message_key(gateway: Emulator, blocks: dict[str, Any]) -> None:
    """Its function called as a function has no run that could tell a repetition from a second message."""
    with pytest.raises(InvalidRequestError, match="message_key"):
        send_sms.fn(phone_of(1), "x", **blocks)
    assert send_sms.fn(phone_of(1), "x", message_key="k", **blocks)["state"] == "accepted"


def test_message_key_spellings_are_equivalent_and_invalid_keys_rejected(
    gateway: Emulator, blocks: dict[str, Any]
) -> None:
    """As rows of a table: blanks, types and what pandas or Excel makes of a number. What is no key names no message."""
    send = partial(send_sms.fn, phone_of(1), "x", **blocks)
    sent = [send(message_key=key)["sent_by_this_try"] for key in (17, "17", " 17", "17.0", Decimal("17.000"), '="17"')]
    assert sent == [1, 0, 0, 0, 0, 0]
    for key in ("", " ", 17.0, float("nan"), True, "a\u200bb"):
        with pytest.raises(InvalidRequestError, match=r"^message_key is "):
            send(message_key=key)
    assert gateway.deliveries_by_phone() == {phone_of(1): 1}


@pytest.mark.in_turn
def test_send_sms_works_without_a_flow(gateway: Emulator, blocks: dict[str, Any]) -> None:
    """It has a run of its own, and shares nothing with another one."""
    assert send_sms(phone_of(1), "x", **blocks)["state"] == "accepted"
    assert isinstance(send_sms, type(task(lambda: None)))

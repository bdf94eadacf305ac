"""How `SendSmsOperator` sends: through the ledger, or in the sandbox, where nothing is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from esms_connectors.airflow.arguments import text as given_text
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Recipient, Recipients, read_phone_list
from esms_connectors.sending.bulk import send_bulk
from esms_connectors.sending.campaign import time_to_send
from esms_connectors.sending.channels import AdvertisingChannel, CareSmsChannel
from esms_connectors.sending.result import RunResult

LISTED_IDS = 1_000


@dataclass(frozen=True, slots=True)
class SmsMessage:
    """What is to be sent, rendered and checked."""

    phones: tuple[str, ...] = field(repr=False)
    text: str = field(repr=False)
    brandname: str
    key: str | None
    advertising: bool
    send_at: datetime | None
    campaign: str
    callback_url: str | None = field(repr=False)


def checked_phones(phones: object) -> tuple[str, ...]:
    """
    The numbers, each once, as they are sent.

    Raises:
        InvalidRequestError: none, or one that is no Vietnamese mobile number.
    """
    if isinstance(phones, dict) or phones is None:
        raise InvalidRequestError("phones takes a number or a list of numbers.", field="phones")
    found = read_phone_list(phones)
    if found.problems:
        raise InvalidRequestError(f"phones: {'; '.join(found.problems)}.", field="phones")
    if not found.numbers:
        raise InvalidRequestError("phones is empty: there is nobody to send to.", field="phones")
    return found.numbers


def checked_text(text: object) -> str:
    found = given_text(text, "text")
    if found is None or not found.strip():
        raise InvalidRequestError("text is empty.", field="text")
    return found


def send(client: EsmsClient, message: SmsMessage, run_key: str, ledger: Ledger) -> dict[str, Any]:
    """Claimed before, settled after each call."""
    rows = [Recipient(phone, (), _row_key(message, phone), number) for number, phone in enumerate(message.phones)]
    # In bulk, braces name a recipient's own values; here they are braces.
    text = message.text if message.advertising else message.text.replace("{", "{{").replace("}", "}}")
    try:
        channel = AdvertisingChannel if message.advertising else CareSmsChannel
        summary = send_bulk(
            channel(
                client,
                text,
                message.brandname,
                send_at=time_to_send(message.send_at, ledger, run_key),
                callback_url=message.callback_url,
            ),
            Recipients(rows, "message_key"),
            ledger=ledger,
            run_key=run_key,
            campaign=message.campaign,
            threads=min(8, len(rows)),
        )
    except InvalidRequestError as error:
        if error.field != "row_key":
            raise
        problem = (
            "This task sent somebody another text before, in the same run. It was not sent again. If these are two "
            "messages, tell them apart by message_key, such as an order number; if they are one, take what changes "
            "between tries, such as the time, out of the text."
        )
    else:
        return _result(summary, ledger.rows_of(run_key, [row.row_key for row in rows]))
    raise InvalidRequestError(problem, field="text")


def check_only(client: EsmsClient, message: SmsMessage, run_key: str) -> dict[str, Any]:
    """In the sandbox nothing is stored, so nothing is remembered."""
    if message.advertising:
        client.send_advertising_sms(message.phones, message.text, message.brandname, send_at=message.send_at)
    else:
        for phone in message.phones:
            client.send_customer_care_sms(
                phone, message.text, message.brandname, send_at=message.send_at, campaign=message.campaign
            )
    return {
        "run_key": run_key,
        "message_ids": [],
        "accepted": 0,
        "sent_by_this_try": 0,
        "checked": len(message.phones),
        "duplicates": 0,
        "sandbox": True,
    }


def words_of(result: dict[str, Any]) -> str:
    """For the log: what left, and what had left before."""
    if result["sandbox"]:
        return f"sandbox: {result['checked']} messages checked, none sent"
    before = result["accepted"] - result["sent_by_this_try"]
    words = f"{result['sent_by_this_try']} accepted now"
    return words + (f", {before} before, by an earlier try" if before else "")


def _row_key(message: SmsMessage, phone: str) -> str:
    return phone if message.key is None else f"{phone} {message.key}"


def _result(summary: RunResult, rows: list[dict[str, Any]]) -> dict[str, Any]:
    accepted = [row for row in rows if row["state"] == "accepted"]
    ids = dict.fromkeys(row["message_id"] for row in accepted if row["message_id"])
    return {
        **summary.as_dict(),
        # Of many phones the ledger has them all; `DeliveryStatusSensor` then waits by run key.
        "message_ids": list(ids)[:LISTED_IDS],
        "duplicates": sum(bool(row["duplicate"]) for row in accepted),
        "sandbox": False,
    }

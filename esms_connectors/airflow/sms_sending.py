"""How `SendSmsOperator` sends: by the ledger, by the journal in the task state store, or in the sandbox."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from esms_connectors.airflow.arguments import text as given_text
from esms_connectors.airflow.journal import Journal
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import (
    AddressNotAllowedError,
    AuthenticationError,
    ConfigurationError,
    EsmsError,
    GatewayError,
    InvalidRequestError,
    NotSentError,
    OutcomeUnknownError,
    RecipientError,
)
from esms_connectors.gateway.models import SmsType, Submission
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.recipients import Recipient
from esms_connectors.sending.bulk import send_sms_bulk

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

logger = get_logger(__name__)

# Of each one Airflow's metadata database is written twice, in one value.
MOST_WITHOUT_LEDGER = 100
LISTED_IDS = 1_000


@dataclass(frozen=True, slots=True)
class SmsMessage:
    """What is to be sent, rendered and checked."""

    phones: tuple[str, ...] = field(repr=False)
    text: str = field(repr=False)
    brandname: str
    advertising: bool
    xml: bool
    send_at: datetime | None
    campaign: str
    callback_url: str | None = field(repr=False)

    @property
    def digest(self) -> str:
        what = [self.phones, self.text, self.brandname, self.advertising]
        return hashlib.sha256(json.dumps(what, ensure_ascii=True).encode()).hexdigest()


def phone_list(phones: Any) -> tuple[str, ...]:
    """
    The numbers, each once, as they are sent.

    Raises:
        InvalidRequestError: none, or one that is no Vietnamese mobile number.
    """
    if isinstance(phones, str):
        phones = [phones]
    if not isinstance(phones, Sequence) or isinstance(phones, bytes):
        try:
            phones = list(phones)
        except TypeError:
            raise InvalidRequestError("phones takes a number or a list of numbers.", field="phones") from None
    if not phones:
        raise InvalidRequestError("phones is empty: there is nobody to send to.", field="phones")
    return tuple(dict.fromkeys(normalise_phone(phone) for phone in phones))


def checked_text(text: object) -> str:
    found = given_text(text, "text")
    if found is None or not found.strip():
        raise InvalidRequestError("text is empty.", field="text")
    return found


def by_ledger(client: EsmsClient, message: SmsMessage, run_key: str, ledger: Ledger) -> dict[str, Any]:
    """Through `send_sms_bulk`: claimed before, settled after each call."""
    rows = [Recipient(phone, (), phone, number) for number, phone in enumerate(message.phones)]
    # In bulk, braces name a recipient's own values; here they are braces.
    text = message.text if message.advertising else message.text.replace("{", "{{").replace("}", "}}")
    summary = send_sms_bulk(
        client,
        lambda: rows,
        text,
        message.brandname,
        ledger=ledger,
        run_key=run_key,
        advertising=message.advertising,
        campaign=message.campaign,
        send_at=message.send_at,
        callback_url=message.callback_url,
        threads=min(8, len(rows)),
    )
    found = ledger.rows(run_key, SendState.ACCEPTED)
    ids = dict.fromkeys(row["message_id"] for row in found if row["message_id"])
    return _result(run_key, list(ids), summary.run.accepted, summary.run.duplicates)


def check_only(client: EsmsClient, message: SmsMessage, run_key: str) -> dict[str, Any]:
    """In the sandbox nothing is stored, so nothing is remembered."""
    if message.xml:
        raise ConfigurationError("route='xml' has no sandbox: it would send for real.")
    for _, phones in _calls(message):
        _call(client, message, phones, request_id=None)
    return {**_result(run_key, [], len(message.phones), 0), "sandbox": True}


def by_journal(
    client: EsmsClient, message: SmsMessage, run_key: str, context: Context, generation: int
) -> dict[str, Any]:
    """One call after the other, each written down before and after in the task state store."""
    from esms_connectors.airflow.identity import state_store

    store = state_store(context)
    if store is None:
        raise ConfigurationError(
            "Without a ledger a retry could send twice: this Airflow has no task state store (3.3), or empties it on "
            "success. Give ledger_conn_id or ledger_url, here, in the eSMS connection or as [esms] ledger_url."
            + (" route='xml' cannot use one." if message.xml else "")
        )
    calls = _calls(message)
    if len(calls) > MOST_WITHOUT_LEDGER:
        raise ConfigurationError(
            f"{len(calls)} phones are too many without a ledger (at most {MOST_WITHOUT_LEDGER}): give ledger_conn_id "
            "or ledger_url."
        )
    journal = Journal(store, message.digest, generation)
    rejected: list[GatewayError] = []
    doubtful: list[EsmsError] = []
    for name, phones in calls:
        # Of who the task is and which message it is, never of the text: see `identity`.
        request_id = make_request_id("sms", run_key, name)
        before = journal.in_doubt(request_id)
        sent_as = journal.begin(request_id, repeatable=not message.xml)
        if sent_as is None:
            continue
        try:
            sent = _call(client, message, phones, request_id=sent_as)
        except OutcomeUnknownError as error:
            if (code := error.code if isinstance(error, GatewayError) else error.refusal_code) is not None:
                journal.refused(request_id, code, settles=False)
            raise _in_doubt(error, message) from None
        except (AuthenticationError, AddressNotAllowedError) as error:
            # Looked at before any message, and before any id.
            journal.not_sent(request_id, was_in_doubt=before or not error.nothing_taken)
            raise
        except GatewayError as error:
            settled = error.nothing_taken and not before
            journal.refused(request_id, error.code, settles=settled)
            if not isinstance(error, RecipientError):
                raise error if settled else _not_settled(error) from None
            rejected.append(error) if settled else doubtful.append(_not_settled(error))
            continue
        except (NotSentError, InvalidRequestError, ConfigurationError):
            journal.not_sent(request_id, was_in_doubt=before)
            raise
        if sent.duplicate and journal.was_refused(request_id):
            doubtful.append(_not_settled(None))
            continue
        if sent.duplicate and not before:
            logger.warning(
                "eSMS has seen request id %s before, though this task never sent it: does another deployment share the "
                "account? Then set [esms] namespace.",
                sent_as,
            )
        journal.accepted(request_id, sent.message_id, duplicate=sent.duplicate)
    results = journal.results()
    if doubtful:
        raise doubtful[0]
    if rejected:
        more = f"{len(rejected)} of {len(calls)} messages were refused, {len(results)} accepted. The first: "
        raise InvalidRequestError(f"{more}{rejected[0]}", field="phones")
    accepted = len(message.phones) if message.advertising or message.xml else len(results)
    ids = [one["message_id"] for one in results if one["message_id"]]
    return _result(run_key, ids, accepted, sum(bool(one["duplicate"]) for one in results))


def _not_settled(error: GatewayError | None) -> OutcomeUnknownError:
    """Of a refusal that does not prove that nothing was taken, or of a 124 after it."""
    said = str(error) if error is not None else "The gateway has seen the request id before, and refused it then."
    return OutcomeUnknownError(
        f"{said} A message may have been accepted all the same. Look it up in the sent data before it is sent again.",
        endpoint=error.endpoint if error is not None else "",
    )


def _in_doubt(error: OutcomeUnknownError, message: SmsMessage) -> EsmsError:
    # An unlisted code is an answer: the same call would bring it again. The older function holds nothing back.
    again = not message.xml and not isinstance(error, GatewayError)
    return OutcomeUnknownError(str(error), retryable=again, endpoint=error.endpoint, request_id=error.request_id)


def _calls(message: SmsMessage) -> list[tuple[str, tuple[str, ...]]]:
    """(name, phones) of each call: customer care goes to one phone each, the rest to all at once."""
    if message.advertising or message.xml:
        return [("all", message.phones)]
    return [(phone, (phone,)) for phone in message.phones]


def _call(client: EsmsClient, message: SmsMessage, phones: tuple[str, ...], request_id: str | None) -> Submission:
    if message.xml:
        return client.send_customer_care_sms_xml(
            phones,
            message.text,
            message.brandname,
            sms_type=SmsType.ADVERTISING if message.advertising else SmsType.CUSTOMER_CARE,
            send_at=message.send_at,
            callback_url=message.callback_url,
            request_id=request_id,
        )
    if message.advertising:
        return client.send_advertising_sms(
            phones,
            message.text,
            message.brandname,
            send_at=message.send_at,
            callback_url=message.callback_url,
            request_id=request_id,
        )
    return client.send_customer_care_sms(
        phones[0],
        message.text,
        message.brandname,
        send_at=message.send_at,
        campaign=message.campaign,
        callback_url=message.callback_url,
        request_id=request_id,
    )


def _result(run_key: str, message_ids: list[str], accepted: int, duplicates: int) -> dict[str, Any]:
    return {
        "run_key": run_key,
        # Of many phones the ledger has them all; `DeliveryStatusSensor` then waits by run key.
        "message_ids": message_ids[:LISTED_IDS],
        "accepted": accepted,
        "duplicates": duplicates,
        "sandbox": False,
    }

"""
Tests whether the gateway holds back a second request of this account with the same id, by sending one message twice to
a number of the operator's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.endpoints import SEND_CUSTOMER_CARE_SMS, SEND_ZNS_BULK, Endpoint
from esms_connectors.gateway.models import Outcome, ZnsRecipient
from esms_connectors.gateway.request_ids import IdFact, random_request_id
from esms_connectors.ledger import Ledger


@dataclass(frozen=True, slots=True)
class IdProbe:
    """
    The result of two requests under one id.

    Attributes:
        endpoint: the function that was tested.
        honoured: None if it could not be determined.
        text: one line for display.
    """

    endpoint: str
    honoured: bool | None
    text: str


# Sends under a request id and returns the code of the answer.
_Send = Callable[[str], str]


def probe_zns_bulk_ids(
    client: EsmsClient, ledger: Ledger | None, phone: str, template_id: str, oa_id: str, params: Sequence[str]
) -> IdProbe:
    """
    Test the elements of a bulk ZNS, and record the result in `ledger`.

    Args:
        phone: of a person who expects one message, or two.

    Raises:
        InvalidRequestError: a value cannot be sent.
        GatewayError, NotSentError, OutcomeUnknownError: a request got no answer about its message.
    """
    once = client.without_repeats()

    def send(request_id: str) -> str:
        row = once.send_zns_bulk([ZnsRecipient(phone, tuple(params), request_id)], template_id, oa_id).rows[0]
        return row.code or "" if row.outcome is Outcome.ACCEPTED else f"{row.code or 'no code'}: {row.reason}"

    return _probe(client, ledger, SEND_ZNS_BULK, send)


def probe_sms_ids(client: EsmsClient, ledger: Ledger | None, phone: str, text: str, brandname: str) -> IdProbe:
    """The same for customer-care SMS."""
    once = client.without_repeats()

    def send(request_id: str) -> str:
        sent = once.send_customer_care_sms(phone, text, brandname, request_id=request_id)
        return "124" if sent.duplicate else "100"

    return _probe(client, ledger, SEND_CUSTOMER_CARE_SMS, send)


def _probe(client: EsmsClient, ledger: Ledger | None, endpoint: Endpoint, send: _Send) -> IdProbe:
    request_id = random_request_id()
    first = send(request_id)
    if first != "100":
        return IdProbe(endpoint.name, None, f"the message was not accepted ({first}), so the test is inconclusive")
    second = send(request_id)
    if second == "124":
        honoured, text = True, "the second request with the same id was held back (124)"
    elif second == "100" and not client.sandbox:
        honoured, text = False, "the second request with the same id was accepted too: lost answers are not repeated"
    else:
        said = "the sandbox took both requests" if second == "100" else f"the second request was answered {second}"
        return IdProbe(endpoint.name, None, f"{said}, so the test is inconclusive")
    fact = IdFact(honoured, client.clock.latest())
    client.request_ids.learn(endpoint, fact)
    if ledger is not None:
        ledger.facts.learn(client.account, endpoint.name, fact)
    return IdProbe(endpoint.name, honoured, text)

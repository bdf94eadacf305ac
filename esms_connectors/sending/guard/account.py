"""An account that the gateway refused: all its runs stop until it is found to be in order again."""

from __future__ import annotations

import time
from decimal import Decimal

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import EsmsError
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.ledger import Ledger

logger = get_logger(__name__)

# How long to wait for another run that is reading the balance at this moment.
_ANSWER_SECONDS = 2.0
# Assumed upper price of a message if it is not known: with a lower balance a run would be refused at once.
_DEAR_MESSAGE_VND = Decimal(1000)


def look_at_account(ledger: Ledger, client: EsmsClient, run_key: str, needed_vnd: Decimal | None = None) -> None:
    """
    Lift the mark of an account that is in order again: its balance can be read and covers a message.

    Args:
        needed_vnd: the price of the next call; None if it is not known.

    The gateway is asked immediately after a refusal and then once a minute, for all runs together; runs that begin
    meanwhile wait briefly for the answer.
    """
    stops, account = ledger.guard.stops, client.account
    mark = stops.in_force(run_key, account)
    if mark is None or mark.scope != "account":
        return
    if not stops.may_look(account):
        until = time.monotonic() + _ANSWER_SECONDS
        while stops.in_force(run_key, account) == mark and time.monotonic() < until:
            time.sleep(_ANSWER_SECONDS / 10)
        return
    try:
        balance = client.get_balance().balance_vnd
    except EsmsError as error:
        logger.warning("run %s: the account is still refused: %s", run_key, error)
        return
    if mark.code != "103" or balance >= (_DEAR_MESSAGE_VND if needed_vnd is None else needed_vnd):
        stops.lift_account(account, who="a look at the balance")

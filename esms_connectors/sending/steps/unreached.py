"""People whom a run did not reach, as the source of any campaign."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.ledger import Ledger
from esms_connectors.sending.steps.looking import look_at_step
from esms_connectors.sending.steps.spans import read_span


def undelivered(
    client: EsmsClient,
    ledger: Ledger,
    run_key: str,
    *,
    after: str | timedelta | float | None = None,
) -> list[dict[str, Any]]:
    """
    Those whom a run did not reach: refused, failed, or not delivered by the deadline. Rows in doubt, and those that the
    gateway does not show, are not among them.

    Args:
        after: how long each message had, such as `15m`; None: whoever is not delivered to now.

    Returns:
        A row for each, with `phone`, `row_key` and `reason`: a source for `Campaign`. The values of the first list are
        not in the ledger; `Journey` sends further steps with them.

    Raises:
        InvalidRequestError: no such run, or the ledger keeps phones as hashes, from which nobody can be sent to.
        GatewayError, NotSentError, OutcomeUnknownError: the gateway could not be read.
    """
    about = ledger.run_about(run_key)
    if about.get("phones") != "plain":
        raise InvalidRequestError(
            f"The ledger keeps the phones of run {run_key!r} as hashes. Send the next step with the list itself: "
            "`esms send … --else`, or Journey.",
            field="run_key",
        )
    span = timedelta() if after is None else read_span(after, "after")
    view = look_at_step(client, ledger, run_key)
    found = []
    for row in sorted(view.rows.values(), key=lambda row: (row.line, row.request_id)):
        finding = view.finding(row, span)
        if finding.hands_on and not row.erased:
            reason = view.reason(row, finding, span) if span or finding.value != "undelivered" else "not delivered"
            found.append({"phone": row.phone, "row_key": row.row_key, "reason": reason})
    return found

"""People whom a run did not reach, as the source of any campaign."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.ledger import Ledger
from esms_connectors.sending.spans import read_span
from esms_connectors.sending.steps.looking import Finding
from esms_connectors.sending.steps.whole import people_of

# Behind its first attempt, whatever the gateway's clock and the ledger's differ by: their seconds are whole ones.
_NOW = timedelta(seconds=-10)


def undelivered(
    client: EsmsClient,
    ledger: Ledger,
    run_key: str,
    *,
    after: str | timedelta | float | None = None,
) -> list[dict[str, Any]]:
    """
    Those whom a run did not reach: refused, failed, or not delivered by the deadline; of a chain whom none of its steps
    reached. Rows in doubt, and those that the gateway does not show, are not among them.

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
    span = _NOW if after is None else read_span(after, "after")
    people = people_of(client, ledger, run_key)
    reached = people.reached()
    found = []
    for first, index, row in sorted(people.present(), key=lambda one: (one[0].line, one[0].request_id)):
        view = people.views[index]
        if view is None or first.erased or first.row_key in reached:
            continue
        finding = view.finding(row, span)
        if finding.hands_on:
            late = after is None and finding is Finding.UNDELIVERED
            reason = "not delivered" if late else view.reason(row, finding, span)
            found.append({"phone": first.phone, "row_key": first.row_key, "reason": reason})
    return found

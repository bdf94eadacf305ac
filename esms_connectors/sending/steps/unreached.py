"""People that a run did not reach, as a source for any campaign."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.ledger import Ledger
from esms_connectors.sending.durations import read_duration
from esms_connectors.sending.steps.message_states import Finding
from esms_connectors.sending.steps.people import people_of

# A deadline before the first attempt, so that it has passed even if the clocks of gateway and ledger differ.
_NOW = timedelta(seconds=-10)


def undelivered(
    client: EsmsClient,
    ledger: Ledger,
    run_key: str,
    *,
    after: str | timedelta | float | None = None,
) -> list[dict[str, Any]]:
    """
    The people that a run did not reach: refused, failed, or not delivered by the deadline; for a chain, people that
    none of its steps reached. Rows in doubt, and messages that the gateway does not show, are not included.

    Args:
        after: how much time each message had, such as `15m`; None includes everything that is not delivered now.

    Returns:
        A row for each, with `phone`, `row_key` and `reason`: a source for `Campaign`. The values of the first list are
        not in the ledger; use `Journey` for further steps that need them.

    Raises:
        InvalidRequestError: no such run, or the ledger keeps phones as hashes, which cannot be sent to.
        GatewayError, NotSentError, OutcomeUnknownError: the gateway could not be read.
    """
    about = ledger.run_about(run_key)
    if about.get("phones") != "plain":
        raise InvalidRequestError(
            f"The ledger keeps the phones of run {run_key!r} as hashes. Send the next step with the list itself: "
            "`esms send … --else`, or Journey.",
            field="run_key",
        )
    span = _NOW if after is None else read_duration(after, "after")
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

"""What a list without any row means: one rule for a run, a campaign and whatever schedules them."""

from __future__ import annotations

from typing import Literal

from esms_connectors.gateway.errors import InvalidRequestError

OnEmpty = Literal["skip", "fail"]


def check_on_empty(on_empty: str) -> None:
    if on_empty not in ("skip", "fail"):
        raise InvalidRequestError(f"on_empty is skip or fail, not {on_empty!r}.", field="on_empty")


def refuse_empty(on_empty: OnEmpty) -> None:
    """
    Called where there is no row; whatever share `at_least` asks for, of nobody it says nothing.

    Raises:
        InvalidRequestError: `on_empty` is fail: a list that is empty by mistake must not pass for a campaign.
    """
    if on_empty == "fail":
        raise InvalidRequestError(
            "No row of the source can be sent to: it has none. Where a day without rows is right, say on_empty=skip.",
            field="source",
        )

"""Loaded windows that do not prove what was sent: the gateway may have dropped their rows, or ignored the type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse.contract import WindowLoad

# The gateway does not document how long it lists rows; its lookups of single messages end after a week.
_SURELY_LISTED = timedelta(days=7)


def unavailable(loads: Iterable[WindowLoad], others: Iterable[WindowLoad] = ()) -> list[WindowLoad]:
    """
    Windows that list nothing and were read longer after their end than any window that lists rows, of whichever type.
    The gateway may have dropped their rows, so they do not prove that nothing was sent.

    Args:
        others: further windows that may show how long rows are listed.
    """
    asked = [load for load in loads if load.read_at is not None]
    listing = (load for load in (*asked, *others) if load.row_count)
    listed_for = max((_age(load) for load in listing), default=_SURELY_LISTED)
    return [load for load in asked if not load.row_count and _age(load) > max(listed_for, _SURELY_LISTED)]


def _age(load: WindowLoad) -> timedelta:
    """How long after the end of the window it was read."""
    return timedelta(0) if load.read_at is None else load.read_at - load.window.end


def repeated(loads: Iterable[WindowLoad], held: Mapping[SentWindow, int]) -> list[WindowLoad]:
    """
    Windows that list exactly the rows of an earlier type, and are stored beside these: a gateway that ignores the type.

    Args:
        held: stored rows by window. A database stores such rows once if they name their own type.
    """
    alike: dict[tuple[datetime, datetime, str], list[WindowLoad]] = defaultdict(list)
    for load in loads:
        if load.row_count and held.get(load.window, 0) >= load.row_count:
            alike[load.window.start, load.window.end, load.digest].append(load)
    return [load for group in alike.values() for load in sorted(group, key=lambda one: one.window.sms_type)[1:]]

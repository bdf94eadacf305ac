"""Loaded windows that do not prove what was sent: the gateway may have dropped their rows, or ignored the type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse.contract import WindowLoad

# The gateway does not document how long it lists rows; its lookups of single messages end after a week.
_SURELY_LISTED = timedelta(days=7)
# Windows of one pull are read one after the other: the later one of two that ended together was not dropped for that.
_ONE_PULL = timedelta(hours=12)
# All rows of a smaller window may be those of one person who was erased.
_ROWS_OF_SEVERAL = 10

_Alike = dict[tuple[datetime, datetime, str], list[WindowLoad]]


class Doubts(NamedTuple):
    """Loads of windows that do not prove what was sent; see the functions of the same names."""

    unavailable: Sequence[WindowLoad]
    repeated: Sequence[WindowLoad]
    emptied: Sequence[WindowLoad]


def doubts_of(loads: Sequence[WindowLoad], held: Mapping[SentWindow, int], others: Iterable[WindowLoad] = ()) -> Doubts:
    """
    Args:
        loads: of all types, which show whether the gateway ignores the type. Without superseded ones.
        held: stored rows by the window that brought them.
        others: further windows that may show how long rows are listed.
    """
    gone = [load for load in unavailable(loads, others) if not held.get(load.window)]
    return Doubts(gone, repeated(loads, held), emptied(loads, held))


def unavailable(loads: Iterable[WindowLoad], others: Iterable[WindowLoad] = ()) -> list[WindowLoad]:
    """
    Windows that list nothing and were read longer after their end than any window that lists rows, of whichever type.
    The gateway may have dropped their rows, so they do not prove that nothing was sent.

    Args:
        others: further windows that may show how long rows are listed.
    """
    asked = [load for load in loads if load.read_at is not None]
    listing = (load for load in (*asked, *others) if load.row_count)
    listed_for = max((_age(load) + _ONE_PULL for load in listing), default=_SURELY_LISTED)
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
    alike = _alike(load for load in loads if held.get(load.window, 0) >= load.row_count)
    return [load for group in alike.values() for load in sorted(group, key=lambda one: one.window.sms_type)[1:]]


def emptied(loads: Sequence[WindowLoad], held: Mapping[SentWindow, int]) -> list[WindowLoad]:
    """Windows of several rows none of which is stored any more, in no window of the time: somebody removed them."""
    alike = _alike(loads)
    return [
        load
        for load in loads
        if load.row_count >= _ROWS_OF_SEVERAL
        and not load.is_owed
        and load.window not in held
        # Rows of a gateway that ignores the type are stored under their own.
        and len(alike[load.window.start, load.window.end, load.digest]) == 1
        and not any(_may_hold(one, load.window) for one in held)
    ]


def _alike(loads: Iterable[WindowLoad]) -> _Alike:
    """Loads that list the same rows in the same time, whatever their type."""
    alike: _Alike = defaultdict(list)
    for load in loads:
        if load.row_count:
            alike[load.window.start, load.window.end, load.digest].append(load)
    return alike


def _may_hold(one: SentWindow, window: SentWindow) -> bool:
    """Whether rows of a window may be stored as those of `one`, whose type is 0 if its rows name none."""
    return one.sms_type in (0, window.sms_type) and one.start < window.end and one.end > window.start

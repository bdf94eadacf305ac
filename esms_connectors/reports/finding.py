"""Finds everything known about one person's messages, or one message: by phone, gateway id or row key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.phones import read_phone
from esms_connectors.ledger import Ledger
from esms_connectors.reports.person import gather_person, plain
from esms_connectors.warehouse.contract import HISTORY, MESSAGES, Warehouse
from esms_connectors.warehouse.planning import Clock, lacks_days
from esms_connectors.warehouse.privacy import Privacy
from esms_connectors.warehouse.retention import in_any_case, rows_named

FOUND_COLUMNS = (
    "at", "what", "state", "run", "key", "message_id", "phone", "channel", "detail", "price_vnd", "place",
)  # fmt: skip
"""Columns of `Findings.lines`."""

_Rows = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Findings:
    """
    Attributes:
        places: name of the ledger or warehouse -> table -> rows, each by column.
        incomplete: names of the warehouses that lack days, so that they may lack messages.
    """

    places: Mapping[str, _Rows]
    incomplete: Sequence[str] = ()

    @property
    def rows(self) -> int:
        return sum(len(rows) for tables in self.places.values() for rows in tables.values())

    def as_dict(self) -> dict[str, Any]:
        """For JSON: plain values, times in Vietnamese local time."""
        return {"places": plain(self.places), "rows": self.rows, "incomplete": [*self.incomplete]}

    def lines(self) -> list[dict[str, Any]]:
        """The rows in chronological order, one line each, by `FOUND_COLUMNS`; times in Vietnamese local time."""
        blank: dict[str, Any] = dict.fromkeys(FOUND_COLUMNS)
        found = [
            blank | _line(table, row) | {"place": place}
            for place, tables in self.places.items()
            for table, rows in tables.items()
            for row in rows
            # Rows of runs are listed already.
            if table != "counted" or row["run_key"] is None
        ]
        # Rows without a time come last.
        found.sort(key=lambda line: line["at"].timestamp() if line["at"] else float("inf"))
        return [{name: plain(value) for name, value in line.items()} for line in found]


def find_messages(
    text: str,
    *,
    ledger: Ledger | None = None,
    warehouses: Iterable[Warehouse] = (),
    privacy: Privacy | None = None,
    now: Clock = machine_clock.now,
) -> Findings:
    """
    Args:
        text: a phone in any spelling; a message id; a request id; the caller's row key; or the row key in
            `esms_sent_messages`. A text that may be a phone or a key is searched for as both.
        privacy: how the warehouses keep phones; needed for phones that are not kept plain.
        now: the clock; days up to the last midnight are expected in a warehouse.

    Raises:
        InvalidRequestError: an empty text, neither ledger nor warehouse, or phones kept with another secret.
        ConfigurationError: a warehouse keeps phones in another form, or cannot be queried.
    """
    text = text.strip()
    if not text:
        raise InvalidRequestError("Give a phone, a message id or a key to search for.", field="text")
    asked = [*warehouses]
    if ledger is None and not asked:
        raise InvalidRequestError("There is neither a ledger nor a warehouse to search.", field="into")
    ids = [] if ledger is None else _ids(ledger.people.named([text]))
    places: dict[str, _Rows] = {}
    for warehouse in asked:
        places[warehouse.name] = found = warehouse.ask(partial(rows_named, names=(text, *ids)))
        ids = [*dict.fromkeys([*ids, *_ids(found[MESSAGES])])]
    if ledger is not None:
        # A row key of a warehouse leads to the message id, which leads to the ledger's row.
        places = {ledger.name: {"messages": ledger.people.named([text, *in_any_case(ids)])}, **places}
    if phone := read_phone(text)[0]:
        theirs = gather_person(ledger, asked, phone, privacy or Privacy()).places
        places = {place: _together(tables, places[place]) for place, tables in theirs.items()}
    return Findings(places, [one.name for one in asked if lacks_days([*one.loads()], now())])


def _ids(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return [row["message_id"] for row in rows if row["message_id"]]


def _together(one: _Rows, other: _Rows) -> _Rows:
    """The rows of both, without duplicates."""
    return {
        table: [*one.get(table, ()), *(row for row in other.get(table, ()) if row not in one.get(table, ()))]
        for table in dict.fromkeys([*one, *other])
    }


def _line(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    match table:
        case "messages":
            return {
                "at": row["first_attempt_at"], "what": "sent", "state": row["state"], "run": row["run_key"],
                "key": row["row_key"], "message_id": row["message_id"], "channel": row["channel"],
                "detail": _words(row["code"], row["reason"], *(f"resent: {one['reason']}" for one in row["resends"])),
                "price_vnd": row["vnd"],
            }  # fmt: skip
        case "suppressed":
            return {"at": row["added_at"], "what": "suppressed", "detail": _words(row["reason"], row["source"])}
        case "counted":
            return {"at": row["arrives_at"], "what": "counts towards a cap", "detail": row["message_class"]}
    if table == MESSAGES:
        return {
            "at": row["sent_at"] or row["window_start"], "what": "listed", "state": row["state"],
            "run": row["campaign"], "key": row["row_key"], "message_id": row["message_id"], "phone": row["phone"],
            "channel": row["sms_type"], "detail": row["status_text"], "price_vnd": row["price_vnd"],
        }  # fmt: skip
    if table == HISTORY:
        text = f"{row['from_state']} -> {row['to_state']}" + ("" if row["applied"] else ", not taken")
        return {
            "at": row["observed_at"], "what": "status seen", "state": row["to_state"], "key": row["row_key"],
            "detail": text,
        }  # fmt: skip
    return {
        "at": row["sent_at"], "what": "outcome", "state": row["state"], "run": row["run_key"], "key": row["row_key"],
        "message_id": row["message_id"], "channel": row["channel"], "detail": _words(row["code"], row["reason"]),
        "price_vnd": row["price_vnd"],
    }  # fmt: skip


def _words(*parts: object) -> str | None:
    return "; ".join(str(part) for part in parts if part not in (None, "")) or None

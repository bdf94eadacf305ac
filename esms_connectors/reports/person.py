"""Collects all data held about one person, to hand to that person as JSON or as a readable page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.arguments import person_name
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.ledger import Ledger
from esms_connectors.warehouse.contract import HISTORY, MESSAGES, Warehouse
from esms_connectors.warehouse.outcomes import OUTCOMES
from esms_connectors.warehouse.privacy import Privacy, person_in

_ZONE = ZoneInfo(VIETNAM)
# Headings of the page in both languages, because the person's language is unknown.
_HEADINGS = {
    "messages": "Messages sent or planned / Tin đã gửi hoặc định gửi",
    "suppressed": "Entry on the suppression list / Trong danh sách từ chối",
    "counted": "Messages that count towards a cap / Tin tính vào giới hạn",
    MESSAGES: "Messages as listed by the gateway / Tin theo dữ liệu của eSMS",
    HISTORY: "State history / Lịch sử trạng thái",
    OUTCOMES: "Outcomes of campaigns / Kết quả chiến dịch",
}


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """
    Attributes:
        name: the phone, or the Zalo user id.
        made_at: aware.
        places: name of the ledger or warehouse -> table -> rows, each by column.
        not_asked: warehouses that cannot be queried, which may hold more.
    """

    name: str
    made_at: datetime
    places: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]
    not_asked: Sequence[str] = ()

    @property
    def rows(self) -> int:
        return sum(len(rows) for tables in self.places.values() for rows in tables.values())

    def as_dict(self) -> dict[str, Any]:
        """For JSON: plain values, times in Vietnamese local time."""
        return {
            "person": self.name, "made_at": plain(self.made_at), "places": plain(self.places),
            "not_asked": list(self.not_asked),
        }  # fmt: skip


def gather_person(
    ledger: Ledger | None,
    warehouses: Iterable[Warehouse],
    phone: str | None,
    privacy: Privacy,
    *,
    zalo_user_id: str | None = None,
    now: datetime | None = None,
) -> PersonRecord:
    """
    Args:
        ledger: None searches the warehouses only.
        phone: in any spelling; or `zalo_user_id`, for a recipient addressed by it.
        privacy: how the warehouses keep phones.
        now: default: the clock.

    Raises:
        InvalidRequestError: not a Vietnamese mobile number, or the ledger keeps phones with another secret.
        ConfigurationError: a warehouse keeps phones in another form, or nothing was ever loaded into it.
    """
    places, rows = {}, []
    if ledger is not None:
        held = ledger.person(phone, zalo_user_id=zalo_user_id)
        entry = [held["suppressed"]] if held["suppressed"] else []
        places[ledger.name] = {"messages": held["messages"], "suppressed": entry, "counted": held["counted"]}
        rows = [(one["run_key"], one["row_key"]) for one in held["messages"]]
    not_asked = []
    for warehouse in warehouses:
        if not warehouse.can_be_asked:
            not_asked.append(warehouse.name)
            continue
        places[warehouse.name] = person_in(warehouse, phone, privacy, zalo_user_id=zalo_user_id, rows=rows)
    made_at = machine_clock.machine_time() if now is None else now
    return PersonRecord(person_name(phone, zalo_user_id), made_at, places, not_asked)


def render_person(record: PersonRecord, suffix: str) -> str:
    """
    Args:
        suffix: .json or .html.

    Raises:
        InvalidRequestError: another suffix. ConfigurationError: a page needs the extra [reports].
    """
    if suffix == ".json":
        return json.dumps(record.as_dict(), ensure_ascii=False, indent=2) + "\n"
    if suffix != ".html":
        raise InvalidRequestError("Data about a person is written to a .json or .html file.", field="out")
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise ConfigurationError("A page needs the extra [reports]: pip install 'esms-connectors[reports]'") from None
    page = Environment(
        loader=PackageLoader("esms_connectors.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("person.html")
    return page.render(
        record=record,
        made_at=plain(record.made_at),
        places={
            place: [(_HEADINGS.get(table, table), plain(list(rows))) for table, rows in tables.items()]
            for place, tables in record.places.items()
        },
    )


def plain(value: object) -> Any:
    """Values in JSON form, times in Vietnamese local time."""
    match value:
        case datetime():
            return value.astimezone(_ZONE).isoformat(timespec="seconds")
        case Mapping():
            return {name: plain(one) for name, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case None | bool() | int() | float() | str():
            return value
    return str(value)

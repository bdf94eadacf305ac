"""
Control endpoints for tests and users in another process. JSON in and out; times in epoch milliseconds.

    GET    /                              a live page for a browser
    GET    /_emulator/state               counts by state, function and code; balance; newest messages (phones masked)
    GET    /_emulator/deliveries          {phone: accepted messages}
    GET    /_emulator/campaigns           {campaign: accepted messages}
    GET    /_emulator/messages            ?offset=0&limit=100: stored messages in order of acceptance
    GET    /_emulator/calls               ?limit=100: newest calls last
    GET    /_emulator/callbacks           ?limit=100: newest attempts last
    POST   /_emulator/messages            insert one: {created_at, phone, sms_type, campaign, send_status, ...}
    POST   /_emulator/status              {message_id, send_status, send_result, phone}
    POST   /_emulator/populate            {count, start, end, sms_type, campaigns}
    POST   /_emulator/faults              {function, fault, options: {}, calls: [], next_calls, every, probability}
    DELETE /_emulator/faults              ?function=...: all rules, or those of one function
    POST   /_emulator/quirks              {quirk: value, ...}
    POST   /_emulator/clock               {seconds}: moves a virtual clock
    POST   /_emulator/template            {template_id, status, quality, daily_quota, ...}
    POST   /_emulator/official-account    {oa_id, active, daily_quota, quality, ...}
    POST   /_emulator/balance             {balance_vnd}
    POST   /_emulator/reset               forget messages, calls and faults

A refused request is HTTP 400 with `{"error": text}`. There is no password: bind the emulator to loopback only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
import requests

from .emulator import Emulator
from .faults import fault_from_options
from .progress import VirtualClock, local_day, local_text
from .settings import quirk_value
from .wire import HTML_TYPE, Reply, Request, encode, query_members

PREFIX = "/_emulator/"
_NEWEST = 20
_MAX_LIMIT = 10_000

Members = Mapping[str, Any]


def masked(phone: str) -> str:
    """A phone masked for display: `090****484`."""
    return f"{phone[:3]}****{phone[-3:]}"


def state_summary(emulator: Emulator) -> dict[str, Any]:
    """The content of the page. Its cost does not depend on the number of messages."""
    by_state = emulator.counts_by_state()
    with emulator.state.lock:
        state = emulator.state
        newest = range(len(state.rows) - 1, max(-1, len(state.rows) - 1 - _NEWEST), -1)
        now_ms = emulator.clock.now_ms()
        return {
            "now_ms": now_ms,
            "now": local_text(now_ms),
            "virtual_clock": isinstance(emulator.clock, VirtualClock),
            "seed": emulator.config.seed,
            "messages": len(state.rows),
            "sandbox_messages": state.sandbox_count,
            "balance_vnd": str(sum((account.balance_vnd for account in state.accounts.values()), Decimal(0))),
            "by_state": [
                {"send_status": status, "send_result": result, "messages": count}
                for (status, result), count in sorted(by_state.items())
            ],
            "by_function_and_code": [
                {"function": function, "code": code, "calls": count}
                for (function, code), count in sorted(emulator.codes.items())
            ],
            "fault_rules": len(emulator.faults.rules),
            "official_accounts": [
                {
                    "oa_id": oa.oa_id,
                    "daily_quota": oa.daily_quota,
                    "left_today": account.left_of_oa(oa.oa_id, local_day(now_ms)),
                }
                for account in state.accounts.values()
                for oa in account.official_accounts.values()
                if oa.active
            ],
            "registrations": [
                {"number": mark.number, "what": mark.what, "done": now_ms >= mark.reviewed_ms}
                for account in state.accounts.values()
                for mark in account.registrations[-_NEWEST:]
            ],
            "callbacks_waiting": emulator.callbacks.waiting,
            "callback_attempts": emulator.callbacks.tried,
            "newest": [_masked_message(emulator, number) for number in newest],
        }


def _masked_message(emulator: Emulator, number: int) -> dict[str, Any]:
    message = emulator.state.message(number)
    return {
        "message_id": message.message_id,
        "phone": masked(message.phone),
        "sms_type": message.sms_type,
        "campaign": message.campaign,
        "created": local_text(message.created_ms),
        "send_status": message.send_status,
        "send_result": message.send_result,
    }


def control_reply(emulator: Emulator, request: Request) -> Reply | None:
    """Answer `/` and `/_emulator/...`; None for any other path."""
    if request.path == "/" and request.method == "GET":
        return Reply(200, _page(), HTML_TYPE)
    if not request.path.startswith(PREFIX):
        return None
    if not _same_origin(request):
        return Reply(403, encode({"error": "another web site may not control the emulator"}))
    action = _ACTIONS.get((request.method, request.path.removeprefix(PREFIX).rstrip("/")))
    if action is None:
        return Reply(404, encode({"error": f"no {request.method} {request.path}"}))
    try:
        members = msgspec.json.decode(request.body) if request.body else query_members(request.query)
        if not isinstance(members, dict):
            raise ValueError("the body is not a JSON object")
        return Reply(200, encode(action(emulator, members)))
    except (ValueError, TypeError, KeyError, ArithmeticError, msgspec.DecodeError) as error:
        return Reply(400, encode({"error": str(error)}))


def _same_origin(request: Request) -> bool:
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


@cache
def _page() -> bytes:
    return files(__package__ or "esms_connectors.emulator").joinpath("page.html").read_bytes()


def _limit(members: Members) -> int:
    return min(int(members.get("limit", 100)), _MAX_LIMIT)


def _messages(emulator: Emulator, members: Members) -> Any:
    offset, limit = int(members.get("offset", 0)), _limit(members)
    with emulator.state.lock:
        emulator.state.settle()
        numbers = range(offset, min(offset + limit, emulator.message_count))
        messages = [emulator.state.message(number) for number in numbers]
    return {"total": emulator.message_count, "messages": messages}


def _calls(emulator: Emulator, members: Members) -> Any:
    with emulator.state.lock:
        calls = list(emulator.calls)
    return {"calls": calls[-_limit(members) :]}


def _callbacks(emulator: Emulator, members: Members) -> Any:
    return {"attempts": list(emulator.callbacks.attempts)[-_limit(members) :]}


def _insert(emulator: Emulator, members: Members) -> Any:
    return {"message_id": emulator.insert_message(**members)}


def _set_status(emulator: Emulator, members: Members) -> Any:
    emulator.set_status(**members)
    return {}


def _populate(emulator: Emulator, members: Members) -> Any:
    emulator.populate(**members)
    return {"messages": emulator.message_count}


def _add_fault(emulator: Emulator, members: Members) -> Any:
    rule = dict(members)
    function = rule.pop("function", "*")
    fault = fault_from_options(rule.pop("fault"), rule.pop("options", None) or {})
    emulator.faults.add(function, fault, **rule)
    return {"rules": len(emulator.faults.rules)}


def _clear_faults(emulator: Emulator, members: Members) -> Any:
    emulator.faults.clear(members.get("function"))
    return {"rules": len(emulator.faults.rules)}


def _set_quirks(emulator: Emulator, members: Members) -> Any:
    # All are parsed before any is set, so that an invalid one changes nothing.
    values = {name: quirk_value(name, value) for name, value in members.items()}
    for name, value in values.items():
        setattr(emulator.quirks, name, value)
    return emulator.quirks


def _advance(emulator: Emulator, members: Members) -> Any:
    emulator.advance(float(members["seconds"]))
    return {"now_ms": emulator.clock.now_ms()}


def _change_template(emulator: Emulator, members: Members) -> Any:
    changes = dict(members)
    emulator.change_template(str(changes.pop("template_id")), **changes)
    return {}


def _change_official_account(emulator: Emulator, members: Members) -> Any:
    changes = dict(members)
    emulator.change_official_account(str(changes.pop("oa_id")), **changes)
    return {}


def _set_balance(emulator: Emulator, members: Members) -> Any:
    emulator.set_balance(Decimal(str(members["balance_vnd"])))
    return {}


def _reset(emulator: Emulator, members: Members) -> Any:
    emulator.reset()
    return {}


_ACTIONS: Mapping[tuple[str, str], Callable[[Emulator, Members], Any]] = {
    ("GET", "state"): lambda emulator, _: state_summary(emulator),
    ("GET", "deliveries"): lambda emulator, _: emulator.deliveries_by_phone(),
    ("GET", "campaigns"): lambda emulator, _: emulator.deliveries_by_campaign(),
    ("GET", "messages"): _messages,
    ("GET", "calls"): _calls,
    ("GET", "callbacks"): _callbacks,
    ("POST", "messages"): _insert,
    ("POST", "status"): _set_status,
    ("POST", "populate"): _populate,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "quirks"): _set_quirks,
    ("POST", "clock"): _advance,
    ("POST", "template"): _change_template,
    ("POST", "official-account"): _change_official_account,
    ("POST", "balance"): _set_balance,
    ("POST", "reset"): _reset,
}


class EmulatorControl:
    """
    The control endpoints of an emulator in another process.

    Args:
        base_url: where it listens, e.g. `http://127.0.0.1:8089`.

    Raises (every method): ValueError with the emulator's message when it refuses; requests' errors otherwise.
    """

    def __init__(self, base_url: str, *, timeout_seconds: float = 60.0) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._session = requests.Session()
        # Ignore proxies from the environment: both processes are on one machine.
        self._session.trust_env = False

    def _call(self, method: str, name: str, members: Members | None = None, **query: Any) -> Any:
        url = f"{self._base_url}{PREFIX}{name}"
        with self._session.request(method, url, params=query, json=members, timeout=self._timeout_seconds) as response:
            answer = response.json()
            if response.status_code == 400:
                raise ValueError(answer["error"])
            response.raise_for_status()
            return answer

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def __enter__(self) -> EmulatorControl:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def state(self) -> dict[str, Any]:
        """The summary that the page shows."""
        return cast("dict[str, Any]", self._call("GET", "state"))

    def deliveries_by_phone(self) -> dict[str, int]:
        """Phone -> accepted messages."""
        return cast("dict[str, int]", self._call("GET", "deliveries"))

    def deliveries_by_campaign(self) -> dict[str, int]:
        """Campaign -> accepted messages."""
        return cast("dict[str, int]", self._call("GET", "campaigns"))

    def messages(self, offset: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """Stored messages in order of acceptance (at most 10 000 per call)."""
        return cast("list[dict[str, Any]]", self._call("GET", "messages", offset=offset, limit=limit)["messages"])

    def calls(self, limit: int = 100) -> list[dict[str, Any]]:
        """The last calls, newest last."""
        return cast("list[dict[str, Any]]", self._call("GET", "calls", limit=limit)["calls"])

    def callbacks(self, limit: int = 100) -> list[dict[str, Any]]:
        """The last callback attempts, newest last."""
        return cast("list[dict[str, Any]]", self._call("GET", "callbacks", limit=limit)["attempts"])

    def insert_message(self, **details: Any) -> str:
        """Insert one message (see `Emulator.insert_message`); returns its id."""
        return str(self._call("POST", "messages", details)["message_id"])

    def set_status(self, message_id: str, send_status: int, send_result: int, *, phone: str | None = None) -> None:
        """Give a message another status."""
        members = {"message_id": message_id, "send_status": send_status, "send_result": send_result, "phone": phone}
        self._call("POST", "status", members)

    def populate(self, count: int, **details: Any) -> None:
        """Add many messages (see `Emulator.populate`)."""
        self._call("POST", "populate", {"count": count, **details})

    def add_fault(
        self,
        function: str,
        fault: str,
        options: Members | None = None,
        *,
        calls: list[int] | None = None,
        next_calls: int | None = None,
        every: int | None = None,
        probability: float | None = None,
    ) -> None:
        """Script a fault by name, e.g. `add_fault("send_zns_bulk", "drop_after", calls=[2])`."""
        members = {
            "function": function,
            "fault": fault,
            "options": dict(options or {}),
            "calls": calls,
            "next_calls": next_calls,
            "every": every,
            "probability": probability,
        }
        self._call("POST", "faults", members)

    def clear_faults(self, function: str | None = None) -> None:
        """Drop all fault rules, or those of one function."""
        self._call("DELETE", "faults", function=function)

    def set_quirks(self, **quirks: Any) -> None:
        """Set quirks (see `Quirks`)."""
        self._call("POST", "quirks", quirks)

    def advance(self, seconds: float) -> None:
        """Move a virtual clock forward."""
        self._call("POST", "clock", {"seconds": seconds})

    def change_template(self, template_id: str, **changes: Any) -> None:
        """Change a ZNS template of the demo account, e.g. `status="DISABLE"`."""
        self._call("POST", "template", {"template_id": template_id, **changes})

    def change_official_account(self, oa_id: str, **changes: Any) -> None:
        """Change an OA of the demo account, e.g. `daily_quota=10`."""
        self._call("POST", "official-account", {"oa_id": oa_id, **changes})

    def set_balance(self, balance_vnd: Decimal | int) -> None:
        """Set the balance of the demo account."""
        self._call("POST", "balance", {"balance_vnd": str(balance_vnd)})

    def reset(self) -> None:
        """Forget messages, calls and faults."""
        self._call("POST", "reset", {})

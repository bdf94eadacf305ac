"""One call of one function: what every handler works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .rules import RefusedError, authorize
from .state import AccountState, State
from .wire import Request, query_members, text_member


@dataclass(slots=True)
class Call:
    """One call of one function: what hooks and predicates see. `code` is known after it."""

    function: str
    number: int
    at_ms: int
    request: Request
    code: str = ""
    accepted: int = 0
    """Messages stored by this call."""
    burnable: tuple[AccountState, str] | None = field(default=None, repr=False)


Handler = Callable[[State, Call], Any]


def refusal(call: Call, code: str, message: str, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The answer of a refusal in the shape that this function's page shows."""
    extra = extra or {}
    function = call.function
    if function == "get_balance":
        return {"Balance": 0, "CodeResponse": code, "ErrorMessage": message}
    if function == "get_sms_sent_data":
        return {"CodeResult": code, "ErrorMessage": f"{message}." if code == "101" else message}
    if function == "get_send_status":
        return {"CodeResponse": code, "SMSID": query_members(call.request.query).get("refid", "")}
    if function == "get_sms_receiver_status":
        return {"CodeResult": code, "ErrorMessage": message}
    if function == "get_callback_data":
        return {"Code": int(code), "Message": message}
    if function == "get_zns_template":
        return {"Data": None, "Error": int(code), "Message": message}
    return {"CodeResult": code, "CountRegenerate": 0, "ErrorMessage": message, **extra}


def caller(state: State, call: Call, members: Mapping[str, Any]) -> AccountState:
    """The account that a JSON body names, if its keys and address are right."""
    api_key, secret_key = text_member(members, "ApiKey"), text_member(members, "SecretKey")
    return authorize(state, api_key, secret_key, call.request.client_ip)


def sms_type_of(text: str, *supported: int) -> int:
    """The message type: 300 when missing, 118 when this function has no such type."""
    if not text:
        raise RefusedError("300")
    if text not in {str(sms_type) for sms_type in supported}:
        raise RefusedError("118")
    return int(text)

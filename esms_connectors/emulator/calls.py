"""One call of one function, as every handler receives it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from .accounts import AccountState
from .rules import RefusedError, authorize
from .state import State
from .wire import Request, form_members, query_members, text_member

_Item = TypeVar("_Item")

_NAMES = (
    *("ApiKey", "SecretKey", "Phone", "Content", "Brandname", "SmsType", "IsUnicode", "Sandbox", "RequestId"),
    *("SendDate", "campaignid", "CallbackUrl", "OAID", "TemplateId", "RefId", "ReferenceId", "OTTUrl", "OTTImgUrl"),
    *("OTTLabel", "VariableListStr", "Voice", "Speed", "NumberForward", "MaxRepeat", "MaxRetry", "Ivr"),
    *("TimeWaitToIvr", "WaitRetry", "TimeAlive", "NumCharOfCode", "Type", "message", "IsNumber", "Code"),
)


@dataclass(frozen=True, slots=True)
class Cut:
    """
    A refusal of a whole call after some of its messages were accepted.

    Args:
        share: share of its messages, from the first, that are accepted: 0..1.
        code: result code of the refusal.
        detail: rows that a bulk answer lists nevertheless: none, the accepted ones, or all.
        total_success: the number of accepted messages in the answer: missing, right or wrong.
        with_id: whether the answer has the SMSID of an accepted message.
    """

    share: float
    code: str
    message: str = ""
    detail: Literal["none", "taken", "all"] = "none"
    total_success: Literal["missing", "right", "wrong"] = "missing"
    with_id: bool = False

    def taken(self, items: Sequence[_Item]) -> Sequence[_Item]:
        """The first of `items`, at least one unless the share is 0."""
        return items[: math.ceil(len(items) * self.share)]


@dataclass(slots=True)
class Call:
    """One call of one function, as seen by hooks and predicates. `code` is set after the call."""

    function: str
    number: int
    at_ms: int
    request: Request
    code: str = ""
    accepted: int = 0
    """Number of messages stored by this call."""
    burnable: tuple[AccountState, str] | None = field(default=None, repr=False)
    cut: Cut | None = None


_WITH_FULL_STOP = frozenset({"get_sms_sent_data", "estimate_customer_care_sms", "list_oas"})
"""Functions whose documentation shows the text of 101 with a full stop."""

Handler = Callable[[State, Call], Any]


def refusal(call: Call, code: str, message: str, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The answer of a refusal in the form documented for this function."""
    extra = extra or {}
    function = call.function
    if function in ("get_balance", "get_balance_by_path"):
        return {"Balance": 0, "CodeResponse": code, "ErrorMessage": message}
    if function in _WITH_FULL_STOP:
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
    """The account named by a JSON body, after checking keys and client address."""
    api_key, secret_key = text_member(members, "ApiKey"), text_member(members, "SecretKey")
    return authorize(state, api_key, secret_key, call.request.client_ip)


def _spelled(members: Mapping[str, str]) -> dict[str, str]:
    """Members matched case-insensitively, under the names of the JSON documentation."""
    return {name: members[name.lower()] for name in _NAMES if name.lower() in members}


def query_caller(state: State, call: Call) -> tuple[AccountState, dict[str, str]]:
    """(account, members) of a request with everything in its query string."""
    members = _spelled(query_members(call.request.query))
    return caller(state, call, members), members


def form_caller(state: State, call: Call) -> tuple[AccountState, dict[str, str]]:
    """(account, members) of a form."""
    members = _spelled(form_members(call.request.body))
    return caller(state, call, members), members


def sms_type_of(text: str, *supported: int) -> int:
    """The message type; refused with 300 if missing, 118 if this function does not support it."""
    if not text:
        raise RefusedError("300")
    if text not in {str(sms_type) for sms_type in supported}:
        raise RefusedError("118")
    return int(text)

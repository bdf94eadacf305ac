"""The gateway's checks: authorization, content, balance. A failed check raises `RefusedError`."""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

from .accounts import AccountState
from .progress import local_text_ms
from .state import State
from .wire import text_member
from .world import Brandname

MAX_REQUEST_ID_LENGTH = 50
MIN_ADVERTISING_PHONES, MAX_ADVERTISING_PHONES = 30, 5000
MAX_BULK_ITEMS = 500

_PHONE = re.compile(r"(?:0|84)([35789]\d{8})", re.ASCII)
_NETWORKS: tuple[tuple[int, str, tuple[str, ...]], ...] = (
    (1, "Viettel", ("32", "33", "34", "35", "36", "37", "38", "39", "86", "96", "97", "98")),
    (2, "Mobifone", ("70", "76", "77", "78", "79", "89", "90", "93")),
    (3, "Vinaphone", ("81", "82", "83", "84", "85", "88", "91", "94")),
    (4, "Vietnamobile", ("52", "56", "58", "92")),
    (5, "Gmobile", ("59", "99")),
    (6, "Itel", ("87",)),
    (7, "Reddi", ("55",)),
)
_NETWORK_OF_PREFIX = {prefix: (number, name) for number, name, prefixes in _NETWORKS for prefix in prefixes}
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€"
)

MESSAGES: Mapping[str, str] = {
    "99": "Phone number is blocked",
    "101": "Authorize Failed",
    "103": "Balance not enough",
    "104": "Brand name code is not exist",
    "105": "SMSID is not exist",
    "107": "Each request has at least 30 numbers to be approved",
    "108": "The phone number {detail} is not valid.",
    "110": "Data is not valid",
    "118": "SmsType is not supported",
    "120": "The list of phone numbers exceeds the limit",
    "124": "Request exist 1",
    "140": "IP is not whitelisted",
    "146": "Sai template Brandname CSKH",
    "160": "Too many requests",
    "106": "Record not found",
    "171": "Code is not valid",
    "199": "Request exist, processing",
    "204": "OAID is not exist",
    "210": "Payload is not valid",
    "300": "SmsType is required",
    "687": "The request list exceeds 500 phone numbers",
    "789": "TemplateId is not config",
    "790": "Wrong ZNS template",
    "791": "OAID or TempID is missing",
    "799": "OAID is not active",
    "801": "SendingMode 3 can not be scheduled",
    "802": "OAID can not use SendingMode 3",
    "851": "MessageId is missing",
}


class RefusedError(Exception):
    """A check failed. `extra` holds members of the answer besides code and text."""

    def __init__(self, code: str, message: str | None = None, **extra: Any) -> None:
        super().__init__(code)
        self.code = code
        self.message = MESSAGES.get(code, "Error").format(detail="") if message is None else message
        self.extra = extra


class InvalidRequestError(Exception):
    """The request lacks a basic member; the gateway answers `{"error": "Invalid request"}` without a code."""


def authorize(state: State, api_key: str, secret_key: str, client_ip: str) -> AccountState:
    """The calling account; refused with 101 for wrong keys, 140 for an address that is not on its allowlist."""
    account = state.accounts.get(api_key)
    if account is None or not hmac.compare_digest(account.account.secret_key.encode(), secret_key.encode()):
        raise RefusedError("101")
    if account.allowed_ips is not None and client_ip not in account.allowed_ips:
        raise RefusedError("140")
    return account


def normal_phone(text: str) -> str | None:
    """`0xxxxxxxxx` of a Vietnamese mobile number written with 0 or 84; None for anything else."""
    match = _PHONE.fullmatch(text)
    return f"0{match[1]}" if match else None


def checked_phone(state: State, text: str) -> str:
    """The number in its `0...` form; refused with 108 if malformed, 99 if blocked."""
    phone = normal_phone(text)
    if phone is None:
        raise RefusedError("108", f"The phone number {text} is not valid.")
    if phone in state.blocked_phones:
        raise RefusedError("99")
    return phone


def network(phone: str) -> tuple[int, str]:
    """(telcoid, name) of the carrier of a number's prefix."""
    return _NETWORK_OF_PREFIX.get(phone[1:3], (0, ""))


def checked_user_id(text: str) -> str:
    """A Zalo user id, which is a long number; refused with 210 otherwise."""
    if not (text.isascii() and text.isdigit() and 9 <= len(text) <= 24):
        raise RefusedError("210")
    return text


def written(state: State, members: Mapping[str, Any]) -> tuple[str, int]:
    """(text, SMS parts) of a send after `Quirks.is_unicode`; an invalid request if there is no text."""
    content, flag = text_member(members, "Content"), text_member(members, "IsUnicode")
    if not content:
        raise InvalidRequestError
    rule = state.config.quirks.is_unicode
    if rule == "ignored" or ("IsUnicode" in members and members["IsUnicode"] == ""):
        return content, segments(content)
    if flag == "1":
        return content, segments(content, unicode=True)
    if not content.isascii():
        if rule == "refuses":
            raise RefusedError("110")
        content = _plain(content) if rule == "strips" else content.encode("ascii", "replace").decode()
    return content, segments(content)


def _plain(content: str) -> str:
    decomposed = unicodedata.normalize("NFD", content.replace("đ", "d").replace("Đ", "D"))
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def segments(content: str, *, unicode: bool = False) -> int:
    """SMS parts of a text: 160/153 characters in the GSM alphabet, 70/67 otherwise."""
    whole, part = (160, 153) if not unicode and _GSM.issuperset(content) else (70, 67)
    return 1 if len(content) <= whole else -(-len(content) // part)


def ids_ignored(state: State, function: str) -> bool:
    """Whether this function ignores request ids."""
    quirks = state.config.quirks
    return function in quirks.request_ids_ignored or (function == "send_zns_bulk" and quirks.bulk_request_id_ignored)


def checked_request_id(state: State, account: AccountState, function: str, request_id: str, **extra: Any) -> str | None:
    """The RequestId, or None; refused with 124 while an earlier use blocks it, an invalid request if too long."""
    if not request_id or ids_ignored(state, function):
        return None
    if len(request_id) > MAX_REQUEST_ID_LENGTH:
        raise InvalidRequestError
    number = state.earlier(account, function, request_id, state.clock.now_ms())
    if number is not None:
        if state.config.quirks.duplicate_with_smsid and number >= 0:
            extra["SMSID"] = state.rows[number].ReferenceId
        if state.config.quirks.repeat_refused_with:
            raise RefusedError(state.config.quirks.repeat_refused_with)
        raise RefusedError("124", **extra)
    return request_id


def checked_send_at(state: State, text: str, *, slashes: bool = False) -> int:
    """SendDate as epoch ms, 0 for now; an unreadable date is an invalid request."""
    if not text:
        return 0
    send_at_ms = local_text_ms(text, state.config.quirks.time_zone_hours, slashes=slashes)
    if send_at_ms is None:
        raise InvalidRequestError
    return send_at_ms


def check_balance(account: AccountState, cost_vnd: Decimal) -> None:
    """Refuse with 103 if the balance is insufficient."""
    if account.balance_vnd < cost_vnd:
        raise RefusedError("103")


def check_same_text(state: State, account: AccountState, phone: str, content: str, *, sandbox: bool) -> None:
    """Refuse with 124 if this number got this text within `Quirks.same_text_refused_seconds`."""
    seconds = state.config.quirks.same_text_refused_seconds
    if not seconds or sandbox:
        return
    now_ms = state.clock.now_ms()
    if now_ms - account.texts.get((phone, content), now_ms - round(seconds * 1000)) < seconds * 1000:
        raise RefusedError("124")
    account.texts[phone, content] = now_ms


def brandname_for(
    account: AccountState, name: str, use: Literal["customer_care", "advertising", "viber"] = "customer_care"
) -> Brandname:
    """The brandname; refused with 104 if the account has no such brandname for this kind of message."""
    brandname = account.brandnames.get(name)
    if brandname is None or not getattr(brandname, use):
        raise RefusedError("104")
    return brandname


@lru_cache(maxsize=256)
def _template_pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{[^{}]*\}", template)
    return re.compile(".+?".join(map(re.escape, parts)), re.DOTALL)


def check_content(state: State, brandname: Brandname, content: str, sms_type: int) -> None:
    """Refuse with 146 if the brandname has registered texts and none of them matches; the answer has an SMSID."""
    if brandname.templates and not any(_template_pattern(text).fullmatch(content) for text in brandname.templates):
        raise RefusedError("146", SMSID=state.next_sandbox_id(sms_type))

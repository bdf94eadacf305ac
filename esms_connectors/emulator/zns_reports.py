"""Zalo's part of a report: its message id, and the outcome in the three awkward encodings that the gateway uses."""

from __future__ import annotations

import json
from urllib.parse import quote

from .progress import local_text, mix, unmix
from .records import RESULT_DELIVERED, RESULT_FAILED
from .state import State

_REASONS = (
    (-114, "User is inactive, reject the message, outdated app or internal error"),
    (-124, "Access token is invalid"),
    (-118, "Zalo account not existed"),
)


def partner_id(state: State, number: int) -> str:
    """Zalo's message id, 16 hex digits."""
    return f"{mix(number + 0x5A10 ^ state.config.seed):016x}"


def number_of_partner_id(state: State, text: str) -> int | None:
    """The message with this Zalo message id; None if there is none."""
    try:
        number = (unmix(int(text, 16)) ^ state.config.seed) - 0x5A10
    except ValueError:
        return None
    known = 0 <= number < len(state.rows) and partner_id(state, number) == text
    return number if known else None


def reason(state: State, number: int) -> tuple[int, str]:
    """Zalo's (error, message) of a message: (0, Success) unless it failed."""
    if state.rows[number].SendResult != RESULT_FAILED:
        return 0, "Success"
    if number in state.later_failures:
        return state.later_failures[number]
    return _REASONS[state.fates.of(number).lot % len(_REASONS)]


def error_info_with_tail(state: State, number: int) -> str:
    """`ErrorInfo` of get_callback_data: JSON text, followed by a stray sentence if the message failed."""
    error, message = reason(state, number)
    text = json.dumps({"error": error, "message": message}, separators=(",", ":"))
    return f"{text}Object reference not set to an instance of an object." if error else text


def error_info_twice_json(state: State, number: int) -> str:
    """`error_info` of a ZNS callback, percent-encoded: a JSON string that contains JSON, with unescaped braces."""
    error, message = reason(state, number)
    inner = json.dumps({"error": error, "message": message}, separators=(",", ":"))
    return quote(json.dumps(inner), safe="{}:,")


def error_info_twice_encoded(state: State, number: int) -> str:
    """`error_info` of a journey callback: percent-encoded twice, with a date after four underscores."""
    error, message = reason(state, number)
    outcome: dict[str, object] = {"error": error, "message": message}
    if state.rows[number].SendResult == RESULT_DELIVERED:
        outcome = {"data": {"message_id": partner_id(state, number), "user_id": zalo_user_id(state, number)}, **outcome}
    once = quote(json.dumps(outcome, separators=(",", ":")), safe=":,")
    date = local_text(state.timeline(number).sent_ms, "%d/%m/%Y%%20%H:%M:%S")
    return quote(f"{once}____{date}", safe="")


def zalo_user_id(state: State, number: int) -> str:
    """A Zalo user id of 17 digits."""
    return f"{31_215_806_834_323_092 + mix(number ^ state.config.seed) % 10**15}"

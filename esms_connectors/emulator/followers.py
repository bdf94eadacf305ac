"""Messages to Zalo users by their id: consulting texts, photos and buttons, transaction cards, requests for details."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .accepting import accepted, claimed_request_id, is_sandbox, store, submission_of
from .accounts import AccountState
from .calls import Call, caller
from .config import SMS_TYPE_FOLLOWER
from .records import Recipient
from .rules import RefusedError, check_balance, checked_user_id
from .state import State
from .wire import json_members, text_member
from .zns_rules import official_account_for

_MAX_TEXT, _MAX_TITLE, _MAX_SUBTITLE, _MAX_BUTTONS, _MAX_ROWS, _MAX_KEY, _MAX_VALUE = 2000, 100, 500, 4, 5, 25, 100
_BUTTON_TYPES = frozenset({"oa.open.url", "oa.query.show", "oa.query.hide", "oa.open.sms", "oa.open.phone"})
_TRANSACTION_KINDS = frozenset(
    f"transaction_{kind}"
    for kind in (
        *("billing", "order", "reward", "contract", "booking", "membership", "event", "transaction", "account"),
        *("internal", "partnership", "education", "rating"),
    )
)


def _send(
    state: State,
    call: Call,
    account: AccountState,
    members: Mapping[str, Any],
    user_id: str,
    content: str,
    *,
    sandbox: bool = False,
) -> Any:
    request_id = claimed_request_id(state, call, account, text_member(members, "RequestId"), sandbox=sandbox)
    known = {"CallbackUrl": members.get("CallbackUrl")}
    submission = submission_of(state, call, account, known, SMS_TYPE_FOLLOWER, account.account.prices.follower_message)
    submission.oa_id = text_member(members, "OAID")
    check_balance(account, submission.price_vnd)
    return accepted(store(state, call, submission, [Recipient(user_id, content)], request_id, sandbox=sandbox)[0])


def send_zalo_consulting_text(state: State, call: Call) -> Any:
    """Free text to one Zalo user (V4). Source: consulting message, text."""
    members = json_members(call.request.body)
    account = caller(state, call, members)
    official_account_for(state, account, text_member(members, "OAID"))
    user_id = checked_user_id(text_member(members, "User_id"))
    return _send(state, call, account, members, user_id, _text(members, "Content", _MAX_TEXT))


def _text(holder: Mapping[str, Any], name: str, longest: int) -> str:
    """A required text of a payload; refused with 210 if missing or too long."""
    text = holder.get(name)
    if not isinstance(text, str) or not text.strip() or len(text) > longest:
        raise RefusedError("210")
    return text


def _inner(holder: Any, *names: str) -> Mapping[str, Any]:
    for name in names:
        holder = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(holder, dict):
        raise RefusedError("210")
    return holder


def _list(holder: Mapping[str, Any], name: str, longest: int) -> list[Mapping[str, Any]]:
    items = holder.get(name)
    if (
        not isinstance(items, list)
        or not 0 < len(items) <= longest
        or not all(isinstance(item, dict) for item in items)
    ):
        raise RefusedError("210")
    return items


def _check_buttons(attachment: Mapping[str, Any]) -> None:
    for button in _list(attachment, "buttons", _MAX_BUTTONS):
        _text(button, "title", _MAX_TITLE)
        if button.get("type") not in _BUTTON_TYPES or not button.get("payload"):
            raise RefusedError("210")


def _photo(message: Mapping[str, Any]) -> str:
    for element in _list(_inner(message, "attachment", "payload"), "elements", 1):
        if element.get("media_type") != "image":
            raise RefusedError("210")
        _text(element, "url", _MAX_TEXT)
    return _text(message, "text", _MAX_TEXT)


def _buttons(message: Mapping[str, Any]) -> str:
    _check_buttons(_inner(message, "attachment", "payload"))
    return _text(message, "text", _MAX_TEXT)


def _user_info(message: Mapping[str, Any]) -> str:
    element = _list(_inner(message, "attachment", "payload"), "elements", 1)[0]
    _text(element, "subtitle", _MAX_SUBTITLE)
    _text(element, "image_url", _MAX_TEXT)
    return _text(element, "title", _MAX_TITLE)


def _transaction(message: Mapping[str, Any]) -> str:
    payload = _inner(message, "attachment", "payload")
    if payload.get("template_type") not in _TRANSACTION_KINDS:
        raise RefusedError("210")
    texts = []
    for element in _list(payload, "elements", _MAX_TEXT):
        kind = element.get("type")
        if kind == "banner":
            _text(element, "image_url", _MAX_TEXT)
        elif kind in ("header", "text"):
            texts.append(_text(element, "content", _MAX_TEXT))
        elif kind == "table":
            _check_table(element)
        else:
            raise RefusedError("210")
    if "buttons" in payload:
        _check_buttons(payload)
    return "\n".join(texts)


def _check_table(element: Mapping[str, Any]) -> None:
    for row in _list(element, "content", _MAX_ROWS):
        _text(row, "key", _MAX_KEY)
        _text(row, "value", _MAX_VALUE)


def _send_payload(
    state: State, call: Call, read: Callable[[Mapping[str, Any]], str], *, with_sandbox: bool = False
) -> Any:
    members = json_members(call.request.body)
    account = caller(state, call, members)
    official_account_for(state, account, text_member(members, "OAID"))
    payload = members.get("Payload")
    user_id = checked_user_id(text_member(_inner(payload, "recipient"), "user_id"))
    message = _inner(payload, "message")
    if _inner(message, "attachment").get("type") != "template":
        raise RefusedError("210")
    sandbox = with_sandbox and is_sandbox(members)
    return _send(state, call, account, members, user_id, read(message), sandbox=sandbox)


def send_zalo_consulting_photo(state: State, call: Call) -> Any:
    """Text and one image. Source: consulting message, photo."""
    return _send_payload(state, call, _photo)


def send_zalo_consulting_buttons(state: State, call: Call) -> Any:
    """Text and up to four buttons. Source: consulting message, buttons."""
    return _send_payload(state, call, _buttons)


def send_zalo_transaction(state: State, call: Call) -> Any:
    """A card of banner, header, text, table and buttons; the only one with a sandbox. Source: transaction message."""
    return _send_payload(state, call, _transaction, with_sandbox=True)


def send_zalo_user_info_request(state: State, call: Call) -> Any:
    """A card that asks for contact data. Source: request for user information."""
    return _send_payload(state, call, _user_info)

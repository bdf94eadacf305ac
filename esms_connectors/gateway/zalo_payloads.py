"""
The payloads of Zalo messages. Four functions share one URL; the structure of the payload selects the kind of message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from esms_connectors.gateway import wire
from esms_connectors.gateway.arguments import check_https_url, check_label
from esms_connectors.gateway.errors import InvalidRequestError

__all__ = ["ZaloButton"]

MAX_TEXT, MAX_TITLE, MAX_SUBTITLE = 2000, 100, 500
MAX_BUTTONS, MAX_TABLE_ROWS, MAX_TABLE_KEY, MAX_TABLE_VALUE = 4, 5, 25, 100
TRANSACTION_TYPES = tuple(
    f"transaction_{kind}"
    for kind in (
        *("billing", "order", "reward", "contract", "booking", "membership", "event", "transaction", "account"),
        *("internal", "partnership", "education", "rating"),
    )
)
LANGUAGES = ("VI", "EN")
# The payload of each kind of button: the members of an object, or None for one text such as #eSMS.
BUTTON_PAYLOADS: Mapping[str, tuple[str, ...] | None] = {
    "oa.open.url": ("url",),
    "oa.open.sms": ("content", "phone_code"),
    "oa.open.phone": ("phone_code",),
    "oa.query.show": None,
    "oa.query.hide": None,
}
_ALIGN = ("left", "center", "right")
_STYLES = ("green", "blue", "yellow", "red", "grey")
_ELEMENT_MEMBERS = {
    "banner": {"image_url"},
    "header": {"content", "align"},
    "text": {"content", "align"},
    "table": {"content"},
}


@dataclass(frozen=True, slots=True)
class ZaloButton:
    """
    A button below a Zalo message.

    Attributes:
        title: at most 100 characters.
        type: `oa.open.url`, `oa.open.sms`, `oa.open.phone`, `oa.query.show` or `oa.query.hide`.
        payload: `{"url": …}`, `{"content": …, "phone_code": …}`, `{"phone_code": …}`; a text for a query.
        image_icon: of a transaction message.
    """

    title: str
    type: str
    payload: Mapping[str, str] | str = field(repr=False)
    image_icon: str | None = None


def photo(content: str, image_url: str) -> dict[str, Any]:
    """The message of `send_zalo_consulting_photo`."""
    image = {"media_type": "image", "url": check_https_url(image_url, "image_url")}
    return {
        "text": check_length(content, MAX_TEXT, "content"),
        "attachment": {"type": "template", "payload": {"template_type": "media", "elements": [image]}},
    }


def text_with_buttons(content: str, buttons: Sequence[ZaloButton]) -> dict[str, Any]:
    """The message of `send_zalo_consulting_buttons`, which has no template_type."""
    if not _listed(buttons, "buttons"):
        raise InvalidRequestError("buttons is empty. send_zalo_consulting_text sends a text alone.", field="buttons")
    return {
        "text": check_length(content, MAX_TEXT, "content"),
        "attachment": {"type": "template", "payload": {"buttons": _buttons(buttons)}},
    }


def transaction(
    template_type: str,
    elements: Sequence[Mapping[str, object]],
    buttons: Sequence[ZaloButton],
    language: str | None,
) -> dict[str, Any]:
    """The message of `send_zalo_transaction`."""
    _check_one_of(template_type, TRANSACTION_TYPES, "template_type")
    if not _listed(elements, "elements"):
        raise InvalidRequestError("elements is empty: a message has at least one.", field="elements")
    payload: dict[str, Any] = {"template_type": template_type}
    if language is not None:
        payload["language"] = _check_one_of(language, LANGUAGES, "language")
    payload["elements"] = [_element(element, f"element {number}") for number, element in enumerate(elements, start=1)]
    if _listed(buttons, "buttons"):
        payload["buttons"] = _buttons(buttons, MAX_BUTTONS)
    return {"attachment": {"type": "template", "payload": payload}}


def user_info_request(title: str, subtitle: str, image_url: str) -> dict[str, Any]:
    """The message of `send_zalo_user_info_request`."""
    element = {
        "title": check_length(title, MAX_TITLE, "title"),
        "subtitle": check_length(subtitle, MAX_SUBTITLE, "subtitle"),
        "image_url": check_https_url(image_url, "image_url"),
    }
    return {
        "attachment": {"type": "template", "payload": {"template_type": "request_user_info", "elements": [element]}}
    }


def _listed(many: object, field: str) -> Sequence[Any]:
    if not isinstance(many, list | tuple):
        raise InvalidRequestError(f"{field} takes a list, not {type(many).__name__}.", field=field)
    return many


def check_length(text: object, longest: int, field: str) -> str:
    """
    Raises:
        InvalidRequestError: not a text, empty, or longer than the gateway accepts.
    """
    if not isinstance(text, str):
        raise InvalidRequestError(f"{field} must be text, not {type(text).__name__}.", field=field)
    wire.check_text(text, field)
    if len(text) > longest:
        raise InvalidRequestError(f"{field} has {len(text)} characters, at most {longest} are allowed.", field=field)
    return text


def _buttons(buttons: Sequence[ZaloButton], most: int | None = None) -> list[dict[str, Any]]:
    if most is not None and len(buttons) > most:
        raise InvalidRequestError(f"buttons: at most {most} are allowed, not {len(buttons)}.", field="buttons")
    return [_button(button, number) for number, button in enumerate(buttons, start=1)]


def _button(button: ZaloButton, number: int) -> dict[str, Any]:
    where = f"buttons: button {number}"
    if not isinstance(button, ZaloButton):
        raise InvalidRequestError(f"{where} is no ZaloButton.", field="buttons")
    _check_one_of(button.type, tuple(BUTTON_PAYLOADS), "buttons")
    members = BUTTON_PAYLOADS[button.type]
    if members is None:
        fits = isinstance(button.payload, str) and bool(button.payload.strip())
    else:
        fits = isinstance(button.payload, Mapping) and set(button.payload) == set(members)
    if not fits:
        wanted = "one text such as #eSMS" if members is None else f"an object with {' and '.join(members)}"
        raise InvalidRequestError(f"{where} of type {button.type} needs as payload {wanted}.", field="buttons")
    payload = button.payload if isinstance(button.payload, str) else dict(button.payload)
    written: dict[str, Any] = {
        "title": check_length(button.title, MAX_TITLE, "buttons"),
        "type": button.type,
        "payload": payload,
    }
    return (
        written if button.image_icon is None else {**written, "image_icon": check_label(button.image_icon, "buttons")}
    )


def _element(element: Mapping[str, object], where: str) -> dict[str, Any]:
    if not isinstance(element, Mapping):
        raise InvalidRequestError(f"elements: {where} is not an object.", field="elements")
    kind = _check_one_of(element.get("type"), tuple(_ELEMENT_MEMBERS), f"elements: {where}, type")
    if strange := set(element) - _ELEMENT_MEMBERS[kind] - {"type"}:
        raise InvalidRequestError(
            f"elements: {where} has {min(strange, key=str)!r}, unknown to {kind}.", field="elements"
        )
    written: dict[str, Any] = {"type": kind}
    if kind == "banner":
        written["image_url"] = check_https_url(element.get("image_url"), f"elements: {where}, image_url")
    elif kind == "table":
        written["content"] = _table(element.get("content"), where)
    else:
        written["content"] = check_length(element.get("content"), MAX_TEXT, f"elements: {where}, content")
    if "align" in element:
        written["align"] = _check_one_of(element["align"], _ALIGN, f"elements: {where}, align")
    return written


def _table(rows: object, where: str) -> list[dict[str, str]]:
    if not isinstance(rows, list | tuple) or not 1 <= len(rows) <= MAX_TABLE_ROWS:
        raise InvalidRequestError(f"elements: {where} needs 1 to {MAX_TABLE_ROWS} rows as content.", field="elements")
    written = []
    for row in rows:
        if not isinstance(row, Mapping) or not {"key", "value"} <= set(row) <= {"key", "value", "style"}:
            raise InvalidRequestError(f"elements: a row of {where} has key, value and perhaps style.", field="elements")
        cells = {
            "key": check_length(row["key"], MAX_TABLE_KEY, f"elements: {where}, key"),
            "value": check_length(row["value"], MAX_TABLE_VALUE, f"elements: {where}, value"),
        }
        if "style" in row:
            cells["style"] = _check_one_of(row["style"], _STYLES, f"elements: {where}, style")
        written.append(cells)
    return written


def _check_one_of(value: object, choices: tuple[str, ...], field: str) -> str:
    if not isinstance(value, str) or value not in choices:
        raise InvalidRequestError(f"{field} must be one of {', '.join(choices)}.", field=field.partition(":")[0])
    return value

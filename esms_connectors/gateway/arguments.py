"""Checks of callers' arguments. Errors say what is wrong, where, and how to fix it; nothing is sent."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from esms_connectors.gateway import wire
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.endpoints import Endpoint
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import SmsType, ZnsRecipient, ZnsTemplate
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.gateway.request_ids import check_request_id, random_request_id

MAX_CAMPAIGN_LENGTH = 254
_Choice = TypeVar("_Choice", str, int)


def check_label(text: str, field: str) -> str:
    """A brandname, id or variable name: non-empty text on one line, without leading or trailing blanks."""
    if not isinstance(text, str):
        raise InvalidRequestError(
            f"{field} must be text, not {type(text).__name__}: long ids lose digits as numbers.", field=field
        )
    wire.check_text(text, field)
    if text != text.strip() or not text.isprintable():
        raise InvalidRequestError(f"{field} contains a line break, or starts or ends with a space.", field=field)
    return text


def person_name(phone: str | None, zalo_user_id: str | None) -> str:
    """
    The key of a person in a ledger and in a warehouse: ten digits, or a Zalo user id.

    Raises:
        InvalidRequestError: neither or both are given, or the value is not valid.
    """
    if (phone is None) == (zalo_user_id is None):
        raise InvalidRequestError("Give a phone or a Zalo user id.", field="phone")
    if phone is not None:
        return normalise_phone(phone)
    return check_label(zalo_user_id or "", "zalo_user_id")


def check_message_id(message_id: str) -> str:
    return check_label(message_id.strip() if isinstance(message_id, str) else message_id, "message_id")


def check_campaign(campaign: str) -> str:
    check_label(campaign, "campaign")
    if len(campaign) > MAX_CAMPAIGN_LENGTH:
        raise InvalidRequestError(
            f"campaign has {len(campaign)} characters, the gateway accepts at most {MAX_CAMPAIGN_LENGTH}.",
            field="campaign",
        )
    return campaign


def check_callback_url(url: str) -> str:
    """An absolute http or https URL without a query, because the gateway appends its own `?SMSID=…` to it."""
    check_label(url, "callback_url")
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequestError("callback_url must be an http or https address.", field="callback_url")
    if parts.query or parts.fragment:
        raise InvalidRequestError(
            "callback_url must have no query: the gateway appends its own. Put your token into the path.",
            field="callback_url",
        )
    return url


def check_https_url(url: object, field: str) -> str:
    """An absolute https address, as Zalo and Viber require it for pictures."""
    if not isinstance(url, str):
        raise InvalidRequestError(f"{field} must be text, not {type(url).__name__}.", field=field)
    check_label(url, field)
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" or not parts.hostname:
        raise InvalidRequestError(f"{field} must be an https address.", field=field)
    return url


def check_choice(value: object, choices: Sequence[_Choice], field: str) -> _Choice:
    """
    One of `choices`.

    Raises:
        InvalidRequestError: lists the choices.
    """
    for choice in choices:
        if not isinstance(value, bool) and value == choice:
            return choice
    named = ", ".join(f"{one.value} {one.name}" if isinstance(one, enum.IntEnum) else str(one) for one in choices)
    raise InvalidRequestError(f"{field} must be one of: {named}.", field=field)


def check_range(number: int, lowest: int, highest: int, field: str) -> int:
    """A whole number within limits."""
    if not isinstance(number, int) or isinstance(number, bool) or not lowest <= number <= highest:
        raise InvalidRequestError(f"{field} is a whole number from {lowest} to {highest}.", field=field)
    return number


def check_share(share: float, field: str, *, may_be_zero: bool = True) -> float:
    if not 0 <= share <= 1 or (share == 0 and not may_be_zero):
        lowest = "from 0 to 1" if may_be_zero else "above 0 and up to 1"
        raise InvalidRequestError(f"{field} is a share {lowest}, such as 0.95, not {share!r}.", field=field)
    return share


def check_page(offset: int, size: int, field: str) -> None:
    """Check where a page begins and how many items it has."""
    check_range(offset, 0, 10**9, "offset")
    check_range(size, 1, 10**6, field)


def check_sending_mode(sending_mode: int, send_at: datetime | None) -> str:
    """Sending mode 1, or 3, which cannot be scheduled."""
    if sending_mode not in (1, 3):
        raise InvalidRequestError("sending_mode is 1 (normal) or 3 (beyond the quota).", field="sending_mode")
    if sending_mode == 3 and send_at is not None:
        raise InvalidRequestError("sending_mode 3 cannot be scheduled: leave out send_at.", field="send_at")
    return str(sending_mode)


def check_sms_type(sms_type: SmsType | int) -> int:
    """A type that sent data can be queried by: exactly one, and not the journey type, which only callbacks have."""
    try:
        known = SmsType(int(sms_type))
    except (ValueError, TypeError):
        known = SmsType.ZNS_JOURNEY
    if known is SmsType.ZNS_JOURNEY:
        choice = ", ".join(f"{one.value} {one.name}" for one in SmsType if one is not SmsType.ZNS_JOURNEY)
        raise InvalidRequestError(f"sms_type must be one of: {choice}.", field="sms_type")
    return known.value


def check_items(count: int, endpoint: Endpoint, field: str) -> None:
    """A count within the limits of `endpoint`."""
    if count < endpoint.min_items or (endpoint.max_items is not None and count > endpoint.max_items):
        raise InvalidRequestError(
            f"{field}: {endpoint.name} takes {endpoint.min_items} to {endpoint.max_items}, not {count}.", field=field
        )


def normalise_phones(phones: Sequence[str], smallest: int, largest: int | None) -> list[str]:
    """
    All numbers in the form that is sent, without duplicates.

    Raises:
        InvalidRequestError: a bad number or a duplicate (with its row), or a list outside the limits.
    """
    if isinstance(phones, str):
        raise InvalidRequestError("phones takes a list of numbers, not a single text.", field="phones")
    if len(phones) < smallest or (largest is not None and len(phones) > largest):
        limits = f"{smallest} to {largest}" if largest is not None else f"at least {smallest}"
        raise InvalidRequestError(f"phones: {limits} numbers are needed, not {len(phones)}.", field="phones")
    first_row: dict[str, int] = {}
    for row, phone in enumerate(phones):
        number = normalise_phone(phone, row=row)
        if number in first_row:
            raise InvalidRequestError(
                f"phone in row {row} is the same number as in row {first_row[number]}: a call takes each number once.",
                field="phone",
                row=row,
            )
        first_row[number] = row
    return list(first_row)


def bulk_elements(recipients: Sequence[ZnsRecipient], endpoint: Endpoint) -> list[dict[str, Any]]:
    """
    `Data` of a bulk ZNS; each element has its own request id.

    Raises:
        InvalidRequestError: with the row, counted from 0.
    """
    recipients = list(recipients)
    if not all(isinstance(recipient, ZnsRecipient) for recipient in recipients):
        raise InvalidRequestError("recipients takes a list of ZnsRecipient.", field="recipients")
    check_items(len(recipients), endpoint, "recipients")
    numbers = normalise_phones([recipient.phone for recipient in recipients], 1, None)
    request_ids = [
        random_request_id() if one.request_id is None else check_request_id(one.request_id, row=row)
        for row, one in enumerate(recipients)
    ]
    if len(set(request_ids)) < len(request_ids):
        raise InvalidRequestError("Two recipients have the same request id.", field="request_id")
    elements = [
        {"Phone": phone, "RequestId": request_id, "Params": wire.template_params(one.template_params, row=row)}
        for row, (phone, request_id, one) in enumerate(zip(numbers, request_ids, recipients, strict=True))
    ]
    for row, element in enumerate(elements):
        if len(element["Params"]) != len(elements[0]["Params"]):
            raise InvalidRequestError(
                f"Row {row} has {counted(len(element['Params']), 'template param')}, row 0 has "
                f"{len(elements[0]['Params'])}: all recipients of a call use one template.",
                field="template_params",
                row=row,
            )
    return elements


def check_template_params(template: ZnsTemplate, params: Sequence[str], *, row: int | None = None) -> None:
    """
    Check positional values against the rules of the template: count, required, minimum and maximum length.

    Raises:
        InvalidRequestError: names the variable and the row.
    """
    where = "" if row is None else f" in row {row}"
    if len(params) != len(template.params):
        raise InvalidRequestError(
            f"Template {template.template_id} takes {counted(len(template.params), 'param')} "
            f"({', '.join(param.name for param in template.params)}), not {len(params)}{where}.",
            field="template_params",
            row=row,
        )
    for rule, value in zip(template.params, params, strict=True):
        problem = None
        if not value:
            problem = "is empty" if rule.required and not rule.accepts_null else None
        elif rule.min_length is not None and len(value) < rule.min_length:
            problem = f"has {counted(len(value), 'character')}, at least {rule.min_length} are needed"
        elif rule.max_length is not None and len(value) > rule.max_length:
            problem = f"has {counted(len(value), 'character')}, at most {rule.max_length} are allowed"
        if problem:
            raise InvalidRequestError(f"{rule.name}{where} {problem}.", field=rule.name, row=row)

"""Requests for OA packages and templates: registration, cost, and the result of the review."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .accounts import AccountState, Registration
from .calls import Call, caller, sms_type_of
from .config import SMS_TYPE_CUSTOMER_CARE, SMS_TYPE_FIXED_NUMBER, SMS_TYPE_PRIORITY_ZNS, SMS_TYPE_ZNS
from .rules import InvalidRequestError, RefusedError, brandname_for, check_balance
from .state import State
from .wire import json_members, text_member
from .world import TemplateParam, ZnsTemplate
from .zns_rules import official_account_for

_FIRST_ID = 5_001
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SLOT = re.compile(r"\{\{(\w+)\}\}|<(\w+)>")


def _registered(state: State, call: Call, account: AccountState, what: str, **details: str) -> Registration:
    """Record a registration; refused with 199 while the same one is in review."""
    for earlier in account.registrations:
        if (earlier.kind, earlier.details) == (call.function, details) and call.at_ms < earlier.reviewed_ms:
            raise RefusedError("199")
    reviewed_ms = call.at_ms + round(state.config.registration_seconds * 1000)
    registration = Registration(
        _FIRST_ID + len(account.registrations), call.function, details, call.at_ms, reviewed_ms, what
    )
    account.registrations.append(registration)
    return registration


def _answer(registration: Registration, message: str) -> dict[str, Any]:
    return {"CodeResult": "100", "ErrorMessage": message, "ServicePreviewId": registration.number}


def _needed(members: Mapping[str, Any], *names: str) -> dict[str, str]:
    values = {name: text_member(members, name) for name in names}
    if not all(values.values()):
        raise InvalidRequestError
    return values


def purchase_oa_package(state: State, call: Call) -> Any:
    """Buy a package for an OA: Package 1..3, charged per month of `Duaration` (sic)."""
    members = json_members(call.request.body)
    account = caller(state, call, members)
    official_account_for(state, account, text_member(members, "OAID"))
    details = _needed(members, "OAID", "Package", "Dateactive", "Duaration")
    months = details["Duaration"]
    if details["Package"] not in ("1", "2", "3") or not _DATE.fullmatch(details["Dateactive"]):
        raise RefusedError("110")
    if not (months.isascii() and months.isdigit()) or int(months) < 1:
        raise RefusedError("110")
    price_vnd: Decimal = account.account.prices.packages[int(details["Package"]) - 1] * int(months)
    check_balance(account, price_vnd)
    registration = _registered(state, call, account, f"package {details['Package']}", **details)
    account.charge(price_vnd)
    return _answer(registration, "ViHAT is censoring trademark ownership")


def register_zns_template(state: State, call: Call) -> Any:
    """Request a ZNS template; it can be used after its review."""
    members = json_members(call.request.body)
    account = caller(state, call, members)
    sms_type = sms_type_of(text_member(members, "SmsType"), SMS_TYPE_PRIORITY_ZNS, SMS_TYPE_ZNS)
    oa = official_account_for(state, account, text_member(members, "OAID"))
    details = _needed(members, "Content", "ImageUrl")
    registration = _registered(state, call, account, "ZNS template", OAID=oa.oa_id, SmsType=str(sms_type), **details)
    names = list(dict.fromkeys(first or second for first, second in _SLOT.findall(details["Content"])))
    template = ZnsTemplate(
        str(900_000 + registration.number),
        oa.oa_id,
        f"Template {registration.number}",
        tuple(TemplateParam(name) for name in names),
        _SLOT.sub(lambda slot: f"<{slot[1] or slot[2]}>", details["Content"]),
        tag="OTP" if sms_type == SMS_TYPE_PRIORITY_ZNS else "POST_TRANSACTION",
        status="PENDING_REVIEW",
    )
    account.templates[template.template_id] = template
    registration.made = template.template_id
    return _answer(registration, "ViHAT is censoring trademark ownership")


def register_sms_template(state: State, call: Call) -> Any:
    """Request another text of a brandname; it can be used after its review."""
    members = json_members(call.request.body)
    account = caller(state, call, members)
    sms_type_of(text_member(members, "SmsType"), SMS_TYPE_CUSTOMER_CARE, SMS_TYPE_FIXED_NUMBER)
    if text_member(members, "ServiceType") != "2":
        raise RefusedError("301", "ServiceType is not supported")
    brandname = brandname_for(account, text_member(members, "Brandname"))
    details = _needed(members, "Content")
    registration = _registered(state, call, account, "SMS template", Brandname=brandname.name, **details)
    return _answer(registration, "ViHAT is moderating your template")


def settle_registrations(account: AccountState, now_ms: int) -> None:
    """Apply the results of completed reviews."""
    for registration in account.registrations:
        if registration.done or now_ms < registration.reviewed_ms:
            continue
        registration.done = True
        if registration.kind == "register_zns_template":
            pending = account.templates[registration.made]
            account.templates[registration.made] = dataclasses.replace(pending, status="ENABLE")
        elif registration.kind == "register_sms_template":
            brandname = account.brandnames[registration.details["Brandname"]]
            if brandname.templates:
                texts = (*brandname.templates, re.sub(r"\{P\d+,\d+\}", "{}", registration.details["Content"]))
                account.brandnames[brandname.name] = dataclasses.replace(brandname, templates=texts)

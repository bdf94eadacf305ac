"""ZNS: single ones by key, position, Zalo user id or full text, journey messages, and up to 500 in one call."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from .accepting import accepted, claimed_request_id, is_sandbox, store, submission_of
from .accounts import AccountState
from .calls import Call, caller, form_caller, sms_type_of
from .config import SMS_TYPE_JOURNEY, SMS_TYPE_PRIORITY_ZNS, SMS_TYPE_ZNS
from .records import Recipient, Submission
from .rules import (
    MAX_BULK_ITEMS,
    InvalidRequestError,
    RefusedError,
    check_balance,
    checked_phone,
    checked_request_id,
    checked_user_id,
)
from .state import State
from .wire import bool_member, json_members, text_member
from .world import ZnsTemplate
from .zns_rules import (
    Allowance,
    full_text_template,
    keyed_values,
    official_account_for,
    positional_values,
    rendered,
    zns_template_for,
)


def zns_type(template: ZnsTemplate) -> int:
    """24 for one-time codes, 27 for a journey, 25 for the rest."""
    if template.journey:
        return SMS_TYPE_JOURNEY
    return SMS_TYPE_PRIORITY_ZNS if template.tag == "OTP" else SMS_TYPE_ZNS


def zns_submission(
    state: State, call: Call, account: AccountState, members: Mapping[str, Any], template: ZnsTemplate
) -> Submission:
    """The common data of the messages of a ZNS request."""
    submission = submission_of(state, call, account, members, zns_type(template), template.price_vnd)
    submission.brandname = ""
    submission.oa_id, submission.template_id = template.oa_id, template.template_id
    submission.order_id = text_member(members, "OrderId")
    return submission


def _take_one(
    state: State,
    call: Call,
    account: AccountState,
    members: Mapping[str, Any],
    template: ZnsTemplate,
    recipient: Recipient,
    *,
    sandbox: bool,
) -> dict[str, Any]:
    check_balance(account, template.price_vnd)
    submission = zns_submission(state, call, account, members, template)
    allowance = Allowance(state, account, template, submission, members)
    recipients = [recipient._replace(later_failure=allowance.later_failure())]
    message_ids = store(state, call, submission, recipients, recipient.request_id, sandbox=sandbox)
    if not sandbox:
        allowance.use(1)
    return accepted(message_ids[0])


def _send_one_zns(
    state: State, call: Call, members: Mapping[str, Any], *, journey: bool = False, keys: type | None = None
) -> dict[str, Any]:
    account = caller(state, call, members)
    template = zns_template_for(state, account, members, journey=journey)
    phone = checked_phone(state, text_member(members, "Phone"))
    sandbox = is_sandbox(members)
    request_id = claimed_request_id(state, call, account, text_member(members, "RequestId"), sandbox=sandbox)
    if keys is None:
        values = positional_values(members, template, wrong_count="790")
    else:
        values = keyed_values(members, template, keys)
    recipient = Recipient(phone, rendered(template, values), request_id)
    return _take_one(state, call, account, members, template, recipient, sandbox=sandbox)


def send_zns(state: State, call: Call) -> Any:
    """One ZNS with values by key. Source: send-message-via-zalo (V5)."""
    return _send_one_zns(state, call, json_members(call.request.body), keys=list)


def send_zns_by_uid(state: State, call: Call) -> Any:
    """One ZNS to a Zalo user id, values as an object (V6)."""
    members = json_members(call.request.body)
    account = caller(state, call, members)
    template = zns_template_for(state, account, members)
    user_id = checked_user_id(text_member(members, "ZaloUid"))
    sandbox = is_sandbox(members)
    request_id = claimed_request_id(state, call, account, text_member(members, "RequestId"), sandbox=sandbox)
    recipient = Recipient(user_id, rendered(template, keyed_values(members, template, dict)), request_id)
    return _take_one(state, call, account, members, template, recipient, sandbox=sandbox)


def send_zns_v4(state: State, call: Call) -> Any:
    """One ZNS with positional values, at the address of journey messages."""
    return _send_one_zns(state, call, json_members(call.request.body))


def send_zns_journey(state: State, call: Call) -> Any:
    """
    One journey ZNS with positional values; without IsJourney the same URL sends an ordinary ZNS.

    Source: send-journey-zns-message.
    """
    members = json_members(call.request.body)
    journey = bool_member(members, "IsJourney")
    if journey and not text_member(members, "OrderId"):
        caller(state, call, members)
        raise InvalidRequestError
    return _send_one_zns(state, call, members, journey=journey)


def _send_full_text(state: State, call: Call, account: AccountState, members: Mapping[str, Any]) -> Any:
    sms_type = sms_type_of(text_member(members, "SmsType"), SMS_TYPE_PRIORITY_ZNS, SMS_TYPE_ZNS)
    oa = official_account_for(state, account, text_member(members, "OAID"))
    phone = checked_phone(state, text_member(members, "Phone"))
    content = text_member(members, "Content")
    if not content:
        raise InvalidRequestError
    template = full_text_template(account, oa.oa_id, content, priority=sms_type == SMS_TYPE_PRIORITY_ZNS)
    known = {"CallbackUrl": members.get("CallbackUrl"), "campaignid": members.get("campaignid")}
    return _take_one(state, call, account, known, template, Recipient(phone, content), sandbox=False)


def send_zns_full_template(state: State, call: Call) -> Any:
    """One ZNS as full text, which must match a template of the OA; no request id, no sandbox."""
    members = json_members(call.request.body)
    return _send_full_text(state, call, caller(state, call, members), members)


def send_zns_form(state: State, call: Call) -> Any:
    """The same as a form."""
    account, members = form_caller(state, call)
    return _send_full_text(state, call, account, members)


def send_zns_bulk(state: State, call: Call) -> Any:
    """
    Up to 500 ZNS of one template; every element has its own outcome in `detail`.

    Refusals of the whole request accept nothing: 687 over 500 elements, 110 without a valid list.
    Source: send-personized-message-via-zalo.
    """
    members = json_members(call.request.body)
    account = caller(state, call, members)
    elements = members.get("Data")
    if not isinstance(elements, list) or not elements:
        raise RefusedError("110")
    if len(elements) > MAX_BULK_ITEMS:
        raise RefusedError("687")
    template = zns_template_for(state, account, members)
    check_balance(account, template.price_vnd)
    batch = _Batch(state, call, account, members, template)
    reached = len(elements) if call.cut is None else len(call.cut.taken(elements))
    for element in elements[:reached]:
        batch.take(element)
    batch.store()
    for element in elements[reached:]:
        batch.leave(element, call.cut.code if call.cut else "")
    return {
        "CodeResult": "100",
        "Message": "Sucess",
        "TotalSuccess": len(batch.taken),
        "TotalFail": len(batch.details) - len(batch.taken),
        "detail": _odd_detail(state, call, batch.details),
    }


def _phone_text(element: Any) -> str:
    return text_member(element, "Phone") if isinstance(element, dict) else ""


class _Batch:
    """The elements of one bulk call, which are checked one after the other."""

    def __init__(
        self, state: State, call: Call, account: AccountState, members: Mapping[str, Any], template: ZnsTemplate
    ) -> None:
        self._state, self._call, self._account, self._template = state, call, account, template
        self._sandbox = is_sandbox(members)
        self._submission = zns_submission(state, call, account, members, template)
        self._allowance = Allowance(state, account, template, self._submission, members)
        self._affordable = int(account.balance_vnd // template.price_vnd) if template.price_vnd else MAX_BULK_ITEMS
        self._recipients: list[Recipient] = []
        self._seen: set[str] = set()
        self.details: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []

    def take(self, element: Any) -> None:
        """Accept or refuse one element."""
        try:
            recipient = self._recipient(element)
            if len(self._recipients) >= self._affordable:
                raise RefusedError("103")
            recipient = recipient._replace(later_failure=self._allowance.later_failure(len(self._recipients)))
        except RefusedError as error:
            self._burn(element, error)
            self.details.append(
                {"CodeResult": error.code, "Phone": _phone_text(element), "ErrorMessage": error.message, **error.extra}
            )
            return
        if recipient.request_id:
            self._seen.add(recipient.request_id)
        self._recipients.append(recipient)
        detail = {"CodeResult": "100", "Phone": _phone_text(element)}
        self.taken.append(detail)
        self.details.append(detail)

    def leave(self, element: Any, code: str) -> None:
        """Add the detail of an element after the point at which the call was cut."""
        self.details.append({"CodeResult": code, "Phone": _phone_text(element), "ErrorMessage": "Error"})

    def store(self) -> None:
        """Store the accepted elements, and add the message ids to their details."""
        if not self._recipients:
            return
        message_ids = store(self._state, self._call, self._submission, self._recipients, sandbox=self._sandbox)
        for detail, message_id in zip(self.taken, message_ids, strict=True):
            detail["SMSID"] = message_id
        if not self._sandbox:
            self._allowance.use(len(self._recipients))

    def _recipient(self, element: Any) -> Recipient:
        if not isinstance(element, dict):
            raise RefusedError("110")
        phone = checked_phone(self._state, text_member(element, "Phone"))
        given_id = text_member(element, "RequestId")
        try:
            request_id = checked_request_id(self._state, self._account, self._call.function, given_id)
        except InvalidRequestError:
            raise RefusedError("110") from None
        if request_id and given_id in self._seen:
            raise RefusedError("124")
        values = positional_values(element, self._template, wrong_count="110")
        return Recipient(phone, rendered(self._template, values), request_id)

    def _burn(self, element: Any, error: RefusedError) -> None:
        state = self._state
        if state.config.refused_burns_request_id and not self._sandbox and error.code != "124":
            request_id = text_member(element, "RequestId") if isinstance(element, dict) else ""
            if request_id:
                state.burn(self._account, self._call.function, request_id, state.clock.now_ms())


def _odd_detail(state: State, call: Call, details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    quirk = state.config.quirks.bulk_detail
    if quirk == "complete":
        return details
    dice = random.Random(state.config.seed * 1_000_003 + call.number)
    if quirk == "shuffled":
        return dice.sample(details, len(details))
    if quirk == "without_rejected":
        return [detail for detail in details if detail["CodeResult"] == "100"]
    if quirk == "random_rows_missing":
        # At least one row is missing, so that a test with a small list notices.
        lost = dice.randrange(len(details))
        return [detail for place, detail in enumerate(details) if place != lost and dice.random() > 0.1]
    return [{name: value for name, value in detail.items() if name != "SMSID"} for detail in details]

"""The reads: balance, sent data, status by id, missed callbacks, a template. Nothing here changes the state."""

from __future__ import annotations

import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .accounts import AccountState
from .calls import Call, caller, query_caller, sms_type_of
from .listing import listed_page
from .progress import local_day, local_text_ms
from .records import AT_OPERATOR, RESULT_DELIVERED, SENT
from .rules import RefusedError, network
from .state import State
from .wire import SentPage, json_members, needs_respelling, text_member, texts_member
from .zns_reports import error_info_with_tail, partner_id

MAX_PAGE_SIZE = 500
MAX_CALLBACK_IDS = 200
LISTED_TYPES = (1, 2, 8, 23, 24, 25, 26)


def get_balance(state: State, call: Call) -> Any:
    """Balance in VND; `CodeResponse`. Source: get-balance."""
    account = caller(state, call, json_members(call.request.body))
    return {"Balance": account.balance_vnd, "CodeResponse": "100", "UserID": account.account.user_id}


def _positive(members: Mapping[str, Any], name: str) -> int:
    text = text_member(members, name)
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise RefusedError("110", f"{name} is not valid")
    return int(text)


def get_sms_sent_data(state: State, call: Call) -> Any:
    """
    One page of the messages of one type created in [From, To], inclusive, in whole seconds of Vietnamese local time.

    Source: get-the-message-status (GetSmsSentData_V2).
    """
    members = json_members(call.request.body)
    account = caller(state, call, members)
    listed_type = sms_type_of(text_member(members, "SmsType"), *LISTED_TYPES)
    quirks = state.config.quirks
    from_ms, to_ms = (local_text_ms(text_member(members, name), quirks.time_zone_hours) for name in ("From", "To"))
    if from_ms is None or to_ms is None:
        raise RefusedError("110", "From or To is not valid")
    page, page_size = _positive(members, "Page"), _positive(members, "PageSize")
    if page_size > MAX_PAGE_SIZE:
        if quirks.page_size_over_limit == "refuse":
            raise RefusedError("110", "PageSize is over 500")
        page_size = MAX_PAGE_SIZE
    total, rows = listed_page(state, account.account.api_key, listed_type, from_ms, to_ms, page, page_size)
    if total == 0 and quirks.empty_range_is_105:
        raise RefusedError("105")
    if quirks.page_order == "shuffled":
        random.Random(state.config.seed * 1_000_003 + page).shuffle(rows)
    if quirks.count_total == "exact" and not needs_respelling(quirks):
        return SentPage("100", total, rows)
    spelled: dict[str, Any] = {"string": str(total), "absurd": 2_147_483_647, "zero": 0, "page": len(rows)}
    answer: dict[str, Any] = {
        "CodeResult": "100",
        "CountTotal": spelled.get(quirks.count_total, total),
        "SentData": rows,
    }
    if quirks.count_total == "missing":
        del answer["CountTotal"]
    return answer


def _looked_up(state: State, account: AccountState, message_id: str) -> range:
    """The messages with an id; refused with 105 if unknown, too recent or older than 7 days."""
    numbers = state.numbers_of(message_id, account.account.api_key)
    if numbers:
        age_ms = state.clock.now_ms() - state.created[numbers[0]]
        if state.config.lookup_delay_seconds * 1000 <= age_ms <= state.config.lookup_days * 86_400_000:
            return numbers
    raise RefusedError("105")


def get_send_status(state: State, call: Call) -> Any:
    """Totals of one SMSID; SendStatus is 1, 2 or 5, a rejected message counts as failed. Source: get-sms-by-smsid."""
    account, query = query_caller(state, call)
    message_id = text_member(query, "RefId")
    totals = state.totals(_looked_up(state, account, message_id))
    return {
        "CodeResponse": "100",
        "SMSID": message_id,
        "SendFailed": totals.failed,
        "SendStatus": 1 if totals.on_review else 2 if totals.queued else SENT,
        "SendSuccess": totals.succeeded,
        "TotalPrice": totals.price_vnd,
        "TotalReceiver": totals.receivers,
        "TotalSent": totals.sent,
    }


def get_sms_receiver_status(state: State, call: Call) -> Any:
    """Outcome by phone of one SMSID; it does not distinguish pending from failed. Source: get-message-details."""
    account, query = query_caller(state, call)
    rows = [state.rows[number] for number in _looked_up(state, account, text_member(query, "RefId"))]
    return {
        "CodeResult": "100",
        "ReceiverList": [
            {
                "IsSent": row.SendStatus in (SENT, AT_OPERATOR),
                "NetworkName": network(row.Phone)[1],
                "Phone": row.Phone,
                "Retry": 0,
                "SentResult": row.SendResult == RESULT_DELIVERED,
            }
            for row in rows
        ],
    }


def get_callback_data(state: State, call: Call) -> Any:
    """
    ZNS callbacks again: for the first 200 ids only, and only for messages of this OA with a CallbackUrl.

    Source: get-callback-data.
    """
    members = json_members(call.request.body)
    account = caller(state, call, members)
    oa_id = text_member(members, "OAId")
    callbacks = []
    for message_id in (texts_member(members, "ListRefid") or [])[:MAX_CALLBACK_IDS]:
        for number in state.numbers_of(message_id, account.account.api_key):
            submission = state.submission_of[number]
            if not submission.oa_id or submission.oa_id != oa_id or not submission.callback_url:
                continue
            row, totals = state.rows[number], state.totals(range(number, number + 1))
            callbacks.append(
                {
                    "SMSID": row.ReferenceId,
                    "SendFailed": totals.failed,
                    "SendSuccess": totals.succeeded,
                    "SendStatus": SENT if totals.is_final else 2,
                    "TotalPrice": totals.price_vnd if totals.price_vnd else Decimal(0),
                    "TotalReceiver": totals.receivers,
                    "TotalSent": totals.sent,
                    "RequestId": None,
                    "TypeId": submission.sms_type,
                    "Telcoid": network(row.Phone)[0],
                    "PhoneNumber": row.Phone,
                    "CallbackUrl": submission.callback_url,
                    "Partnerids": partner_id(state, number),
                    "ErrorInfo": error_info_with_tail(state, number),
                    "OAId": submission.oa_id,
                    "ZnsTempId": submission.template_id,
                }
            )
    return {"Code": 100, "Message": "Success", "Data_callback": callbacks}


def get_zns_template(state: State, call: Call) -> Any:
    """One ZNS template; success is `Error: 0`. Source: get-zalo-template-details."""
    account, query = query_caller(state, call)
    oa_id, template_id = text_member(query, "OAID"), text_member(query, "TemplateId")
    if not oa_id or not template_id:
        raise RefusedError("791")
    template = account.templates.get(template_id)
    if template is None or template.oa_id != oa_id:
        raise RefusedError("789")
    left = None
    if template.daily_quota is not None:
        left = account.left_of_template(template_id, local_day(call.at_ms))
    return {
        "Data": {
            "ApplyTemplateQuota": template.daily_quota is not None,
            "ListParams": [
                {
                    "AcceptNull": not param.required,
                    "MaxLength": param.max_length,
                    "MinLength": param.min_length,
                    "Name": param.name,
                    "Require": param.required,
                    "Type": param.kind,
                }
                for param in template.params
            ],
            "PreviewUrl": f"https://account.zalo.cloud/znspreview/{template_id}",
            "Status": template.status,
            "TemplateDailyQuota": template.daily_quota,
            "TemplateRemainingQuota": left,
            "TemplateId": int(template_id) if template_id.isdigit() else template_id,
            "TemplateName": template.name,
            "TemplateQuality": template.quality,
            "TemplateTag": template.tag,
            "Timeout": 15000,
        },
        "Error": 0,
        "Message": "Success",
    }

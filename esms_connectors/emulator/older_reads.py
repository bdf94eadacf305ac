"""Reads that are no longer documented but still used by other clients."""

from __future__ import annotations

from typing import Any

from .calls import Call, sms_type_of
from .directory import path_caller
from .listing import listed_page
from .progress import DAY_MS, local_text, local_text_ms
from .reading import LISTED_TYPES, MAX_PAGE_SIZE
from .records import RESULT_DELIVERED, SentRow
from .rules import RefusedError, authorize
from .state import State
from .wire import UnreadableRequestError, xml_send

_MAX_DAYS = 3


def get_balance_by_path(state: State, call: Call) -> Any:
    """`GetBalance/{ApiKey}/{SecretKey}`: the balance with the keys in the path."""
    account = path_caller(state, call)
    return {"Balance": account.balance_vnd, "CodeResponse": "100", "UserID": account.account.user_id}


def get_sms_sent_data_v1(state: State, call: Call) -> Any:
    """
    The XML predecessor of get_sms_sent_data: at most three days, `SentResult` as a boolean, SentTime as a local date.

    Dates may have slashes, as in the documented sample; without PAGE and PAGESIZE it returns the first 500 rows.
    """
    try:
        members = xml_send(call.request.body).members
    except UnreadableRequestError:
        raise RefusedError("110") from None
    account = authorize(state, members.get("APIKEY", ""), members.get("SECRETKEY", ""), call.request.client_ip)
    sms_type = sms_type_of(members.get("SMSTYPE", "2"), *LISTED_TYPES)
    hours = state.config.quirks.time_zone_hours
    from_ms, to_ms = (local_text_ms(members.get(name, ""), hours, slashes=True) for name in ("FROM", "TO"))
    page, page_size = members.get("PAGE", "1"), members.get("PAGESIZE", str(MAX_PAGE_SIZE))
    if from_ms is None or to_ms is None or to_ms - from_ms >= _MAX_DAYS * DAY_MS:
        raise RefusedError("110", "FROM or TO is not valid")
    if not page.isdigit() or not page_size.isdigit() or not int(page) or not int(page_size):
        raise RefusedError("110", "PAGE or PAGESIZE is not valid")
    size = min(int(page_size), MAX_PAGE_SIZE)
    total, rows = listed_page(state, account.account.api_key, sms_type, from_ms, to_ms, int(page), size)
    return {"CodeResult": "100", "CountTotal": total, "SentData": [_v1_row(row) for row in rows]}


def _v1_row(row: SentRow) -> dict[str, Any]:
    return {
        "Campaign": row.Campaign,
        "Content": row.Content,
        "Phone": row.Phone,
        "ReferenceId": row.ReferenceId,
        "SellPrice": row.SellPrice,
        "SendStatus": row.SendStatus,
        "SentResult": row.SendResult == RESULT_DELIVERED,
        "SentTime": local_text(int(row.SentTime[6:-7]), "%d/%m/%Y %H:%M:%S"),
        "SmsId": row.SmsId,
        "SmsType": row.SmsType,
    }

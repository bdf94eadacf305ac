"""Messages inserted without a call: single ones at a chosen time, or a million for a load test."""

from __future__ import annotations

from array import array
from decimal import Decimal

from .config import (
    SMS_TYPE_ADVERTISING,
    SMS_TYPE_CUSTOMER_CARE,
    SMS_TYPE_JOURNEY,
    SMS_TYPE_PRIORITY_ZNS,
    SMS_TYPE_ZNS,
)
from .progress import DAY_MS, LOCAL_OFFSET_MS, local_day, local_text
from .records import AT_OPERATOR, SENT, Recipient, SentRow, Submission
from .state import State
from .world import DEMO_API_KEY, DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID

_ROWS_PER_SUBMISSION = 500
_PREFIXES = ("090", "091", "097", "098", "086", "032", "035", "070", "081", "056")
_CONTENTS = tuple(
    f"Cam on quy khach {name} da su dung dich vu cua chung toi. Chuc quy khach mot ngay tot lanh!"
    for name in ("An", "Binh", "Chi", "Dung", "Giang", "Hà", "Khánh", "Lộc", "Minh", "Ngọc")
)
_ZNS_TYPES = frozenset({SMS_TYPE_PRIORITY_ZNS, SMS_TYPE_ZNS, SMS_TYPE_JOURNEY})


def _submission(api_key: str, sms_type: int, created_ms: int, campaign: str, callback_url: str = "") -> Submission:
    is_zns = sms_type in _ZNS_TYPES
    return Submission(
        number=0,
        function="",
        api_key=api_key,
        sms_type=sms_type,
        price_vnd=Decimal("300" if is_zns else "790"),
        created_ms=created_ms,
        campaign=campaign,
        brandname="" if is_zns else DEMO_BRANDNAME,
        oa_id=DEMO_OA_ID if is_zns else "",
        template_id=DEMO_TEMPLATE_ID if is_zns else "",
        callback_url=callback_url,
        shared_id=sms_type == SMS_TYPE_ADVERTISING,
    )


def insert_message(
    state: State,
    created_ms: int | None,
    phone: str,
    *,
    sms_type: int = SMS_TYPE_CUSTOMER_CARE,
    campaign: str = "",
    content: str = _CONTENTS[0],
    request_id: str | None = None,
    callback_url: str = "",
    send_status: int | None = None,
    send_result: int | None = None,
    api_key: str = DEMO_API_KEY,
) -> str:
    """Store one message created at `created_ms` (None = now); returns its id. Nothing is charged."""
    with state.lock:
        created_ms = state.clock.now_ms() if created_ms is None else created_ms
        submission = _submission(api_key, sms_type, created_ms, campaign, callback_url)
        balance_vnd = state.accounts[api_key].balance_vnd
        message_id = state.add(submission, [Recipient(phone, content)], request_id=request_id)[0]
        state.accounts[api_key].balance_vnd = balance_vnd
        state.settle()
        if send_status is not None:
            state.put_status(submission.first, send_status, 2 if send_result is None else send_result)
        return message_id


def populate(
    state: State,
    count: int,
    start_ms: int | None = None,
    end_ms: int | None = None,
    *,
    sms_type: int = SMS_TYPE_CUSTOMER_CARE,
    campaigns: int = 20,
    api_key: str = DEMO_API_KEY,
) -> None:
    """
    Store `count` messages created at even intervals over [start_ms, end_ms), by default yesterday in Vietnam.

    They have the states of sent messages of that age; phones, texts and campaigns repeat. Nothing is charged.
    """
    with state.lock:
        now_ms = state.clock.now_ms()
        if start_ms is None:
            start_ms = (local_day(now_ms) - 1) * DAY_MS - LOCAL_OFFSET_MS
        if end_ms is None:
            end_ms = start_ms + DAY_MS
        if end_ms <= start_ms:
            raise ValueError("the window to populate is empty")
        _populate(state, count, start_ms, end_ms - start_ms, sms_type, max(1, campaigns), api_key, now_ms)


def _populate(
    state: State, count: int, start_ms: int, span_ms: int, sms_type: int, campaigns: int, api_key: str, now_ms: int
) -> None:
    # One flat loop with local names, because a load test runs a million iterations of it.
    first = len(state.rows)
    names = [f"{local_text(start_ms, '%Y-%m-%d')} campaign {number + 1}" for number in range(campaigns)]
    ids, timeline, state_at, by_state = state.ids, state.fates.timeline, state.state_at, state.by_state
    rows, submissions, salt = state.rows, state.submission_of, state.config.seed
    created = array("q", (start_ms + offset * span_ms // count for offset in range(count)))
    states: dict[tuple[int, int], int] = {}
    submission, price, portal_id, listed_type, campaign, shared = None, 0.0, 0, sms_type, "", ""
    for offset in range(count):
        number = first + offset
        created_ms = created[offset]
        if submission is None or offset % _ROWS_PER_SUBMISSION == 0:
            campaign = names[offset // _ROWS_PER_SUBMISSION % campaigns]
            submission = _submission(api_key, sms_type, created_ms, campaign)
            submission.number = state.next_submission_number()
            submission.first = number
            submission.count = min(_ROWS_PER_SUBMISSION, count - offset)
            price, portal_id, listed_type = (
                float(submission.price_vnd),
                state.portal_id(submission),
                submission.listed_type,
            )
            shared = ids.text(number, sms_type)
        line = timeline(number, submission.first, sms_type, created_ms, 0)
        status, result, next_ms = state_at(line, now_ms)
        if next_ms is not None:
            state.schedule(number, next_ms)
        if status not in (SENT, 4):
            submission.open += 1
        states[status, result] = states.get((status, result), 0) + 1
        sent_ms = line.sent_ms if status in (SENT, AT_OPERATOR) else created_ms
        lot = ((number + salt) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) >> 20
        rows.append(
            SentRow(
                campaign,
                _CONTENTS[lot % 10],
                f"{_PREFIXES[lot // 10 % 10]}{lot // 100 % 10_000_000:07d}",
                shared if submission.shared_id else ids.text(number, sms_type),
                price,
                result,
                status,
                f"/Date({sent_ms}+0700)/",
                portal_id,
                listed_type,
            )
        )
        submissions.append(submission)
    state.created.extend(created)
    state.request_id_of.extend([None] * count)
    state.index(api_key, listed_type).extend(created, array("q", range(first, first + count)))
    for key, number in states.items():
        by_state[key] += number

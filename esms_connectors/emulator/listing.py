"""The rows that get_sms_sent_data lists if `Quirks` change the listing."""

from __future__ import annotations

import msgspec

from .config import Quirks
from .progress import DAY_MS, LOCAL_OFFSET_MS, local_day, mix
from .records import SentRow
from .rules import RefusedError
from .state import State

_END_OF_TIME_MS = 1 << 60
_LONGEST_PHONE = 11


def listed_page(
    state: State, api_key: str, listed_type: int, from_ms: int, to_ms: int, page: int, page_size: int
) -> tuple[int, list[SentRow]]:
    """(rows in the range, rows of this page), as `State.page`. Call it under the lock."""
    quirks = state.config.quirks
    newest_first = quirks.page_order != "oldest_first"
    from_ms, to_ms = _span(quirks, from_ms, to_ms)
    if quirks.retention_days is not None:
        oldest_ms = state.clock.now_ms() - round(quirks.retention_days * DAY_MS)
        if to_ms < oldest_ms and quirks.retention_as == "refused":
            raise RefusedError("105")
        from_ms = max(from_ms, oldest_ms)
    if _lists_all(state):
        total, rows = state.page(api_key, listed_type, from_ms, to_ms, page, page_size, newest_first=newest_first)
    else:
        index = state.index(api_key, listed_type)
        low, high = index.window(from_ms, to_ms)
        if quirks.listed_by == "sent":
            inside = [number for number in index.numbers[:high] if from_ms <= _sent_ms(state, number) < to_ms + 1000]
        else:
            inside = list(index.numbers[low:high])
        numbers = [number for number in inside if _is_listed(state, number)]
        if page > 1 and quirks.leaving_rows:
            gone = numbers[-quirks.leaving_rows :]
            state.unlisted.update(gone)
            del numbers[-quirks.leaving_rows :]
        if newest_first:
            numbers.reverse()
        total = len(numbers)
        rows = [state.rows[number] for number in numbers[(page - 1) * page_size : page * page_size]]
    if (quirks.campaign_echo, quirks.id_echo) != ("exact", "exact") or quirks.user_id_as_phone != "user_id":
        rows = [_echoed(quirks, row) for row in rows]
    return total, rows


def _span(quirks: Quirks, from_ms: int, to_ms: int) -> tuple[int, int]:
    if quirks.sent_data_span == "all":
        return 0, _END_OF_TIME_MS
    if quirks.sent_data_span == "days":
        return _day_start_ms(local_day(from_ms)), _day_start_ms(local_day(to_ms) + 1) - 1000
    return from_ms, to_ms


def _day_start_ms(day: int) -> int:
    return day * DAY_MS - LOCAL_OFFSET_MS


def _lists_all(state: State) -> bool:
    quirks = state.config.quirks
    late = quirks.listed_late_share and quirks.listed_late_seconds
    moving = quirks.vanishing_share or quirks.listed_by != "created"
    return not (late or moving or quirks.listed_from_send_at or quirks.leaving_rows or state.unlisted)


def _sent_ms(state: State, number: int) -> int:
    """The SentTime of the row; the time of creation until it is passed to the operator."""
    return int(state.rows[number].SentTime[6:-7])


def _lot(state: State, number: int, salt: int) -> float:
    """A number in 0..1 for this message, determined by the seed."""
    return (mix(number * 3 + salt + state.config.seed) & 0xFFFFFF) / 0x1000000


def _is_listed(state: State, number: int) -> bool:
    quirks = state.config.quirks
    if number in state.unlisted:
        return False
    if _lot(state, number, 1) < quirks.vanishing_share:
        return state.clock.now_ms() < state.created[number] + round(quirks.vanishing_seconds * 1000)
    listed_ms = state.created[number]
    if quirks.listed_from_send_at:
        listed_ms = max(listed_ms, state.submission_of[number].send_at_ms)
    if _lot(state, number, 0) < quirks.listed_late_share:
        listed_ms += round(quirks.listed_late_seconds * 1000)
    return listed_ms <= state.clock.now_ms() or listed_ms == state.created[number]


def _echoed(quirks: Quirks, row: SentRow) -> SentRow:
    campaigns = {"exact": row.Campaign, "upper": row.Campaign.upper(), "empty": ""}
    phones = {"user_id": row.Phone, "cut": row.Phone[:15], "empty": ""}
    phone = phones[quirks.user_id_as_phone] if len(row.Phone) > _LONGEST_PHONE else row.Phone
    message_id = row.ReferenceId.upper() if quirks.id_echo == "upper" else row.ReferenceId
    return msgspec.structs.replace(row, Campaign=campaigns[quirks.campaign_echo], ReferenceId=message_id, Phone=phone)

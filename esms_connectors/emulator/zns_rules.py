"""Zalo's rules: OA and template, parameter values, daily quotas and night hours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from .accounts import AccountState
from .progress import DAY_MS, LOCAL_OFFSET_MS, local_day
from .records import Submission
from .rules import RefusedError
from .state import State
from .wire import text_member, texts_member
from .world import OfficialAccount, ZnsTemplate

_HOUR_MS = 3_600_000
_NIGHT_BEGINS, _NIGHT_ENDS = 22, 6
_NIGHT = -133, "ZNS of this template are not sent between 22:00 and 06:00"
_OVER_QUOTA = -144, "The daily quota of the OA is used up"
_OVER_TEMPLATE_QUOTA = -147, "The daily quota of the template is used up"


def official_account_for(state: State, account: AccountState, oa_id: str) -> OfficialAccount:
    """The OA; refused with 791 without an id, 204 if unknown, 799 if inactive or of another account."""
    if not oa_id:
        raise RefusedError("791")
    if not any(oa_id in other.official_accounts for other in state.accounts.values()):
        raise RefusedError("204")
    oa = account.official_accounts.get(oa_id)
    if oa is None or not oa.active:
        raise RefusedError("799")
    return oa


def zns_template_for(
    state: State, account: AccountState, members: Mapping[str, Any], *, journey: bool = False
) -> ZnsTemplate:
    """
    The template of a ZNS send.

    Refused with 791 if OA or template is missing, 204 / 799 for the OA, 789 for a template of another OA, 790 if it is
    not enabled, or a journey template in an ordinary send and the reverse, 801 / 802 for SendingMode 3.
    """
    oa_id, template_id = text_member(members, "OAID"), text_member(members, "TempID")
    if not oa_id or not template_id:
        raise RefusedError("791")
    oa = official_account_for(state, account, oa_id)
    template = account.templates.get(template_id)
    if template is None or template.oa_id != oa_id:
        raise RefusedError("789")
    if template.journey != journey or template.status != "ENABLE":
        raise RefusedError("790")
    if text_member(members, "SendingMode") == "3":
        if text_member(members, "SendDate"):
            raise RefusedError("801")
        if not oa.beyond_quota:
            raise RefusedError("802")
    return template


@lru_cache(maxsize=256)
def _text_pattern(template: ZnsTemplate) -> re.Pattern[str]:
    names = "|".join(re.escape(f"<{param.name}>") for param in template.params)
    parts = re.split(names, template.text) if names else [template.text]
    return re.compile(".*?".join(map(re.escape, parts)), re.DOTALL)


def full_text_template(account: AccountState, oa_id: str, content: str, *, priority: bool) -> ZnsTemplate:
    """The template of an OA with this text; refused with 789 if there is none, 790 if it is not enabled."""
    for template in account.templates.values():
        right_kind = template.oa_id == oa_id and not template.journey and (template.tag == "OTP") == priority
        if right_kind and _text_pattern(template).fullmatch(content):
            if template.status != "ENABLE":
                raise RefusedError("790")
            return template
    raise RefusedError("789")


class Allowance:
    """
    The effect of quotas and night hours on the ZNS of one request.

    Created before anything is stored: it may refuse the whole request, or move its `send_at_ms` to the morning.
    """

    def __init__(
        self,
        state: State,
        account: AccountState,
        template: ZnsTemplate,
        submission: Submission,
        members: Mapping[str, Any],
    ) -> None:
        self._quirks, self._account, self._template = state.config.quirks, account, template
        self._day = local_day(submission.created_ms)
        self._night = self._at_night(submission)
        unlimited = self._quirks.quota_exceeded == "ignored" or text_member(members, "SendingMode") == "3"
        self._left = None if unlimited else account.left_today(template.oa_id, template.template_id, self._day)

    def _at_night(self, submission: Submission) -> bool:
        quirks = self._quirks
        if quirks.night_zns == "accepted" or (quirks.night_tags and self._template.tag not in quirks.night_tags):
            return False
        leaves_ms = max(submission.created_ms, submission.send_at_ms)
        hour = (leaves_ms + LOCAL_OFFSET_MS) // _HOUR_MS % 24
        if _NIGHT_ENDS <= hour < _NIGHT_BEGINS:
            return False
        if quirks.night_zns == "refused":
            raise RefusedError(str(_NIGHT[0]), _NIGHT[1])
        if quirks.night_zns == "held":
            morning_day = local_day(leaves_ms) + (hour >= _NIGHT_BEGINS)
            submission.send_at_ms = morning_day * DAY_MS - LOCAL_OFFSET_MS + _NIGHT_ENDS * _HOUR_MS
        return quirks.night_zns == "failed"

    def later_failure(self, before: int = 0) -> tuple[int, str] | None:
        """The error with which the next ZNS, after `before` others of this request, fails; else None. May refuse it."""
        if self._night:
            return _NIGHT
        if self._left is None or before < self._left:
            return None
        own = self._template.daily_quota is not None and self._left_of_template() <= before
        error = _OVER_TEMPLATE_QUOTA if own else _OVER_QUOTA
        if self._quirks.quota_exceeded == "refused":
            raise RefusedError(self._quirks.quota_code, error[1])
        return error

    def _left_of_template(self) -> int:
        return self._account.left_of_template(self._template.template_id, self._day)

    def use(self, count: int) -> None:
        """Count stored ZNS against the quotas of their day."""
        self._account.zns_of_day[self._template.oa_id, self._day] += count
        self._account.zns_of_day[self._template.template_id, self._day] += count


def positional_values(members: Mapping[str, Any], template: ZnsTemplate, *, wrong_count: str) -> list[str]:
    """`Params` in template order; `wrong_count` is the code for a missing list or a wrong number of values."""
    values = texts_member(members, "Params")
    if values is None or len(values) != len(template.params):
        raise RefusedError(wrong_count)
    return values


def keyed_values(members: Mapping[str, Any], template: ZnsTemplate, shape: type) -> list[str]:
    """`TempData` (a list of {key, value}, or an object) in template order, without unknown keys; 790 if malformed."""
    data = members.get("TempData")
    if not isinstance(data, shape):
        raise RefusedError("790")
    if isinstance(data, dict):
        values = {name: text_member(data, name) for name in data}
    elif isinstance(data, list) and all(isinstance(pair, dict) for pair in data):
        values = {text_member(pair, "key"): text_member(pair, "value") for pair in data}
    else:
        raise RefusedError("790")
    return [values.get(param.name, "") for param in template.params]


def rendered(template: ZnsTemplate, values: Sequence[str]) -> str:
    """The template's text with the values; refused with 790 if a value violates the rules of its parameter."""
    text = template.text
    for param, value in zip(template.params, values, strict=True):
        if not value:
            if param.required:
                raise RefusedError("790")
        elif not param.min_length <= len(value) <= param.max_length:
            raise RefusedError("790")
        text = text.replace(f"<{param.name}>", value)
    return text

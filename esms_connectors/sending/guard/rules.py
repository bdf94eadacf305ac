"""
The rules of the guard: their names, their sources, and their messages in English and Vietnamese.

None of this is legal advice: it could not be verified whether Decree 91/2020 has been amended since, nor who runs the
Do-Not-Call list now.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from esms_connectors.gateway.errors import EsmsError, InvalidRequestError


class RuleName(enum.StrEnum):
    """A rule's name in settings, results, rejects and overrides."""

    HOURS = "hours"
    LABEL = "label"
    OPT_OUT = "opt_out"
    SEGMENTS = "segments"
    SUPPRESSION = "suppression"
    SAME_PHONE = "same_phone"
    FREQUENCY = "frequency"
    BUDGET = "budget"
    BALANCE = "balance"
    PACE = "pace"
    CANARY = "canary"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One rule.

    Attributes:
        source: the law, page or decision that it comes from.
        english, vietnamese: what it requires, in one sentence.
        what_to_do: advice after a refusal, in English; `what_to_do_vi` in Vietnamese.
        skips: whether it skips single rows instead of refusing or stopping the whole run.
    """

    name: RuleName
    source: str
    english: str
    vietnamese: str
    what_to_do: str
    what_to_do_vi: str
    skips: bool = False


_DECREE = "Decree 91/2020/ND-CP"

_ROWS = (
    Rule(
        RuleName.HOURS,
        f"{_DECREE}, article 13 (advertising SMS 07:00-22:00); Zalo error -133 (some templates not 22:00-06:00)",
        "Advertising SMS go out from 07:00 to 22:00 in Vietnam, promotions on Zalo from 06:00 to 22:00.",
        "Tin quảng cáo SMS chỉ được gửi từ 07:00 đến 22:00, tin khuyến mãi Zalo từ 06:00 đến 22:00.",
        "Send within the hours, let the run be rescheduled or wait (hours policy reschedule or defer), or override it.",
        "Hãy gửi trong khung giờ, chọn chính sách reschedule hoặc defer, hoặc ghi nhận ngoại lệ.",
    ),
    Rule(
        RuleName.LABEL,
        f"{_DECREE}, article 13: an advertising text begins with its label",
        "An advertising text begins with [QC] or [AD].",
        "Nội dung quảng cáo phải bắt đầu bằng [QC] hoặc [AD].",
        "Put [QC] first in the text.",
        "Hãy thêm [QC] vào đầu nội dung.",
    ),
    Rule(
        RuleName.OPT_OUT,
        f"{_DECREE}, article 13: an advertising text says how to opt out",
        "An advertising text says how to opt out.",
        "Nội dung quảng cáo phải có hướng dẫn từ chối.",
        "Add how to opt out, such as: Tu choi: soan TC gui 1234.",
        "Hãy thêm cách từ chối, ví dụ: Tu choi: soan TC gui 1234.",
    ),
    Rule(
        RuleName.SEGMENTS,
        "settings: each segment is charged as a separate message",
        "A text has no more segments than allowed.",
        "Số đoạn tin không được vượt quá giới hạn.",
        "Shorten the text or take out what makes it Unicode, or raise max_segments.",
        "Hãy rút ngắn nội dung, bỏ ký tự có dấu, hoặc tăng max_segments.",
    ),
    Rule(
        RuleName.SUPPRESSION,
        f"{_DECREE}, articles 7 and 11: nobody on the Do-Not-Call list, and nobody who opted out, gets advertising",
        "Phones on the suppression list get no advertising or promotion.",
        "Số trong danh sách từ chối không nhận tin quảng cáo.",
        "Nothing, or `esms suppress remove` if the entry is wrong.",
        "Không cần làm gì, hoặc `esms suppress remove` nếu ghi nhầm.",
        skips=True,
    ),
    Rule(
        RuleName.SAME_PHONE,
        "settings: duplicates=merge, with a key column",
        "Rows with the same phone are merged, so a phone gets one message in a run, whichever of its rows comes first.",
        "Các dòng cùng số được gộp lại: mỗi số chỉ nhận một tin trong lần chạy, dù dòng nào đứng trước.",
        "Nothing; with duplicates=keep each row is sent.",
        "Không cần làm gì; với duplicates=keep thì gửi từng dòng.",
        skips=True,
    ),
    Rule(
        RuleName.FREQUENCY,
        f"{_DECREE}, article 13: at most 3 advertising messages to a phone in 24 hours",
        "Counted over all runs, a phone gets at most the allowed number of messages of one class within the set hours.",
        "Mỗi số chỉ nhận tối đa số tin cho phép trong khoảng thời gian quy định, tính trên mọi lần chạy.",
        "Send to these people in a new run, later.",
        "Hãy gửi cho những người này ở lần chạy sau.",
        skips=True,
    ),
    Rule(
        RuleName.BUDGET,
        "settings: what a run, and all runs of a month, may cost",
        "A run stops before the calls that would exceed its budget or that of the month.",
        "Lần chạy dừng trước khi vượt ngân sách của lần chạy hoặc của tháng.",
        "Raise max_cost or max_cost_month and run the same command again: it resumes.",
        "Hãy tăng max_cost hoặc max_cost_month rồi chạy lại lệnh cũ: lần chạy sẽ tiếp tục.",
    ),
    Rule(
        RuleName.BALANCE,
        "settings: a run that the balance does not cover stops midway with code 103",
        "The balance covers what the run needs.",
        "Số dư đủ cho cả lần chạy.",
        "Top up, or set low_balance to warn.",
        "Hãy nạp thêm tiền, hoặc đặt low_balance là warn.",
    ),
    Rule(
        RuleName.PACE,
        "settings: how many messages a run may send per hour",
        "A run sends at most a set number of messages per hour.",
        "Mỗi giờ chỉ gửi tối đa số tin cho phép.",
        "Nothing: the run continues by itself.",
        "Không cần làm gì: lần chạy sẽ tự tiếp tục.",
    ),
    Rule(
        RuleName.CANARY,
        "settings: the first rows of a run show whether its messages arrive",
        "The first rows are sent alone, and the others only when enough of them have arrived.",
        "Những dòng đầu được gửi trước; phần còn lại chỉ được gửi khi đủ số tin đã đến nơi.",
        "Find out why they do not arrive and run the same command again, which checks again; or override the rule.",
        "Hãy tìm nguyên nhân rồi chạy lại lệnh cũ, hoặc ghi nhận ngoại lệ.",
    ),
    Rule(
        RuleName.STOP,
        "a mark in the ledger, set by `esms stop` or by a refusal of the account (101, 103, 140)",
        "Nothing is sent while a run, its account or everything is stopped.",
        "Không gửi gì khi lần chạy, tài khoản hoặc toàn bộ đang bị dừng.",
        "`esms resume` the run, or fix the account and run `esms check`.",
        "Hãy `esms resume`, hoặc sửa tài khoản rồi chạy `esms check`.",
    ),
)

RULES: Mapping[RuleName, Rule] = MappingProxyType({rule.name: rule for rule in _ROWS})


def in_both_languages(name: RuleName, what: str, what_vi: str) -> str:
    """One line for display: what happened, the rule's source, what to do; then the same in Vietnamese."""
    rule = RULES[name]
    return f"{what} ({rule.source}). {rule.what_to_do} / {what_vi}. {rule.what_to_do_vi}"


class GuardRefusalError(InvalidRequestError):
    """
    A rule refuses the message or the campaign before any of it is sent.

    Attributes:
        rule: the rule that refused.
    """

    def __init__(self, name: RuleName, what: str, what_vi: str, *, field: str) -> None:
        super().__init__(in_both_languages(name, what, what_vi), field=field)
        self.rule = name


class GuardStopError(EsmsError):
    """
    A rule stops a run before its next call; nothing is lost, and the same command resumes it.

    Attributes:
        rule: the rule that stopped it.
        until: when it may resume by itself, as ISO 8601 with a zone; None if a person must decide.
    """

    def __init__(self, name: RuleName, what: str, what_vi: str, *, until: str | None = None) -> None:
        super().__init__(in_both_languages(name, what, what_vi))
        self.rule = name
        self.until = until

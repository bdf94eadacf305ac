"""What the emulated gateway knows before the first call: accounts, senders, templates, and how it behaves.

Everything here is a frozen dataclass except `Quirks`, which tests change while the emulator runs.
Money is `Decimal` VND, times are seconds, phone numbers are text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

DEMO_API_KEY = "EMULATOR0API0KEY0FOR0LOCAL0TESTS"
"""ApiKey of the account in the ready-made world. Not a secret: no real gateway knows it."""

DEMO_SECRET_KEY = "EMULATOR0SECRET0KEY0FOR0TESTS"  # noqa: S105
"""SecretKey of the account in the ready-made world."""

DEMO_BALANCE_VND = Decimal("1000000000")
DEMO_BRANDNAME = "Baotrixemay"
"""Sender name that takes any text, for customer care and for advertising."""

DEMO_TEMPLATED_BRANDNAME = "TiemToc Demo"
"""Customer-care sender name with registered texts: anything else is refused with 146."""

DEMO_OA_ID = "4097311281936189049"
DEMO_INACTIVE_OA_ID = "4097311281936189050"
DEMO_TEMPLATE_ID = "267247"
"""ZNS template with the parameters customer_name, service, code, date (in this order)."""

DEMO_OTP_TEMPLATE_ID = "205644"
DEMO_JOURNEY_TEMPLATE_ID = "311808"
"""Journey template with the parameters customer_name, order_code, status (in this order)."""

SMS_TYPE_ADVERTISING = 1
SMS_TYPE_CUSTOMER_CARE = 2
SMS_TYPE_PRIORITY_ZNS = 24
SMS_TYPE_ZNS = 25
SMS_TYPE_JOURNEY = 27
"""Journey messages carry 27 in callbacks, but are listed under 25 by get_sms_sent_data."""


@dataclass(frozen=True, slots=True)
class Brandname:
    """
    A registered sender name.

    Args:
        name: as clients write it; compared exactly.
        customer_care, advertising: which of the two message types may use it (104 otherwise).
        templates: allowed customer-care texts, `{anything}` standing for a variable part; empty = any text.
        price_vnd: per SMS segment.
    """

    name: str
    customer_care: bool = True
    advertising: bool = False
    templates: tuple[str, ...] = ()
    price_vnd: Decimal = Decimal("790")


@dataclass(frozen=True, slots=True)
class OfficialAccount:
    """A Zalo OA. Inactive: 799. `beyond_quota`: may use SendingMode 3 (802 otherwise)."""

    oa_id: str
    active: bool = True
    beyond_quota: bool = False


@dataclass(frozen=True, slots=True)
class TemplateParam:
    """One variable of a ZNS template; lengths are in characters."""

    name: str
    required: bool = True
    min_length: int = 0
    max_length: int = 30
    kind: str = "STRING"


@dataclass(frozen=True, slots=True)
class ZnsTemplate:
    """
    A ZNS template registered for one OA.

    Args:
        text: body with `<name>` where a parameter goes; rendered into `Content` of the sent rows.
        tag: Zalo's tag; `OTP` makes the message a priority ZNS (type 24).
        journey: only journey sends may use it (790 otherwise, and the other way round).
    """

    template_id: str
    oa_id: str
    name: str
    params: tuple[TemplateParam, ...]
    text: str
    price_vnd: Decimal = Decimal("300")
    tag: str = "POST_TRANSACTION"
    journey: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """
    One customer of the gateway.

    Args:
        allowed_ips: addresses that may call; None = any (the list is off). Others get 140.
    """

    api_key: str
    secret_key: str
    balance_vnd: Decimal
    user_id: int
    brandnames: tuple[Brandname, ...] = ()
    official_accounts: tuple[OfficialAccount, ...] = ()
    templates: tuple[ZnsTemplate, ...] = ()
    allowed_ips: frozenset[str] | None = None

    def __repr__(self) -> str:
        return f"Account(user_id={self.user_id}, balance_vnd={self.balance_vnd})"


def default_account() -> Account:
    """The one account of the ready-made world, built from the `DEMO_*` constants."""
    return Account(
        api_key=DEMO_API_KEY,
        secret_key=DEMO_SECRET_KEY,
        balance_vnd=DEMO_BALANCE_VND,
        user_id=80201,
        brandnames=(
            Brandname(DEMO_BRANDNAME, customer_care=True, advertising=True),
            Brandname(
                DEMO_TEMPLATED_BRANDNAME,
                templates=(
                    "{code} la ma xac thuc cua ban",
                    "Cam on quy khach {name} da su dung dich vu cua chung toi. Chuc quy khach mot ngay tot lanh!",
                ),
                price_vnd=Decimal("345"),
            ),
            Brandname("QC-TiemToc", customer_care=False, advertising=True, price_vnd=Decimal("450")),
        ),
        official_accounts=(
            OfficialAccount(DEMO_OA_ID),
            OfficialAccount(DEMO_INACTIVE_OA_ID, active=False),
        ),
        templates=(
            ZnsTemplate(
                DEMO_TEMPLATE_ID,
                DEMO_OA_ID,
                "Xac nhan dich vu",
                (
                    TemplateParam("customer_name", max_length=30),
                    TemplateParam("service", max_length=100),
                    TemplateParam("code", max_length=30),
                    TemplateParam("date", max_length=20, kind="DATE"),
                ),
                "Xin chào <customer_name>, dịch vụ <service> (mã <code>) đã được xác nhận ngày <date>.",
            ),
            ZnsTemplate(
                DEMO_OTP_TEMPLATE_ID,
                DEMO_OA_ID,
                "Ma xac thuc",
                (TemplateParam("otp", min_length=4, max_length=10),),
                "<otp> là mã xác thực của bạn.",
                tag="OTP",
            ),
            ZnsTemplate(
                DEMO_JOURNEY_TEMPLATE_ID,
                DEMO_OA_ID,
                "Hanh trinh don hang",
                (
                    TemplateParam("customer_name", max_length=30),
                    TemplateParam("order_code", max_length=30),
                    TemplateParam("status", required=False, max_length=80),
                ),
                "Chào <customer_name>, đơn hàng <order_code>: <status>",
                price_vnd=Decimal("550"),
                journey=True,
            ),
        ),
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """
    How messages travel from accepted to final. Shares are of all messages, ranges are (low, high) seconds.

    A message starts queued (advertising: on review), is handed to the operator (status 7), and gets its report.
    `never_final` messages stay at status 7 for good.
    """

    failed_share: float = 0.05
    rejected_share: float = 0.005
    never_final_share: float = 0.0
    review_seconds: tuple[float, float] = (1.0, 2.0)
    queue_seconds: tuple[float, float] = (0.3, 1.0)
    report_seconds: tuple[float, float] = (0.5, 2.5)


@dataclass(frozen=True, slots=True)
class Callbacks:
    """
    Delivery of reports to a CallbackUrl, by GET, once a message is final.

    Args:
        enabled: False = none is sent (get_callback_data still answers).
        any_host: False = only loopback addresses are called, others are recorded as not allowed.
        tries, spacing_seconds: attempts in all, and the emulator's own seconds between them.
        timeout_seconds: real seconds to wait for the receiver; anything but HTTP 200 counts as failed.
    """

    enabled: bool = True
    any_host: bool = False
    tries: int = 5
    spacing_seconds: float = 1.0
    timeout_seconds: float = 2.0


BulkDetail = Literal["complete", "shuffled", "without_rejected", "random_rows_missing", "without_smsid"]


@dataclass(slots=True)
class Quirks:
    """
    Ways in which the real gateway is known, or suspected, to deviate from its own pages. All off by default.

    Each is read on every call, so a test may flip it at any time. Sources: the sections "Quirks" of the pages.
    """

    numbers_as_strings: bool = False
    """Counts, prices and statuses as text, as the tables say and the samples do not."""
    table_spelling: bool = False
    """`RefercenceId` and `Sellprice` instead of `ReferenceId` and `SellPrice` in sent data."""
    escaped_dates: bool = False
    r"""`\/Date(...)\/`, as .NET writes it."""
    padded_ids: bool = False
    """A trailing blank after every SMSID and ReferenceId."""
    unknown_members: bool = False
    """Members that no page mentions, in answers and rows."""
    missing_members: tuple[str, ...] = ()
    """Members left out of rows and answers wherever they would appear, e.g. `("Campaign", "CountTotal")`."""
    empty_range_is_105: bool = False
    """get_sms_sent_data answers 105 for a range without rows, instead of an empty list."""
    count_total: Literal["exact", "missing", "string", "absurd", "zero", "page"] = "exact"
    """`page`: CountTotal counts the rows of the page, not those of the range."""
    page_order: Literal["newest_first", "oldest_first", "shuffled"] = "newest_first"
    """`shuffled`: newest page first, but rows inside a page in random (repeatable) order."""
    page_size_over_limit: Literal["cap", "refuse"] = "cap"
    """What a PageSize over 500 does: 500 rows come, or code 110."""
    # What sent data lists. Nothing of this is excluded by the pages, which say little about the range.
    sent_data_span: Literal["seconds", "days", "all"] = "seconds"
    """What is made of From and To: `days` lists all of the days they lie in, `all` everything of the type."""
    listed_late_share: float = 0.0
    """This share of the rows, chosen by the seed, is listed `listed_late_seconds` after its creation only."""
    listed_late_seconds: float = 600.0
    listed_from_send_at: bool = False
    """A message with a SendDate is listed from then on."""
    leaving_rows: int = 0
    """With each page behind the first, so many of the newest rows of its range leave the sent data for good."""
    retention_days: float | None = None
    """Rows that were created longer ago are listed no more."""
    campaign_echo: Literal["exact", "upper", "empty"] = "exact"
    """How the campaign of a send comes back: as given, in capitals, or not at all."""
    bulk_detail: BulkDetail = "complete"
    bulk_request_id_ignored: bool = False
    """The older service knew no RequestId inside Data."""
    request_ids_ignored: tuple[str, ...] = ()
    """Functions that look at no request id: a repeat is a second message."""
    repeat_refused_with: str = ""
    """What a used request id is answered with in place of 124, because something else is looked at first."""
    xml_request_id_honoured: bool = True
    """REQUESTID of the XML send is in the newer documentation only."""
    duplicate_with_smsid: bool = False
    """124 brings the SMSID of the earlier message (the documented 124 does not)."""
    date_header: Literal["exact", "missing", "nonsense", "frozen"] = "exact"
    """The `Date` of each answer: the emulator's time, none, no date at all, or the time when it was made."""
    date_offset_seconds: float = 0.0
    """Whoever writes `Date` has another clock than whoever remembers request ids."""


@dataclass(frozen=True, slots=True)
class EmulatorConfig:
    """
    Everything about one emulator.

    Args:
        seed: decides message ids, fates and delays; same seed and same calls give the same answers.
        duplicate_window: how long a RequestId blocks: `rolling_24h`, or until the Vietnamese day ends.
        blocked_phones: answered with 99.
        lookup_delay_seconds: a message younger than this is still unknown (105) to the by-SMSID calls.
        lookup_days: older messages are unknown to them again.
        max_requests_per_second: None = no limit; above it `rate_limit_as` decides between code 160 and HTTP 429.
    """

    seed: int = 2024
    accounts: tuple[Account, ...] = field(default_factory=lambda: (default_account(),))
    progress: Progress = Progress()
    callbacks: Callbacks = Callbacks()
    quirks: Quirks = field(default_factory=Quirks)
    duplicate_window: Literal["rolling_24h", "calendar_day"] = "rolling_24h"
    refused_burns_request_id: bool = False
    blocked_phones: frozenset[str] = frozenset()
    lookup_delay_seconds: float = 0.0
    lookup_days: float = 7.0
    max_requests_per_second: float | None = None
    rate_limit_as: Literal["code_160", "http_429"] = "code_160"

"""Behaviour of the emulated gateway: progress of messages, callbacks, deviations from its documentation.

Everything here is a frozen dataclass except `Quirks`, which tests change while the emulator runs. Times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .world import Account, default_account

SMS_TYPE_ADVERTISING = 1
SMS_TYPE_CUSTOMER_CARE = 2
SMS_TYPE_FIXED_NUMBER = 8
SMS_TYPE_VIBER = 23
SMS_TYPE_PRIORITY_ZNS = 24
SMS_TYPE_ZNS = 25
SMS_TYPE_FOLLOWER = 26
SMS_TYPE_JOURNEY = 27
"""Journey messages carry 27 in callbacks, but are listed under 25 by get_sms_sent_data."""
SMS_TYPE_CALL = 0
"""Calls of the voice host have no type: sent data cannot list them."""


@dataclass(frozen=True, slots=True)
class Progress:
    """
    How messages progress from accepted to final. Shares are of all messages, ranges are (low, high) seconds.

    A message starts queued (advertising: in review), is passed to the operator (status 7), and gets its report.
    `never_final` messages stay at status 7 permanently.
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
        tries, spacing_seconds: number of attempts, and seconds between them by the emulator's clock.
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
    Known or suspected deviations of the real gateway from its documentation. All are off by default.

    Each is read on every call, so a test may change it at any time. Sources: the sections "Quirks" of the pages.
    """

    numbers_as_strings: bool = False
    """Counts, prices and statuses as text, as documented in the tables but not in the samples."""
    table_spelling: bool = False
    """`RefercenceId` and `Sellprice` instead of `ReferenceId` and `SellPrice` in sent data."""
    escaped_dates: bool = False
    r"""Dates as `\/Date(...)\/`, the form of .NET."""
    padded_ids: bool = False
    """A trailing space after every SMSID and ReferenceId."""
    unknown_members: bool = False
    """Undocumented members in answers and rows."""
    missing_members: tuple[str, ...] = ()
    """Members left out of rows and answers wherever they would appear, e.g. `("Campaign", "CountTotal")`."""
    empty_range_is_105: bool = False
    """get_sms_sent_data answers 105 for a range without rows, instead of an empty list."""
    count_total: Literal["exact", "missing", "string", "absurd", "zero", "page"] = "exact"
    """`page`: CountTotal counts the rows of the page, not those of the range."""
    page_order: Literal["newest_first", "oldest_first", "shuffled"] = "newest_first"
    """`shuffled`: newest page first, but rows inside a page in random (repeatable) order."""
    page_size_over_limit: Literal["cap", "refuse"] = "cap"
    """Answer to a PageSize over 500: 500 rows, or code 110."""
    # What sent data lists. The documentation says little about the range and rules out none of this.
    sent_data_span: Literal["seconds", "days", "all"] = "seconds"
    """How From and To are interpreted: `days` lists all rows of their days, `all` all rows of the type."""
    listed_late_share: float = 0.0
    """This share of the rows, chosen by the seed, is listed only from `listed_late_seconds` after creation."""
    listed_late_seconds: float = 600.0
    listed_from_send_at: bool = False
    """A message with a SendDate is listed from then on."""
    leaving_rows: int = 0
    """With each page after the first, this many of the newest rows of its range leave the sent data permanently."""
    vanishing_share: float = 0.0
    """This share of the rows, chosen by the seed, is listed only until `vanishing_seconds` after creation."""
    vanishing_seconds: float = 86_400.0
    listed_by: Literal["created", "sent"] = "created"
    """Time that From and To filter by; with `sent` a row moves from its window of creation to that of sending."""
    retention_days: float | None = None
    """Rows created longer ago are no longer listed."""
    retention_as: Literal["nothing", "refused"] = "nothing"
    """Answer to a range that ends before that: an empty list, or code 105."""
    campaign_echo: Literal["exact", "upper", "empty"] = "exact"
    """How sent data returns the campaign: as given, in capitals, or empty."""
    id_echo: Literal["exact", "upper"] = "exact"
    """How sent data returns a message id: as in the answer of the send, or in capitals."""
    bulk_detail: BulkDetail = "complete"
    bulk_request_id_ignored: bool = False
    """RequestId inside Data is ignored, as by the older service."""
    request_ids_ignored: tuple[str, ...] = ()
    """Functions that ignore request ids, so that a repeated call sends a second message."""
    repeat_refused_with: str = ""
    """Code in place of 124 for a used request id, as if another check came first."""
    xml_request_id_honoured: bool = True
    """Whether REQUESTID of the XML send is used; only the newer documentation has it."""
    duplicate_with_smsid: bool = False
    """124 includes the SMSID of the earlier message (the documented one does not)."""
    request_id_scope: Literal["account", "endpoint"] = "account"
    """Whether a request id blocks in the whole account, or only at the address where it was used."""
    same_text_refused_seconds: float = 0.0
    """For this time an SMS with the same text to the same number is answered 124, whatever its request id."""
    type_8_is: Literal["sms", "voice"] = "sms"
    """What SmsType 8 sends: fixed-number SMS and voice OTP call are documented with the same request."""
    fallback_id: Literal["own", "same"] = "own"
    """SMSID of the second attempt of a multi-channel message: its own (callbacks name the first), or the same."""
    fallback_collides: bool = False
    """A second attempt with the request id of the first is refused as a repeat and never sent."""
    user_id_as_phone: Literal["user_id", "cut", "empty"] = "user_id"
    """Phone in sent data for a message to a Zalo user id; `cut` keeps 15 characters, as callbacks do."""
    quota_exceeded: Literal["failed", "refused", "ignored"] = "failed"
    """ZNS over the daily quota of the OA or template: accepted and failed, refused with `quota_code`, or delivered."""
    quota_code: str = "-144"
    night_zns: Literal["accepted", "refused", "failed", "held"] = "accepted"
    """ZNS between 22:00 and 06:00: as by day, refused with -133, failed with -133, or held until 06:00."""
    night_tags: tuple[str, ...] = ()
    """Template tags that `night_zns` applies to; none = all."""
    is_unicode: Literal["ignored", "strips", "mangles", "refuses"] = "ignored"
    """Effect of IsUnicode 0 on a text with diacritics: none, strip them, replace them by `?`, or code 110. Unless
    ignored, a plain text with IsUnicode 1 is charged as Unicode."""
    time_zone_hours: float = 7.0
    """UTC offset of From, To and SendDate, which is undocumented."""
    date_header: Literal["exact", "missing", "nonsense", "frozen"] = "exact"
    """The `Date` header: the emulator's time, missing, not a date, or the time when the emulator was created."""
    date_offset_seconds: float = 0.0
    """Offset of the `Date` header from the clock that is used for request ids."""


@dataclass(frozen=True, slots=True)
class EmulatorConfig:
    """
    Everything about one emulator.

    Args:
        seed: determines message ids, outcomes and delays; the same seed and calls give the same answers.
        duplicate_window: how long a RequestId blocks: `rolling_24h`, or until the Vietnamese day ends.
        blocked_phones: answered with 99.
        lookup_delay_seconds: a message younger than this is still unknown (105) to the lookups by SMSID.
        lookup_days: messages older than this are unknown to them, too.
        max_requests_per_second: None = no limit; above it `rate_limit_as` decides between code 160 and HTTP 429.
        delivery_status_per_second: more calls of get_zns_delivery_status get 160 (documented: 30); None = any number.
        registration_seconds: how long the review of a template or package takes.
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
    delivery_status_per_second: int | None = None
    registration_seconds: float = 60.0
    rate_limit_as: Literal["code_160", "http_429"] = "code_160"

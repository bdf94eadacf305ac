"""
Arguments and results of the client. Frozen; a repr shows no personal data: no phone, name or text.

Money is a Decimal in VND, times are aware, ids are opaque text.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from pendulum import DateTime

from esms_connectors.gateway.errors import EsmsError


class SmsType(enum.IntEnum):
    """The gateway's message types."""

    ADVERTISING = 1
    CUSTOMER_CARE = 2
    FIXED_NUMBER = 8
    VIBER = 23
    ZNS_PRIORITY = 24
    ZNS = 25
    ZALO_FOLLOWER = 26
    # Only in callbacks; get_sms_sent_data does not take it.
    ZNS_JOURNEY = 27


class Outcome(enum.StrEnum):
    """The outcome of a send. Treating the third value as one of the others loses or duplicates messages."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Submission:
    """
    A message that the gateway accepted, which does not mean delivered.

    Attributes:
        endpoint: the function that was called.
        request_id: the id it was sent with; a repeat must use the same one.
        message_id: the gateway's id (SMSID), None when the gateway gave none, as with a duplicate.
        duplicate: an earlier attempt with this request id had been accepted (code 124).
        sandbox: checked only; nothing was stored, charged or delivered, and no status call will ever find it.
        attempts: requests made.
    """

    endpoint: str
    request_id: str
    message_id: str | None
    duplicate: bool = False
    sandbox: bool = False
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class ZnsRecipient:
    """
    One element of a bulk ZNS.

    Attributes:
        phone: any spelling that `normalise_phone` accepts.
        template_params: values in the order of the template; a variable used twice is given once.
        request_id: at most 50 characters; generated when missing, which protects only the repeats of this call.
    """

    phone: str = field(repr=False)
    template_params: Sequence[object] = field(repr=False)
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """
    The outcome of one element of a bulk ZNS.

    Attributes:
        phone: as it was sent, `0…`.
        code: the gateway's code for this row; None when the answer has no row for it.
        message_id: of an accepted row that is not a duplicate; with a refusal, the id of a possibly accepted message.
        reason: one redacted line for a row that is not accepted.
        refused: `code` is about this row, not about the call as a whole.
    """

    phone: str = field(repr=False)
    request_id: str
    outcome: Outcome
    code: str | None = None
    message_id: str | None = None
    duplicate: bool = False
    reason: str = ""
    refused: bool = False


@dataclass(frozen=True, slots=True)
class BulkSubmission:
    """
    The outcome of one bulk call, one row per recipient, in the given order.

    The success of the call as a whole says nothing about its rows: check `all_accepted`.

    Attributes:
        refusal: the refusal of the call as a whole, if its answer nevertheless reports on some of the rows.
    """

    rows: tuple[RecipientOutcome, ...] = field(repr=False)
    accepted: int
    duplicates: int
    rejected: int
    unknown: int
    sandbox: bool = False
    attempts: int = 1
    refusal: EsmsError | None = None

    @property
    def all_accepted(self) -> bool:
        return self.accepted == len(self.rows)

    @classmethod
    def of(
        cls, rows: Sequence[RecipientOutcome], *, sandbox: bool, attempts: int, refusal: EsmsError | None = None
    ) -> BulkSubmission:
        """Count `rows`; duplicates also count as accepted."""
        outcomes = [row.outcome for row in rows]
        return cls(
            rows=tuple(rows),
            accepted=outcomes.count(Outcome.ACCEPTED),
            duplicates=sum(row.duplicate for row in rows),
            rejected=outcomes.count(Outcome.REJECTED),
            unknown=outcomes.count(Outcome.UNKNOWN),
            sandbox=sandbox,
            attempts=attempts,
            refusal=refusal,
        )


@dataclass(frozen=True, slots=True)
class Balance:
    """
    The account.

    Attributes:
        balance_vnd: money left.
        user_id: the account's number.
        server_time: the gateway's clock when it answered, None without a `Date`.
    """

    balance_vnd: Decimal
    user_id: str | None
    server_time: DateTime | None


@dataclass(frozen=True, slots=True)
class SentMessage:
    """
    One row of `get_sms_sent_data`. Its key is (message_id, phone): a portal id is shared by several rows.

    Attributes:
        send_status: 0 composing, 1 in review, 2 queued, 4 rejected, 5 sent, 7 sent and waiting for the last report;
            an unknown value is kept unchanged.
        send_result: 1 success, 0 failed, 2 not known; only meaningful together with `send_status`, see `states`.
    """

    message_id: str | None
    phone: str | None = field(repr=False)
    sms_type: int | str | None
    campaign: str = field(repr=False)
    content: str = field(repr=False)
    price_vnd: Decimal | None
    send_status: int | str | None
    send_result: int | str | None
    sent_at: DateTime | None
    portal_id: str | None


@dataclass(frozen=True, slots=True)
class SentDataPage:
    """
    One page of `get_sms_sent_data`.

    Attributes:
        count_total: rows in the whole range when this page was made; None when the gateway gave no count.
        rows_received: rows on the page, unreadable ones included.
    """

    page: int
    page_size: int
    count_total: int | None
    rows_received: int
    messages: tuple[SentMessage, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SendStatus:
    """
    The totals of one message id; for advertising that is the whole batch.

    Attributes:
        send_status: 1 in review, 2 waiting, 4 rejected, 5 sent; 5 is not success, see `states`.
        receivers, sent, succeeded, failed: counts of recipients.
    """

    message_id: str
    send_status: int | str | None
    receivers: int | None
    sent: int | None
    succeeded: int | None
    failed: int | None
    price_vnd: Decimal | None


@dataclass(frozen=True, slots=True)
class ReceiverStatus:
    """
    One recipient of a message id.

    Attributes:
        sent_result: has no third value: a waiting message looks like a failure until `SendStatus` is final.
    """

    phone: str | None = field(repr=False)
    is_sent: bool | None
    sent_result: bool | None
    network: str | None
    retries: int | None


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """
    A replayed callback (DLR) of one ZNS.

    Attributes:
        totals: its message id, status and counts.
        carrier_id: 1 Viettel, 2 Mobifone, 3 Vinaphone, 4 Vietnamobile, 5 Gmobile, 6 Itel, 7 Reddi.
        request_id: null in every documented sample.
        zalo_message_id: Zalo's own id of the message.
        error_number, error_text: Zalo's own, such as -114 and "User is inactive"; 0 is success.
    """

    totals: SendStatus
    phone: str | None = field(repr=False)
    sms_type: int | str | None
    carrier_id: int | str | None
    request_id: str | None
    oa_id: str | None
    template_id: str | None
    zalo_message_id: str | None
    callback_url: str | None = field(repr=False)
    error_number: int | str | None
    error_text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CallbackData:
    """
    Reports by message id. An id in `missing` is no failure: the message had no callback URL, or has no report yet.
    """

    reports: Mapping[str, DeliveryReport]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ZnsTemplateParam:
    """One variable of a template; lengths in characters, None where the gateway gives none."""

    name: str
    required: bool
    accepts_null: bool
    min_length: int | None
    max_length: int | None
    param_type: str | None


@dataclass(frozen=True, slots=True)
class ZnsTemplate:
    """
    A registered ZNS template; `params` in the order in which a bulk send gives their values.

    Attributes:
        status: only a template with ENABLE can be sent.
        quality: HIGH, MEDIUM, LOW or UNDEFINED.
        has_quota: whether the template has its own quota in addition to that of its OA.
        timeout: Zalo's; the documentation gives no unit.
    """

    template_id: str
    name: str
    status: str | None
    params: tuple[ZnsTemplateParam, ...]
    tag: str | None
    quality: str | None
    daily_quota: int | None
    remaining_quota: int | None
    preview_url: str | None
    has_quota: bool | None = None
    timeout: int | None = None

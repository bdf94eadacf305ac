"""Answers of the gateway -> models. A missing or malformed field becomes None."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from esms_connectors.gateway import wire
from esms_connectors.gateway.answers import Answer, error_of, is_refused_row
from esms_connectors.gateway.codes import CODES_OF_SENDS, ERROR_BY_CODE, explain
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.echoes import folded_id
from esms_connectors.gateway.endpoints import Endpoint
from esms_connectors.gateway.errors import (
    DuplicateRequestError,
    GatewayError,
    MessageNotFoundError,
    OutcomeUnknownError,
)
from esms_connectors.gateway.models import (
    Balance,
    DeliveryReport,
    Outcome,
    ReceiverStatus,
    RecipientOutcome,
    SendStatus,
    SentDataPage,
    SentMessage,
    ZnsTemplate,
    ZnsTemplateParam,
)
from esms_connectors.gateway.phones import read_phone
from esms_connectors.gateway.read_models import VoiceCallStatus, ZnsDeliveryStatus
from esms_connectors.gateway.redaction import get_logger, redact
from esms_connectors.gateway.states import DeliveryState, state_of_totals
from esms_connectors.gateway.wire import Fields, pick

logger = get_logger(__name__)

_PLAIN_ROW = frozenset({"CodeResult", "Phone", "SMSID"})
_ROW_CODE_FIELDS = ("CodeResult", "CodeResponse", "Code")


def has_bulk_rows(fields: Fields) -> bool:
    """Whether an answer reports on single rows."""
    return bool(wire.as_rows(pick(fields, "detail")))


def bulk_rows(answer: Answer, phones: Sequence[str], request_ids: Sequence[str]) -> list[RecipientOutcome]:
    """
    An outcome for each phone, also if `detail` is reordered, incomplete, or has unknown or repeated phones.

    `detail` has no request ids, so rows are matched by phone. A phone without a row is unknown, whether the call as a
    whole was accepted or refused.
    """
    by_phone: dict[str, list[Fields]] = {phone: [] for phone in phones}
    for row in wire.as_rows(pick(answer.fields, "detail")):
        phone = row.get("Phone")
        if not isinstance(phone, str) or phone not in by_phone:
            phone = read_phone(wire.as_text(pick(row, "Phone")) or "")[0]
        if phone in by_phone:
            by_phone[phone].append(row)
    code, reason = _why_unaccounted(answer)
    rows = [
        _bulk_row(by_phone[phone], phone, request_id, answer)
        if by_phone[phone]
        else RecipientOutcome(phone, request_id, Outcome.UNKNOWN, code, reason=reason)
        for phone, request_id in zip(phones, request_ids, strict=True)
    ]
    taken, named = wire.as_count(pick(answer.fields, "TotalSuccess")), sum(row.code == "100" for row in rows)
    if taken is not None and taken != named:
        meaning = (
            "rows that it does not account for are in doubt"
            if taken > named
            else "rows that it names as taken count as accepted; waiting for delivery shows whether they are listed"
        )
        logger.warning(
            "send_zns_bulk: the answer says that %s taken and names %d; %s",
            counted(taken, "message was", "messages were"),
            named,
            meaning,
        )
    return rows


def rows_in_doubt(phones: Sequence[str], request_ids: Sequence[str], refusal: GatewayError) -> list[RecipientOutcome]:
    """All rows as unknown, for a refusal of the whole call that proves that the gateway saw an earlier one."""
    return [
        RecipientOutcome(phone, request_id, Outcome.UNKNOWN, code=refusal.code, reason=str(refusal))
        for phone, request_id in zip(phones, request_ids, strict=True)
    ]


def _why_unaccounted(answer: Answer) -> tuple[str | None, str]:
    """Code and reason of a row that the answer does not account for."""
    reason = "the answer does not account for this row"
    match answer.refusal:
        case GatewayError() as refusal:
            return refusal.code, redact(f"{reason}, the call was refused: {refusal}")
        case OutcomeUnknownError() as refusal:
            return refusal.refusal_code, redact(f"{reason}: {refusal}")
    return answer.refused_before, reason


def _bulk_row(rows: Sequence[Fields], phone: str, request_id: str, answer: Answer) -> RecipientOutcome:
    if len(rows) == 1 and rows[0].get("CodeResult") == "100" and rows[0].keys() <= _PLAIN_ROW:
        # Fast path for nearly every row; the careful one below takes five times as long.
        return RecipientOutcome(
            phone,
            request_id,
            Outcome.ACCEPTED,
            code="100",
            message_id=wire.not_echoed(wire.as_text(rows[0].get("SMSID")), (phone,)),
        )
    return _odd_bulk_row(rows, phone, request_id, answer)


def _odd_bulk_row(rows: Sequence[Fields], phone: str, request_id: str, answer: Answer) -> RecipientOutcome:
    def unknown(reason: str, code: str | None = None, **more: Any) -> RecipientOutcome:
        return RecipientOutcome(phone, request_id, Outcome.UNKNOWN, code=code, reason=redact(reason), **more)

    try:
        codes = {wire.read_code(row, _ROW_CODE_FIELDS) for row in rows}
    except wire.UnreadableAnswerError as error:
        return unknown(f"the answer has {error} for this row")
    if len(codes) > 1:
        return unknown(f"the answer has several codes for this row ({', '.join(sorted(codes))})")
    code = codes.pop()
    message_id = next((text for row in rows if (text := wire.as_text(pick(row, "SMSID")))), None)
    shown_id = wire.not_echoed(message_id, (phone,))
    if code == "124" and answer.refused_before is not None:
        return unknown("124 after a refusal, which may have used up the request id", answer.refused_before)
    if code in ("100", "124"):
        return RecipientOutcome(
            phone, request_id, Outcome.ACCEPTED, code=code, message_id=shown_id, duplicate=code == "124"
        )
    if code not in CODES_OF_SENDS:
        return unknown("a code that the gateway does not document", redact(code), message_id=shown_id)
    if ERROR_BY_CODE.get(code) is DuplicateRequestError:
        return unknown(explain(code), code)
    if not is_refused_row(code, message_id):
        return unknown(f"refused, but with a message id: {explain(code)}", code, message_id=shown_id, refused=True)
    if answer.in_doubt:
        # A check made before the request id is looked up may refuse a repeat; it says nothing about the lost attempt.
        doubt = f"an earlier attempt may have been accepted, the repeat was refused: {explain(code)}"
        return unknown(doubt, code, refused=True)
    said = redact(wire.as_text(pick(rows[0], "ErrorMessage", "Message")) or "")[:200]
    reason = explain(code) + (f" ({said})" if said else "")
    return RecipientOutcome(phone, request_id, Outcome.REJECTED, code=code, reason=reason, refused=True)


def account_refusals(endpoint: Endpoint, rows: Sequence[RecipientOutcome]) -> Iterator[GatewayError]:
    """The refusals among `rows` that concern the account, so that the next call would fail too."""
    codes = {row.code for row in rows if row.code is not None and row.outcome is not Outcome.ACCEPTED}
    for code in sorted(codes & ERROR_BY_CODE.keys()):
        refusal = error_of(endpoint, code, {})
        if refusal.stops_run:
            yield refusal


def balance(answer: Answer) -> Balance:
    amount = wire.as_price(pick(answer.fields, "Balance"))
    if amount is None:
        raise OutcomeUnknownError(
            "get_balance was answered with a success code but without a balance. Reading again is safe.",
            retryable=True,
            endpoint="get_balance",
        )
    return Balance(amount, wire.as_text(pick(answer.fields, "UserID")), answer.server_time)


def sent_data_page(answer: Fields, page: int, page_size: int) -> SentDataPage:
    rows, count_total = pick(answer, "SentData"), wire.as_count(pick(answer, "CountTotal"))
    if not isinstance(rows, list) and count_total is None:
        # An empty range has an empty list or a count; an answer with neither must not be read as empty.
        raise OutcomeUnknownError(
            "get_sms_sent_data was answered with a success code but without rows or a count. Reading again is safe.",
            retryable=True,
            endpoint="get_sms_sent_data",
        )
    messages = tuple(_sent_message(row) for row in wire.as_rows(rows))
    return SentDataPage(
        page=page,
        page_size=page_size,
        count_total=count_total,
        rows_received=len(rows) if isinstance(rows, list) else 0,
        messages=messages,
    )


def _sent_message(row: Fields) -> SentMessage:
    return SentMessage(
        message_id=wire.as_text(pick(row, "ReferenceId", "RefercenceId")),
        phone=wire.as_text(pick(row, "Phone")),
        sms_type=wire.as_number(pick(row, "SmsType")),
        campaign=wire.as_verbatim(pick(row, "Campaign")),
        content=wire.as_verbatim(pick(row, "Content")),
        price_vnd=wire.as_price(pick(row, "SellPrice")),
        send_status=wire.as_number(pick(row, "SendStatus")),
        send_result=wire.as_number(pick(row, "SendResult")),
        sent_at=wire.as_time(pick(row, "SentTime")),
        portal_id=wire.as_text(pick(row, "SmsId")),
    )


def check_is_about(answer: Fields, message_id: str, echo: str, endpoint: str) -> None:
    """
    Check that an answer about one message repeats the id that was asked for, or none.

    Raises:
        MessageNotFoundError: it is about another message.
    """
    told = wire.as_text(pick(answer, echo))
    if told is not None and folded_id(told) != folded_id(message_id):
        raise MessageNotFoundError(
            f"{endpoint} was answered about another message than the one that was asked for: that proves nothing.",
            code="100",
            endpoint=endpoint,
        )


def send_status(answer: Fields, message_id: str) -> SendStatus:
    return SendStatus(
        message_id=wire.as_text(pick(answer, "SMSID")) or message_id,
        send_status=wire.as_number(pick(answer, "SendStatus")),
        receivers=wire.as_count(pick(answer, "TotalReceiver")),
        sent=wire.as_count(pick(answer, "TotalSent")),
        succeeded=wire.as_count(pick(answer, "SendSuccess")),
        failed=wire.as_count(pick(answer, "SendFailed")),
        price_vnd=wire.as_price(pick(answer, "TotalPrice")),
    )


def receiver_statuses(answer: Fields) -> tuple[ReceiverStatus, ...]:
    rows = pick(answer, "ReceiverList")
    if not isinstance(rows, list):
        raise OutcomeUnknownError(
            "get_sms_receiver_status was answered with a success code but without recipients. Reading again is safe.",
            retryable=True,
            endpoint="get_sms_receiver_status",
        )
    return tuple(
        ReceiverStatus(
            phone=wire.as_text(pick(row, "Phone")),
            is_sent=wire.as_flag(pick(row, "IsSent")),
            sent_result=wire.as_flag(pick(row, "SentResult", "SendResult")),
            network=wire.as_text(pick(row, "NetworkName")),
            retries=wire.as_count(pick(row, "Retry")),
        )
        for row in wire.as_rows(rows)
    )


def delivery_reports(answer: Fields, asked: Sequence[str]) -> dict[str, DeliveryReport]:
    """
    Reports by message id, as it was asked for. Rows without an id, or about other messages, cannot be used. Of several
    about one message the final one counts, and of two final ones that of the attempt that reached the phone.
    """
    reports: dict[str, DeliveryReport] = {}
    spelled = {folded_id(one): one for one in asked}
    for row in wire.as_rows(pick(answer, "Data_callback")):
        message_id = spelled.get(folded_id(wire.as_text(pick(row, "SMSID")) or ""))
        if message_id is None:
            continue
        if (known := reports.get(message_id)) is not None and _is_earlier(send_status(row, message_id), known.totals):
            continue
        error_number, error_text = wire.read_error_info(wire.as_text(pick(row, "ErrorInfo", "error_info")))
        reports[message_id] = DeliveryReport(
            totals=send_status(row, message_id),
            phone=wire.as_text(pick(row, "PhoneNumber")),
            sms_type=wire.as_number(pick(row, "TypeId")),
            carrier_id=wire.as_number(pick(row, "Telcoid")),
            request_id=wire.as_text(pick(row, "RequestId")),
            oa_id=wire.as_text(pick(row, "OAId")),
            template_id=wire.as_text(pick(row, "ZnsTempId", "tempid")),
            zalo_message_id=wire.as_text(pick(row, "Partnerids")),
            callback_url=wire.as_text(pick(row, "CallbackUrl")),
            error_number=error_number,
            error_text=error_text,
        )
    return reports


def _is_earlier(totals: SendStatus, known: SendStatus) -> bool:
    """Whether a report says less than the one that is known: their order is not documented."""

    def rank(one: SendStatus) -> int:
        state = state_of_totals(one.send_status, one.receivers, one.succeeded, one.failed)
        return 2 if state is DeliveryState.DELIVERED else int(state.is_final)

    return rank(totals) < rank(known)


def zns_template(answer: Fields, template_id: str) -> ZnsTemplate:
    template = pick(answer, "Data")
    if not isinstance(template, dict):
        raise OutcomeUnknownError(
            "get_zns_template was answered with a success code but without a template. Reading again is safe.",
            retryable=True,
            endpoint="get_zns_template",
        )
    return ZnsTemplate(
        template_id=wire.as_text(pick(template, "TemplateId")) or template_id,
        name=wire.as_verbatim(pick(template, "TemplateName")),
        status=wire.as_text(pick(template, "Status")),
        params=tuple(
            ZnsTemplateParam(
                name=wire.as_text(pick(param, "Name")) or f"param {position}",
                required=wire.as_flag(pick(param, "Require")) is not False,
                accepts_null=wire.as_flag(pick(param, "AcceptNull")) is True,
                min_length=wire.as_count(pick(param, "MinLength")),
                max_length=wire.as_count(pick(param, "MaxLength")),
                param_type=wire.as_text(pick(param, "Type")),
            )
            for position, param in enumerate(wire.as_rows(pick(template, "ListParams")), start=1)
        ),
        tag=wire.as_text(pick(template, "TemplateTag")),
        quality=wire.as_text(pick(template, "TemplateQuality")),
        daily_quota=wire.as_count(pick(template, "TemplateDailyQuota")),
        remaining_quota=wire.as_count(pick(template, "TemplateRemainingQuota")),
        preview_url=wire.as_text(pick(template, "PreviewUrl")),
        has_quota=wire.as_flag(pick(template, "ApplyTemplateQuota")),
        timeout=wire.as_count(pick(template, "Timeout")),
    )


def zns_delivery_status(answer: Fields) -> ZnsDeliveryStatus:
    found = pick(answer, "Data")
    if not isinstance(found, dict):
        raise OutcomeUnknownError(
            "get_zns_delivery_status was answered with a success code but without a status. Reading again is safe.",
            retryable=True,
            endpoint="get_zns_delivery_status",
        )
    return ZnsDeliveryStatus(
        status=wire.as_number(pick(found, "status")),
        message=wire.as_text(pick(found, "message")),
        delivered_at=wire.as_epoch_time(pick(found, "delivery_time")),
    )


def voice_call_status(answer: Fields, message_id: str) -> VoiceCallStatus:
    return VoiceCallStatus(
        message_id=wire.as_text(pick(answer, "ReferenceId")) or message_id,
        send_status=wire.as_number(pick(answer, "SendStatus")),
        sent_result=wire.as_number(pick(answer, "SentResult")),
        call_status=wire.as_text(pick(answer, "CallStatus")),
        duration_seconds=wire.as_count(pick(answer, "CallDuration")),
        key_pressed=wire.as_text(pick(answer, "Ivr")),
    )

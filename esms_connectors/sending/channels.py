"""
How one chunk of claimed rows is sent, per kind of message: ZNS in bulk, customer-care SMS one by one, advertising in
one frozen batch. Turns every answer, and every lack of one, into a settlement for each row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import pendulum

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.codes import ERROR_BY_CODE
from esms_connectors.gateway.endpoints import SEND_ADVERTISING_SMS, SEND_CUSTOMER_CARE_SMS, SEND_ZNS_BULK, Endpoint
from esms_connectors.gateway.errors import (
    AccountSetupError,
    AddressNotAllowedError,
    AuthenticationError,
    DuplicateRequestError,
    EsmsError,
    GatewayError,
    InvalidRequestError,
    NotAllowedToLeaveError,
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
    RecipientError,
    RequestRefusedError,
)
from esms_connectors.gateway.models import (
    Outcome,
    RecipientOutcome,
    Submission,
    ZnsRecipient,
    ZnsTemplate,
)
from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.ledger import Claim, SendState, Settlement
from esms_connectors.recipients import Recipient
from esms_connectors.sending.texts import check_placeholders, fill_text, sms_text


@dataclass(frozen=True, slots=True)
class ChunkOutcome:
    """
    What came of a chunk.

    Attributes:
        settlements: one for each claim.
        stop: the refusal that would meet every further row too.
        answered: whether the gateway answered at all.
        late: the rows that were not sent were not allowed to leave any more.
    """

    settlements: list[Settlement]
    stop: GatewayError | None = None
    answered: bool = True
    late: bool = False


# Whether claimed rows may leave now; asked with the connection ready, for each attempt of each call.
MayLeave = Callable[[Sequence[Claim]], bool]


class Channel(Protocol):
    """One kind of message within a run."""

    client: EsmsClient
    endpoint: Endpoint
    kind: str
    chunk_size: int
    smallest_chunk: int
    # Whether a chunk can only be repeated as a whole, with exactly the rows of its first try.
    frozen: bool

    def about(self) -> dict[str, str]:
        """What is the same for all rows of a run."""
        ...

    def payload(self, recipient: Recipient) -> str:
        """What this row would get; another text under the same run key is an error."""
        ...

    def send(
        self, claims: Sequence[Claim], recipients: Sequence[Recipient], campaign: str, may_leave: MayLeave
    ) -> ChunkOutcome:
        """Send the claimed rows; never raises for what the gateway or the network do."""
        ...


def _scheduled(send_at: datetime | None) -> dict[str, str]:
    """For `Channel.about`: until then a message may not be listed anywhere, so its absence proves nothing."""
    return {} if send_at is None else {"send_at": pendulum.instance(send_at).in_timezone("UTC").to_iso8601_string()}


@dataclass(slots=True)
class ZnsChannel:
    """Bulk ZNS: at most 500 rows a call, each under its own request id."""

    client: EsmsClient
    template_id: str
    oa_id: str
    send_at: datetime | None = None
    callback_url: str | None = None
    sending_mode: int | None = None
    template: ZnsTemplate | None = None
    chunk_size: int = SEND_ZNS_BULK.max_items or 500
    kind: str = "zns"
    endpoint: Endpoint = SEND_ZNS_BULK
    frozen: bool = False
    smallest_chunk: int = 1

    def about(self) -> dict[str, str]:
        return {"template_id": self.template_id, "oa_id": self.oa_id, **_scheduled(self.send_at)}

    def payload(self, recipient: Recipient) -> str:
        # With its length before each value, so that no two lists of values are written alike.
        return "".join([f"{len(value)}:{value}" for value in self._positional(recipient)])

    def _positional(self, recipient: Recipient) -> tuple[str, ...]:
        params = recipient.template_params
        if isinstance(params, tuple):
            return params
        if self.template is None:
            raise InvalidRequestError(
                "Values by name need the template, which knows their order: give it, or values by position.",
                field="template",
            )
        # A variable that nobody mapped is one that may be empty, or the row would have been rejected.
        return tuple(params.get(param.name, "") for param in self.template.params)

    def send(
        self, claims: Sequence[Claim], recipients: Sequence[Recipient], campaign: str, may_leave: MayLeave
    ) -> ChunkOutcome:
        elements = [
            ZnsRecipient(recipient.phone, self._positional(recipient), claim.wire_id)
            for claim, recipient in zip(claims, recipients, strict=True)
        ]
        try:
            bulk = self.client.only_while(lambda: may_leave(claims)).send_zns_bulk(
                elements,
                self.template_id,
                self.oa_id,
                send_at=self.send_at,
                campaign=campaign,
                callback_url=self.callback_url,
                sending_mode=self.sending_mode,
            )
        except InvalidRequestError:
            raise
        except EsmsError as error:
            return whole_chunk(claims, error)
        settlements = [
            _of_row(claim, row, others_accepted=bulk.accepted > 0) for claim, row in zip(claims, bulk.rows, strict=True)
        ]
        refusals = (_stopping_error(row.code, others_accepted=bulk.accepted > 0) for row in bulk.rows if row.refused)
        stop = next((refusal for refusal in refusals if refusal is not None), None)
        return ChunkOutcome(settlements, _stopping(bulk.refusal) or stop)


@dataclass(slots=True)
class CareSmsChannel:
    """Customer-care SMS: a request for each row. `text` may hold `{name}` for each named param."""

    client: EsmsClient
    text: str
    brandname: str
    send_at: datetime | None = None
    callback_url: str | None = None
    # Settled together; small, because after a crash all of them are in doubt.
    chunk_size: int = 20
    kind: str = "customer_care"
    endpoint: Endpoint = SEND_CUSTOMER_CARE_SMS
    frozen: bool = False
    smallest_chunk: int = 1

    def __post_init__(self) -> None:
        self.text = sms_text(self.text)
        check_placeholders(self.text)

    def about(self) -> dict[str, str]:
        return {"brandname": self.brandname, **_scheduled(self.send_at)}

    def payload(self, recipient: Recipient) -> str:
        return fill_text(self.text, recipient)

    def send(
        self, claims: Sequence[Claim], recipients: Sequence[Recipient], campaign: str, may_leave: MayLeave
    ) -> ChunkOutcome:
        settlements: list[Settlement] = []
        for position, (claim, recipient) in enumerate(zip(claims, recipients, strict=True)):
            client = self.client.only_while(lambda claim=claim: may_leave([claim]))  # type: ignore[misc]
            outcome = _single(
                claim,
                lambda client=client, claim=claim, recipient=recipient: client.send_customer_care_sms(  # type: ignore[misc]
                    recipient.phone,
                    fill_text(self.text, recipient),
                    self.brandname,
                    send_at=self.send_at,
                    campaign=campaign,
                    callback_url=self.callback_url,
                    request_id=claim.wire_id,
                ),
            )
            settlements += outcome.settlements
            if outcome.stop is not None or not outcome.answered or outcome.late:
                # The rest was not tried, and certainly not sent.
                rest = [Settlement(untried.request_id, SendState.NOT_SENT) for untried in claims[position + 1 :]]
                return replace(outcome, settlements=settlements + rest)
        return ChunkOutcome(settlements)


@dataclass(slots=True)
class AdvertisingChannel:
    """Advertising SMS: one text to 30 to 5000 numbers under one request id; a chunk is repeated whole or not at all."""

    client: EsmsClient
    text: str
    brandname: str
    run_key: str
    send_at: datetime | None = None
    callback_url: str | None = None
    chunk_size: int = SEND_ADVERTISING_SMS.max_items or 5000
    kind: str = "advertising"
    endpoint: Endpoint = SEND_ADVERTISING_SMS
    frozen: bool = True
    smallest_chunk: int = SEND_ADVERTISING_SMS.min_items

    def __post_init__(self) -> None:
        self.text = sms_text(self.text)

    def about(self) -> dict[str, str]:
        return {"brandname": self.brandname, **_scheduled(self.send_at)}

    def payload(self, recipient: Recipient) -> str:
        return self.text

    def send(
        self, claims: Sequence[Claim], recipients: Sequence[Recipient], campaign: str, may_leave: MayLeave
    ) -> ChunkOutcome:
        # Of the rows' own ids: the same rows give the same id, other rows another.
        request_id = make_request_id("chunk", self.run_key, *(claim.wire_id for claim in claims))
        try:
            sent = self.client.only_while(lambda: may_leave(claims)).send_advertising_sms(
                [recipient.phone for recipient in recipients],
                self.text,
                self.brandname,
                send_at=self.send_at,
                callback_url=self.callback_url,
                request_id=request_id,
            )
        except InvalidRequestError:
            raise
        except EsmsError as error:
            return whole_chunk(claims, error)
        return ChunkOutcome([_accepted(claim, sent) for claim in claims])


# Refusals of whoever calls, or none at all.
_NOT_ABOUT_A_ROW = (AuthenticationError, AddressNotAllowedError, DuplicateRequestError)


def whole_chunk(claims: Sequence[Claim], error: EsmsError) -> ChunkOutcome:
    """The settlement of every row of a call that brought an error instead of rows."""
    late = isinstance(error, NotAllowedToLeaveError)
    code = _code_of(error)
    match error:
        case OutcomeUnknownError():
            state, answered = SendState.UNKNOWN, code is not None
        case NotSentError():
            state, answered = SendState.NOT_SENT, late
        case GatewayError() if not error.nothing_taken:
            # Refused as a whole, which is no word about any row; or a 124 for many, of whom some went out before.
            state, answered = SendState.UNKNOWN, True
        case RecipientError() | RequestRefusedError() if len(claims) == 1:
            state, answered = SendState.REJECTED, True
        case _:
            # The gateway said no to the call before it looked at any row; after a repair all may go again.
            state, answered = SendState.NOT_SENT, True
    reason = str(error)
    # An id may stand beside a code; it is what the row can be looked up by.
    message_id = error.message_id if isinstance(error, GatewayError) and len(claims) == 1 else None
    refused = len(claims) == 1 and code is not None and not isinstance(error, _NOT_ABOUT_A_ROW)
    settlements = [
        Settlement(claim.request_id, state, code=code, message_id=message_id, reason=reason, id_refused=refused)
        for claim in claims
    ]
    return ChunkOutcome(settlements, _stopping(error), answered, late)


def _stopping(error: EsmsError | None) -> GatewayError | None:
    """The refusal, if every further row would meet it too."""
    if isinstance(error, GatewayError) and (error.stops_run or isinstance(error, AccountSetupError)):
        return error
    return None


def _code_of(error: EsmsError) -> str | None:
    match error:
        case GatewayError(attempts=0):
            # Never tried, because another call was refused: nothing was said about these rows.
            return None
        case GatewayError():
            return error.code
        case OutcomeUnknownError():
            return error.refusal_code
    return None


def _single(claim: Claim, send: Callable[[], Submission]) -> ChunkOutcome:
    try:
        sent = send()
    except InvalidRequestError as error:
        return ChunkOutcome([Settlement(claim.request_id, SendState.REJECTED, reason=str(error))])
    except EsmsError as error:
        return whole_chunk([claim], error)
    return ChunkOutcome([_accepted(claim, sent)])


def _accepted(claim: Claim, sent: Submission) -> Settlement:
    return Settlement(
        claim.request_id,
        SendState.ACCEPTED,
        code="124" if sent.duplicate else "100",
        message_id=sent.message_id,
        duplicate=sent.duplicate,
    )


def _of_row(claim: Claim, row: RecipientOutcome, *, others_accepted: bool) -> Settlement:
    error = ERROR_BY_CODE.get(row.code or "", GatewayError)
    match row.outcome:
        case Outcome.ACCEPTED:
            state = SendState.ACCEPTED
        case Outcome.UNKNOWN:
            state = SendState.UNKNOWN
        case _ if error.stops_run or issubclass(error, RateLimitedError):
            state = SendState.NOT_SENT
        case _ if issubclass(error, AccountSetupError) and not others_accepted:
            state = SendState.NOT_SENT
        case _:
            state = SendState.REJECTED
    refused = row.refused and not issubclass(error, _NOT_ABOUT_A_ROW)
    return Settlement(claim.request_id, state, row.code, row.message_id, row.duplicate, row.reason, refused)


def _stopping_error(code: str | None, *, others_accepted: bool) -> GatewayError | None:
    """What every further row would meet too; a template that fits other rows of the call is not set up wrongly."""
    error = ERROR_BY_CODE.get(code or "", GatewayError)
    if code is None or not (error.stops_run or (issubclass(error, AccountSetupError) and not others_accepted)):
        return None
    return error(f"A row was refused with code {code}, which every further row would be too.", code=code)

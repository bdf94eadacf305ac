"""Turns every answer of the gateway, or the lack of one, into a settlement of each row; shared by all channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from esms_connectors.gateway.codes import CODES_OF_SENDS, ERROR_BY_CODE
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
from esms_connectors.gateway.models import Outcome, RecipientOutcome, Submission
from esms_connectors.ledger import SendState
from esms_connectors.ledger.rows import Claim, Settlement
from esms_connectors.sending.channels.base import ChunkOutcome

# These refuse the caller, or are not refusals at all.
_NOT_ABOUT_A_ROW = (AuthenticationError, AddressNotAllowedError, DuplicateRequestError)


def whole_chunk(claims: Sequence[Claim], error: EsmsError) -> ChunkOutcome:
    """Settle every row of a call that raised an error instead of returning rows."""
    late = isinstance(error, NotAllowedToLeaveError)
    code = _code_of(error)
    match error:
        case OutcomeUnknownError():
            state, answered = SendState.UNKNOWN, code is not None
        case NotSentError():
            state, answered = SendState.NOT_SENT, late
        case GatewayError() if not error.nothing_taken:
            # Refused as a whole, which says nothing about single rows; or a 124 for many rows, some sent before.
            state, answered = SendState.UNKNOWN, True
        case RecipientError() | RequestRefusedError() if len(claims) == 1:
            state, answered = SendState.REJECTED, True
        case _:
            # The gateway refused the call before it looked at any row; once that is fixed, all rows may be sent again.
            state, answered = SendState.NOT_SENT, True
    reason = str(error)
    # A code may come with an id, by which the row can be looked up.
    message_id = error.message_id if isinstance(error, GatewayError) and len(claims) == 1 else None
    refused = len(claims) == 1 and code is not None and not isinstance(error, _NOT_ABOUT_A_ROW)
    whole = state is SendState.UNKNOWN and _refuses_all(error)
    settlements = [
        Settlement(claim.request_id, state, code, message_id, False, reason, refused, refused_whole=whole)
        for claim in claims
    ]
    return ChunkOutcome(settlements, stops_run(error), answered, late)


def stops_run(error: EsmsError | None) -> GatewayError | None:
    """The refusal, if every further row would get it too."""
    if isinstance(error, GatewayError) and (error.stops_run or isinstance(error, AccountSetupError)):
        return error
    return None


def _code_of(error: EsmsError | None) -> str | None:
    match error:
        case GatewayError(attempts=0):
            # Never tried, because another call was refused: this says nothing about these rows.
            return None
        case GatewayError():
            return error.code
        case OutcomeUnknownError():
            return error.refusal_code
    return None


def send_single(claim: Claim, send: Callable[[], Submission]) -> ChunkOutcome:
    try:
        sent = send()
    except InvalidRequestError as error:
        return ChunkOutcome([Settlement(claim.request_id, SendState.REJECTED, reason=str(error))])
    except EsmsError as error:
        return whole_chunk([claim], error)
    return ChunkOutcome([settle_accepted(claim, sent)])


def settle_accepted(claim: Claim, sent: Submission) -> Settlement:
    return Settlement(
        claim.request_id,
        SendState.ACCEPTED,
        code="124" if sent.duplicate else "100",
        message_id=sent.message_id,
        duplicate=sent.duplicate,
    )


def settle_row(
    claim: Claim, row: RecipientOutcome, refusal: EsmsError | None = None, *, others_accepted: bool
) -> Settlement:
    """Settle one row of an answer; `refusal` is the refusal of its call as a whole, if any."""
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
    # Missing from an answer that refuses the call, and not refused itself.
    whole = state is SendState.UNKNOWN and not row.refused and row.message_id is None and _refuses_all(refusal)
    return Settlement(
        claim.request_id,
        state,
        row.code,
        row.message_id,
        row.duplicate,
        row.reason,
        refused,
        refused_whole=whole and row.code == _code_of(refusal),
    )


def _refuses_all(error: EsmsError | None) -> bool:
    """
    Whether the error refuses a call with a documented code, and no answer of that call was lost. This may still say
    nothing about single rows, so they are in doubt, but they can be shown not to have been accepted.
    """
    return (
        isinstance(error, GatewayError)
        and not isinstance(error, DuplicateRequestError)
        and error.code in CODES_OF_SENDS
        and error.message_id is None
        and error.attempts > 0
    )


def stopping_refusal(code: str | None, *, others_accepted: bool) -> GatewayError | None:
    """A refusal that every further row would get too; a template that fits other rows of the call is not at fault."""
    error = ERROR_BY_CODE.get(code or "", GatewayError)
    if code is None or not (error.stops_run or (issubclass(error, AccountSetupError) and not others_accepted)):
        return None
    return error(f"A row was refused with code {code}, and so would every further row.", code=code)

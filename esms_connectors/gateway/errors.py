"""
The errors of this package. The class says what the caller should do next; the code says why.

EsmsError
├── ConfigurationError            keys, base URL, sandbox flag, extras: fix the set-up; nothing was sent
├── InvalidRequestError           an argument is wrong (field, row): fix it; nothing was sent
├── NotSentError                  the request was certainly not sent: repeat freely
│   └── NotAllowedToLeaveError    the permission to send was lost just before
├── OutcomeUnknownError           sent, without a readable answer: repeat only with the same request id
├── UnexpectedError               an error of another library, reduced to its class and place
├── IncompleteAnswerError         fewer rows arrived than the gateway announced: read again
└── GatewayError                  the gateway answered with a code
    ├── AuthenticationError       101: wrong keys                               stops the run
    ├── AddressNotAllowedError    140: this machine's address is not listed     stops the run
    ├── BalanceError              103: not enough money                         stops the run
    ├── AccountSetupError         102 104 106 204 789 790 799 802: a person must set something up
    ├── RecipientError            99 108 115 146 171 177: this recipient or text only, continue with the others
    ├── RequestRefusedError       107 110 118 120 ... : the call is built wrongly
    ├── DuplicateRequestError     124 199: an earlier request had this request id
    ├── MessageNotFoundError      105: too early, too old or unknown; never proof that it was not sent
    ├── RateLimitedError          160, HTTP 429 for a read: wait, then repeat
    └── UnlistedCodeError         an undocumented code; on a send also an OutcomeUnknownError
"""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from esms_connectors.gateway.redaction import redact


class EsmsError(Exception):
    """
    Base of every error raised by this package.

    Attributes:
        retryable: whether the same call, with the same request id, may be repeated later.
    """

    retryable: bool = False

    def __init__(self, message: str) -> None:
        # Redacted here, so that no caller has to remember it.
        super().__init__(redact(message))

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only constructors do not survive pickling, and task runners pickle errors.
        return type(self).__new__, (type(self), *self.args), self.__dict__


class UnexpectedError(EsmsError):
    """
    An unexpected error of another library, reduced to its class and place because its text may quote rows or a part of
    a password. `retryable` if it is an error of the machine or the network.
    """


def unexpected(error: Exception) -> UnexpectedError:
    """What adapters raise instead of a foreign error; raise it outside the `except` block, so that none is chained."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{Path(one.filename).parent.name}/{Path(one.filename).name}, line {one.lineno}" for one in frames[-1:]]
    known = error.strerror if isinstance(error, OSError) and error.errno is not None else None
    said = f": {known}" if known is not None and known == os.strerror(getattr(error, "errno", 0)) else ""
    found = UnexpectedError(
        f"Unexpected {type(error).__name__}{said} ({''.join(where) or 'nowhere'}). Its text is omitted: it may quote "
        "rows or passwords."
    )
    found.retryable = isinstance(error, OSError)
    return found


@contextlib.contextmanager
def foreign_errors(ours: Callable[[Exception], EsmsError]) -> Iterator[None]:
    """
    Replace errors of other libraries, whose texts may quote addresses, rows or passwords; ours pass.

    Args:
        ours: what to raise instead.
    """
    try:
        yield
        return
    except EsmsError:
        raise
    except Exception as error:  # noqa: BLE001 - other libraries may raise anything
        found = ours(error)
    raise_without_context(found)


def raise_without_context(error: BaseException) -> NoReturn:
    """Raise without `__context__`, which would otherwise be the error that the context manager is handling."""
    try:
        raise error from None
    finally:
        error.__context__ = None


class ConfigurationError(EsmsError):
    """The set-up is wrong: keys, base URL, sandbox flag, a missing extra. Nothing was sent."""


class InvalidRequestError(EsmsError):
    """
    An argument cannot be sent as it is. Nothing was sent; in a bulk run, the invalid row was not sent.

    Attributes:
        field: the name of the invalid argument in this package.
        row: its position in the given list, counted from 0, or None where there is no list.
        others_sent: in a bulk run: other rows had been sent before this one was reached.
    """

    others_sent: bool = False

    def __init__(self, message: str, *, field: str, row: int | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.row = row


class _CallError(EsmsError):
    """Base of the errors about one call to the gateway."""

    def __init__(self, message: str, *, endpoint: str = "", request_id: str | None = None, attempts: int = 1) -> None:
        super().__init__(message)
        self.endpoint = endpoint
        self.request_id = request_id
        self.attempts = attempts


class NotSentError(_CallError):
    """The request was certainly not sent: refused connection, unknown host, failed TLS handshake. Repeat freely."""

    retryable = True


class NotAllowedToLeaveError(NotSentError):
    """
    Nothing was sent, because permission had been lost by the time the request was ready, see `EsmsClient.only_while`.
    The machine slept, another worker took over the rows, or the day of the request id ended.
    """


class OutcomeUnknownError(_CallError):
    """
    The request was sent and no readable answer came: timeout, dropped connection, 5xx, HTML, empty or truncated body.

    A read may be repeated at once. A send may have been accepted: repeat it only with the same request id and inside
    the gateway's duplicate window, or look the message up first. `retryable` says which of the two this is.

    Attributes:
        refusal_code: the code with which a repeat was refused. It says nothing about the attempt before, but may have
            used up the request id, so that a later 124 does not prove that anything was accepted.
    """

    def __init__(self, message: str, *, retryable: bool = False, refusal_code: str | None = None, **about: Any) -> None:
        super().__init__(message, **about)
        self.retryable = retryable
        self.refusal_code = refusal_code


class IncompleteAnswerError(_CallError):
    """
    Fewer rows arrived than the gateway announced, so something changed while pages were read. Read the window again.

    Attributes:
        expected, received: rows announced by CountTotal, distinct rows received.
    """

    retryable = True

    def __init__(self, message: str, *, expected: int, received: int, **about: Any) -> None:
        super().__init__(message, **about)
        self.expected = expected
        self.received = received


class GatewayError(_CallError):
    """
    The gateway answered with a code other than success.

    Attributes:
        code: the gateway's code as text, unchanged; `esms explain CODE` describes it.
        gateway_message: the gateway's own text, redacted; often empty, sometimes misleading.
        message_id: an id in the error answer. It does not mean that the message was accepted.
        nothing_taken: whether the refusal proves that no message of the call was accepted. The refusal of a call for
            several messages does not, except for keys (101) and address (140); nor does one with a message id, except
            146, which is documented to have one. Without proof, repeat only with the same request id; a 124 is then no
            proof that anything was accepted.
    """

    # True if the refusal concerns the account and not this message, so that the next message will fail too.
    stops_run: bool = False

    def __init__(
        self,
        message: str,
        *,
        code: str,
        gateway_message: str = "",
        message_id: str | None = None,
        nothing_taken: bool = True,
        **about: Any,
    ) -> None:
        super().__init__(message, **about)
        self.code = code
        self.gateway_message = redact(gateway_message)
        self.message_id = message_id
        self.nothing_taken = nothing_taken


class AuthenticationError(GatewayError):
    """Code 101: ApiKey or SecretKey is wrong. A person must fix it; all other calls will fail too."""

    stops_run = True


class AddressNotAllowedError(GatewayError):
    """Code 140: the gateway does not accept calls from this address. Ask eSMS to list it."""

    stops_run = True


class BalanceError(GatewayError):
    """
    Code 103: not enough money. Further sends will fail too; top up, then send the refused messages with new request
    ids. (The gateway does not say whether a refusal uses up a request id. The ledger takes care of this.)
    """

    stops_run = True


class AccountSetupError(GatewayError):
    """A brandname, OA, template or price list is missing or not ready. A person must set it up."""


class RecipientError(GatewayError):
    """This recipient or this text is refused permanently. Others are not affected."""


class RequestRefusedError(GatewayError):
    """The call as a whole is malformed or too large. Fix the call."""


class DuplicateRequestError(GatewayError):
    """An earlier request had this request id. A send turns it into a `Submission` marked `duplicate`."""


class MessageNotFoundError(GatewayError):
    """
    Code 105: unknown id, too early, older than 7 days, or an empty range; or an answer about another message. Never
    proof that nothing was sent.
    """

    retryable = True


class RateLimitedError(GatewayError):
    """
    Code 160, or HTTP 429 for a read: more requests per second than the account may make. Wait, then repeat.

    Attributes:
        retry_after_seconds: how long the gateway asked to wait, or None.
    """

    retryable = True

    def __init__(self, message: str, *, retry_after_seconds: float | None = None, **about: Any) -> None:
        super().__init__(message, **about)
        self.retry_after_seconds = retry_after_seconds


class UnlistedCodeError(GatewayError):
    """A code that is in no table of the gateway. It is kept unchanged."""


class UnlistedSendCodeError(UnlistedCodeError, OutcomeUnknownError):
    """A send answered with an undocumented code: it may have been accepted, so it is not sent again."""

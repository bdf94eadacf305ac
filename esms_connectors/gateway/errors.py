"""
The errors of this package, one tree. A class says what the caller should do next; the code says why.

EsmsError
├── ConfigurationError            keys, base URL, sandbox flag, extras: fix the set-up; nothing was sent
├── InvalidRequestError           an argument is wrong (field, row): fix it; nothing was sent
├── NotSentError                  the request certainly never left: repeat freely
│   └── NotAllowedToLeaveError    whoever sends lost the right to, at the last moment
├── OutcomeUnknownError           it left, no readable answer came: only the same request id may go again
├── UnexpectedError               an error of another library, by its class and place only
├── IncompleteAnswerError         fewer rows came than the gateway announced: read again
└── GatewayError                  the gateway answered with a code
    ├── AuthenticationError       101: wrong keys                               stops the run
    ├── AddressNotAllowedError    140: this machine's address is not listed     stops the run
    ├── BalanceError              103: not enough money                         stops the run
    ├── AccountSetupError         102 104 106 204 789 790 799 802: a person must set something up
    ├── RecipientError            99 108 115 146 171 177: this recipient or text only, go on with the others
    ├── RequestRefusedError       107 110 118 120 ... : the call is built wrongly
    ├── DuplicateRequestError     124 199: an earlier request holds this request id
    ├── MessageNotFoundError      105: too early, too old or unknown; never proof that it was not sent
    ├── RateLimitedError          160, HTTP 429 for a read: wait, then repeat
    └── UnlistedCodeError         a code in no table; on a send also an OutcomeUnknownError
"""

from __future__ import annotations

import copyreg
import os
import traceback
from pathlib import Path
from typing import Any

from esms_connectors.gateway.redaction import redact


class EsmsError(Exception):
    """
    Base of every error raised by this package.

    Attributes:
        retryable: whether the same call, with the same request id, may simply be made again later.
    """

    retryable: bool = False

    def __init__(self, message: str) -> None:
        # Scrubbed at birth, so that no author of a message has to remember it.
        super().__init__(redact(message))

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only constructors do not survive pickling, and task runners pickle errors.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class UnexpectedError(EsmsError):
    """
    An error of another library that no function expected, by its class and place: its own words may quote rows, or a
    part of a password. `retryable` where it is one of the machine or the network.
    """


def unexpected(error: Exception) -> UnexpectedError:
    """What adapters raise in place of an error that is none of ours; raise it where nothing is being handled."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{Path(one.filename).parent.name}/{Path(one.filename).name}, line {one.lineno}" for one in frames[-1:]]
    known = error.strerror if isinstance(error, OSError) and error.errno is not None else None
    said = f": {known}" if known is not None and known == os.strerror(getattr(error, "errno", 0)) else ""
    found = UnexpectedError(
        f"Unexpected {type(error).__name__}{said} ({''.join(where) or 'nowhere'}). Its text is left out: it may quote "
        "rows or passwords."
    )
    found.retryable = isinstance(error, OSError)
    return found


class ConfigurationError(EsmsError):
    """The set-up is wrong: keys, base URL, sandbox flag, a missing extra. Nothing was sent."""


class InvalidRequestError(EsmsError):
    """
    An argument cannot be sent as it is. Nothing was sent; of a bulk run, nothing of the row at fault.

    Attributes:
        field: the argument at fault, by its name in this package.
        row: its position in the list given, counted from 0, or None where there is no list.
        others_sent: of a bulk run: other rows had been sent before this one was met.
    """

    others_sent: bool = False

    def __init__(self, message: str, *, field: str, row: int | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.row = row


class _CallError(EsmsError):
    """What an error about one call to the gateway knows about it."""

    def __init__(self, message: str, *, endpoint: str = "", request_id: str | None = None, attempts: int = 1) -> None:
        super().__init__(message)
        self.endpoint = endpoint
        self.request_id = request_id
        self.attempts = attempts


class NotSentError(_CallError):
    """The request certainly did not leave: refused connection, unknown host, failed TLS handshake. Repeat freely."""

    retryable = True


class NotAllowedToLeaveError(NotSentError):
    """
    Nothing left: the permission to send was gone when the request was ready, see `EsmsClient.only_while`. The machine
    slept, another worker took the rows over, or the day of the request id ended.
    """


class OutcomeUnknownError(_CallError):
    """
    The request left and no readable answer came back: timeout, dropped connection, 5xx, HTML, empty or cut body.

    A read may be repeated at once. A send may have been accepted: repeat it only with the same request id and inside
    the gateway's duplicate window, or look the message up first. `retryable` says which of the two this is.

    Attributes:
        refusal_code: of a refusal that met a repeat. It says nothing of the attempt before, but may have used up the
            request id: a later 124 is then no proof that anything was taken.
    """

    def __init__(self, message: str, *, retryable: bool = False, refusal_code: str | None = None, **about: Any) -> None:
        super().__init__(message, **about)
        self.retryable = retryable
        self.refusal_code = refusal_code


class IncompleteAnswerError(_CallError):
    """
    Fewer rows came than the gateway announced, so something changed while pages were read. Read the window again.

    Attributes:
        expected, received: rows announced by CountTotal, different rows that came.
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
        code: the gateway's code as text, as it came; `esms explain CODE` tells more.
        gateway_message: the gateway's own words, redacted; often empty, sometimes misleading.
        message_id: an id that stood beside the error. It does not mean that the message was accepted.
        nothing_taken: whether the refusal proves that no message of the call was taken. That of a call for many does
            not, except for keys (101) and address (140); nor does one with a message id, except 146, which is
            documented to have one. What is not proven may only go again under the same request id, and a 124 is no
            proof then.
    """

    # True where the refusal says nothing about this message, only about the account: the next one will fail too.
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
    """Code 101: ApiKey or SecretKey is wrong. A person must act; nothing else will work either."""

    stops_run = True


class AddressNotAllowedError(GatewayError):
    """Code 140: the gateway does not accept calls from this address. Ask eSMS to list it."""

    stops_run = True


class BalanceError(GatewayError):
    """
    Code 103: not enough money. Every further send will fail too; top up, then send what was refused under new request
    ids. (The refused ids may be used up: the gateway does not say whether a refusal burns one. The ledger sees to it.)
    """

    stops_run = True


class AccountSetupError(GatewayError):
    """A brandname, OA, template or price list is missing or not ready. A person must set it up."""


class RecipientError(GatewayError):
    """This recipient or this text is refused for good. Others may go on."""


class RequestRefusedError(GatewayError):
    """The call as a whole is built wrongly or too big. Fix the call."""


class DuplicateRequestError(GatewayError):
    """An earlier request holds this request id. A send turns it into a `Submission` marked `duplicate`."""


class MessageNotFoundError(GatewayError):
    """Code 105: unknown id, too early, older than 7 days, or an empty range. Never proof that nothing was sent."""

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
    """A code that stands in no table of the gateway's. It is kept as it came."""


class UnlistedSendCodeError(UnlistedCodeError, OutcomeUnknownError):
    """A send answered with a code in no table: nobody knows whether it was taken, so it is not sent again."""

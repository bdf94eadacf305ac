"""Exit codes of errors; `output.EXIT_CODES` documents them."""

from __future__ import annotations

from esms_connectors.delivery.polling import TooFewDeliveredError
from esms_connectors.gateway.endpoints import ENDPOINTS, Effect
from esms_connectors.gateway.errors import (
    ConfigurationError,
    EsmsError,
    GatewayError,
    InvalidRequestError,
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
)
from esms_connectors.sending.bulk import BulkIncompleteError
from esms_connectors.sending.guard import GuardStopError
from esms_connectors.sending.steps.result import JourneyIncompleteError


def exit_code_of(error: EsmsError) -> int:
    match error:
        case BulkIncompleteError():
            return _exit_code_of_run(error)
        case GuardStopError():
            return 8 if error.until else 7
        case JourneyIncompleteError():
            return 5 if error.result.people.get("in_doubt") else (4 if error.retryable else 3)
        case InvalidRequestError() if error.others_sent:
            return 3
        case ConfigurationError() | InvalidRequestError():
            return 2
        case OutcomeUnknownError():
            reading = error.endpoint in ENDPOINTS and ENDPOINTS[error.endpoint].effect is Effect.READ
            return 4 if reading else 5
        case GatewayError() if not error.nothing_taken:
            return 5
        case NotSentError() | RateLimitedError():
            return 4
        case GatewayError() | TooFewDeliveredError():
            return 3
    return 4 if error.retryable else 1


def _exit_code_of_run(error: BulkIncompleteError) -> int:
    run, stopped = error.summary.run, error.summary.stopped_by
    if isinstance(stopped, GuardStopError):
        return 8 if stopped.until else 7
    if isinstance(stopped, GatewayError) and stopped.stops_run:
        # The account itself was refused: rerunning the command settles rows in doubt once this is fixed.
        return 3
    return 5 if run.unknown + run.held + run.claimed else (4 if error.retryable else 3)

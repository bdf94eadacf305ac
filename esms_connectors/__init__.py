"""
Send SMS and Zalo ZNS through eSMS.vn, know whether they arrived, and pull every status row into a warehouse.

Two promises: no message is ever sent twice, and no status row is ever lost. The names below are the public ones; the
Airflow provider is `esms_connectors.airflow`, the Prefect collection `esms_connectors.prefect`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esms_connectors.lazy_names import on_first_use

__version__ = "0.1.0"

# Loaded on first use: schedulers import this package again and again just to read a class name.
_HOME = {
    "EsmsClient": "gateway.client",
    "Credentials": "gateway.credentials",
    "Timeouts": "gateway.transport",
    "RetryPolicy": "gateway.retry",
    "NO_RETRIES": "gateway.retry",
    "Throttle": "gateway.throttle",
    "PyrateThrottle": "gateway.throttle",
    "make_request_id": "gateway.request_ids",
    "normalise_phone": "gateway.phones",
    "explain": "gateway.codes",
    **dict.fromkeys(
        (
            "Balance",
            "BulkSubmission",
            "DeliveryReport",
            "Outcome",
            "SendStatus",
            "SentMessage",
            "SmsType",
            "Submission",
            "ZnsRecipient",
            "ZnsTemplate",
        ),
        "gateway.models",
    ),
    **dict.fromkeys(
        (
            "AccountSetupError",
            "AddressNotAllowedError",
            "AuthenticationError",
            "BalanceError",
            "ConfigurationError",
            "DuplicateRequestError",
            "EsmsError",
            "GatewayError",
            "IncompleteAnswerError",
            "InvalidRequestError",
            "MessageNotFoundError",
            "NotSentError",
            "OutcomeUnknownError",
            "RateLimitedError",
            "RecipientError",
            "RequestRefusedError",
            "UnlistedCodeError",
            "UnlistedSendCodeError",
        ),
        "gateway.errors",
    ),
    "DeliveryState": "gateway.states",
}

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.gateway.codes import explain
    from esms_connectors.gateway.credentials import Credentials
    from esms_connectors.gateway.errors import (
        AccountSetupError,
        AddressNotAllowedError,
        AuthenticationError,
        BalanceError,
        ConfigurationError,
        DuplicateRequestError,
        EsmsError,
        GatewayError,
        IncompleteAnswerError,
        InvalidRequestError,
        MessageNotFoundError,
        NotSentError,
        OutcomeUnknownError,
        RateLimitedError,
        RecipientError,
        RequestRefusedError,
        UnlistedCodeError,
        UnlistedSendCodeError,
    )
    from esms_connectors.gateway.models import (
        Balance,
        BulkSubmission,
        DeliveryReport,
        Outcome,
        SendStatus,
        SentMessage,
        SmsType,
        Submission,
        ZnsRecipient,
        ZnsTemplate,
    )
    from esms_connectors.gateway.phones import normalise_phone
    from esms_connectors.gateway.request_ids import make_request_id
    from esms_connectors.gateway.retry import NO_RETRIES, RetryPolicy
    from esms_connectors.gateway.states import DeliveryState
    from esms_connectors.gateway.throttle import PyrateThrottle, Throttle
    from esms_connectors.gateway.transport import Timeouts

__all__ = [
    "NO_RETRIES",
    "AccountSetupError",
    "AddressNotAllowedError",
    "AuthenticationError",
    "Balance",
    "BalanceError",
    "BulkSubmission",
    "ConfigurationError",
    "Credentials",
    "DeliveryReport",
    "DeliveryState",
    "DuplicateRequestError",
    "EsmsClient",
    "EsmsError",
    "GatewayError",
    "IncompleteAnswerError",
    "InvalidRequestError",
    "MessageNotFoundError",
    "NotSentError",
    "Outcome",
    "OutcomeUnknownError",
    "PyrateThrottle",
    "RateLimitedError",
    "RecipientError",
    "RequestRefusedError",
    "RetryPolicy",
    "SendStatus",
    "SentMessage",
    "SmsType",
    "Submission",
    "Throttle",
    "Timeouts",
    "UnlistedCodeError",
    "UnlistedSendCodeError",
    "ZnsRecipient",
    "ZnsTemplate",
    "__version__",
    "explain",
    "make_request_id",
    "normalise_phone",
]

__getattr__, __dir__ = on_first_use(__name__, _HOME)

"""Errors travel between processes, and say what to do next."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest

from esms_connectors.gateway import errors
from esms_connectors.gateway.errors import EsmsError, GatewayError, InvalidRequestError, OutcomeUnknownError

CLASSES = [
    one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, EsmsError) and one is not EsmsError
]
ABOUT = {"endpoint": "send_zns", "request_id": "id-1", "attempts": 3}


def example(error_class: type[EsmsError]) -> EsmsError:
    """An error of this class with every attribute set to something of its own."""
    special: dict[str, Any] = {}
    if issubclass(error_class, errors._CallError):
        special |= ABOUT
    if issubclass(error_class, InvalidRequestError):
        special |= {"field": "phone", "row": 7}
    if issubclass(error_class, GatewayError):
        special |= {"code": "124", "gateway_message": "Request exist 1", "message_id": "m-1"}
    if issubclass(error_class, errors.RateLimitedError):
        special |= {"retry_after_seconds": 2.5}
    if issubclass(error_class, errors.IncompleteAnswerError):
        special |= {"expected": 10, "received": 9}
    if issubclass(error_class, OutcomeUnknownError):
        special |= {"retryable": True}
    error = error_class("Không gửi được: 50% of %s {x}", **special)
    for name, value in special.items():
        assert getattr(error, name) == value
    return error


@pytest.mark.parametrize("error_class", [EsmsError, *CLASSES], ids=lambda one: one.__name__)
def test_every_error_survives_pickling(error_class: type[EsmsError]) -> None:
    """Same class, same text, same attributes, in every protocol and with copy."""
    error = example(error_class)
    error.add_note("seen in task send_sms")
    twice = [
        pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(error, protocol)), protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ]

    for other in (*twice, copy.copy(error), copy.deepcopy(error)):
        assert type(other) is error_class
        assert (str(other), other.args, vars(other)) == (str(error), error.args, vars(error))
        assert other.retryable == error.retryable


def test_docstring_tree_lists_exactly_the_public_error_classes() -> None:
    """Every public class is drawn, and nothing is drawn that is not there."""
    drawn = {word for word in (errors.__doc__ or "").replace("─", " ").split() if word.endswith("Error")}
    public = {one.__name__ for one in CLASSES if not one.__name__.startswith("_")} | {"EsmsError"}
    assert public - drawn == {"UnlistedSendCodeError"}
    assert drawn <= public


def test_unlisted_send_code_error_is_a_gateway_error_and_an_unknown_outcome() -> None:
    """Whoever handles unknown outcomes handles it, and whoever reads codes finds one."""
    error = example(errors.UnlistedSendCodeError)
    assert isinstance(error, OutcomeUnknownError)
    assert isinstance(error, GatewayError)


@pytest.mark.parametrize(
    ("error_class", "retryable"),
    [
        (errors.NotSentError, True),
        (errors.RateLimitedError, True),
        (errors.MessageNotFoundError, True),
        (errors.IncompleteAnswerError, True),
        (errors.AuthenticationError, False),
        (errors.BalanceError, False),
        (errors.RecipientError, False),
        (errors.RequestRefusedError, False),
        (errors.ConfigurationError, False),
        (errors.InvalidRequestError, False),
    ],
)
def test_error_classes_declare_whether_they_are_retryable(error_class: type[EsmsError], retryable: bool) -> None:
    """`retryable` is what an orchestrator's retry condition looks at."""
    assert example(error_class).retryable is retryable


def test_only_account_refusals_stop_a_run() -> None:
    """Keys, address, balance."""
    stopping = {one.__name__ for one in CLASSES if issubclass(one, GatewayError) and one.stops_run}
    assert stopping == {"AuthenticationError", "AddressNotAllowedError", "BalanceError"}


def test_unknown_outcome_is_not_retryable_by_default() -> None:
    """A generic retry must not double a message."""
    assert OutcomeUnknownError("x").retryable is False

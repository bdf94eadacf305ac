"""
The gateway's functions by name, with plain values in and out, for command lines, DAG files and flows.

The arguments of an operation are derived from the signature of its method.
"""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pendulum import DateTime

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.endpoints import ENDPOINTS, Effect, Endpoint, RequestIds
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.plain_values import as_plain, from_plain, hint_words
from esms_connectors.gateway.request_ids import make_request_id

__all__ = ["call_operation"]


@dataclass(frozen=True, slots=True)
class OperationArgument:
    """
    One argument of an operation.

    Attributes:
        takes: the accepted values, in words.
        hint: its type.
    """

    name: str
    takes: str
    required: bool
    default: Any
    hint: Any


@dataclass(frozen=True, slots=True)
class Operation:
    """
    The description of an operation.

    Attributes:
        summary: one sentence.
        description: the whole docstring of its method.
        arguments: in the order of the method.
    """

    endpoint: Endpoint
    summary: str
    description: str
    arguments: tuple[OperationArgument, ...]

    @property
    def name(self) -> str:
        return self.endpoint.name

    @property
    def reads_only(self) -> bool:
        return self.endpoint.effect is Effect.READ

    @property
    def takes_request_id(self) -> bool:
        return any(argument.name == "request_id" for argument in self.arguments)

    @property
    def repeated_when(self) -> str:
        """When a call whose answer was lost is repeated, in words."""
        match self.endpoint.effect, self.endpoint.request_ids:
            case Effect.READ, _:
                return "always"
            case Effect.SEND, RequestIds.DOCUMENTED:
                return "on the same day, under its request id"
            case Effect.SEND, RequestIds.UNCERTAIN:
                return "on the same day, once the account is known to honour its request ids"
        return "never"


def operation_names() -> tuple[str, ...]:
    """All operations, in the order of the catalogue."""
    return tuple(ENDPOINTS)


@cache
def describe_operation(name: str) -> Operation:
    """
    What the operation `name` does and takes.

    Raises:
        InvalidRequestError: there is none of that name; the message suggests a similar one.
    """
    if name not in ENDPOINTS:
        raise InvalidRequestError(
            f"The gateway has no operation {name!r}.{_did_you_mean(name, ENDPOINTS)}", field="operation"
        )
    method: Callable[..., Any] = getattr(EsmsClient, name)
    hints = typing.get_type_hints(method)
    arguments = tuple(
        OperationArgument(
            name=parameter.name,
            takes=hint_words(hints[parameter.name]),
            required=parameter.default is parameter.empty,
            default=None if parameter.default is parameter.empty else parameter.default,
            hint=hints[parameter.name],
        )
        for parameter in list(inspect.signature(method).parameters.values())[1:]
    )
    description = inspect.getdoc(method) or ""
    return Operation(ENDPOINTS[name], " ".join(description.partition("\n\n")[0].split()), description, arguments)


def check_names(name: str, arguments: Mapping[str, Any]) -> Operation:
    """
    Check that the operation exists, accepts all of `arguments`, and lacks no required one.

    Raises:
        InvalidRequestError: on one line, with a suggestion.
    """
    operation = describe_operation(name)
    known = [argument.name for argument in operation.arguments]
    for given in arguments:
        if given not in known:
            takes = f" It takes {', '.join(known)}." if known else " It takes no arguments."
            raise InvalidRequestError(
                f"{name} has no argument {given!r}.{_did_you_mean(str(given), known)}{takes}", field=str(given)
            )
    missing = [one.name for one in operation.arguments if one.required and arguments.get(one.name) is None]
    if missing:
        raise InvalidRequestError(f"{name} needs {', '.join(missing)}.", field=missing[0])
    return operation


def read_arguments(name: str, arguments: Mapping[str, Any], *, now: DateTime | None = None) -> dict[str, Any]:
    """
    The arguments as the method takes them: texts from a command line, a template or JSON, converted to their types.

    Args:
        now: the reference for words such as `tomorrow 08:30` and `+2h`; default: the clock.

    Raises:
        InvalidRequestError: an argument is unknown, missing, or cannot be parsed.
    """
    operation = check_names(name, arguments)
    return {
        one.name: from_plain(arguments[one.name], one.hint, one.name, now=now)
        for one in operation.arguments
        if arguments.get(one.name) is not None
    }


def with_request_ids(name: str, arguments: Mapping[str, Any], *parts: str) -> dict[str, Any]:
    """
    The arguments of `read_arguments` with missing request ids filled in. `parts` identify the caller, not the time.

    Raises:
        InvalidRequestError: as in `make_request_id`.
    """
    filled = dict(arguments)
    if describe_operation(name).takes_request_id:
        filled.setdefault("request_id", make_request_id(*parts, name))
    if name == "send_zns_bulk":
        filled["recipients"] = [
            replace(one, request_id=one.request_id or make_request_id(*parts, name, one.phone))
            for one in filled["recipients"]
        ]
    return filled


def call_operation(
    client: EsmsClient, name: str, arguments: Mapping[str, Any], *, show_phones: bool = True
) -> dict[str, Any]:
    """
    Call the operation `name`.

    Args:
        arguments: by name; plain values or those of the method.
        show_phones: False masks the phones of the answer, for output that many people can read.

    Returns:
        The members of the answer's model as values for JSON; for a list of models `rows` and `count`. Money is text,
        to keep its precision; times are ISO with their zone.

    Raises:
        InvalidRequestError: an argument is unknown, missing, or cannot be sent; nothing was.
        GatewayError, NotSentError, OutcomeUnknownError: as the method raises them.
    """
    result = getattr(client, name)(**read_arguments(name, arguments))
    return answer_of(result, show_phones=show_phones)


def answer_of(result: Any, *, show_phones: bool = True) -> dict[str, Any]:
    """The result of a method, as `call_operation` returns it."""
    plain = as_plain(result, show_phones=show_phones)
    return plain if isinstance(plain, dict) else {"rows": plain, "count": len(plain)}


def _did_you_mean(given: str, known: typing.Iterable[str]) -> str:
    found = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f" Did you mean {found[0]}?" if found else ""

"""Subflows that are recognised by their parameters when the flow around them is retried."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from types import FunctionType
from typing import Any
from uuid import uuid4

from prefect import Flow, State
from prefect.context import FlowRunContext
from prefect.exceptions import MissingResult
from prefect.logging import get_run_logger
from prefect.utilities.callables import get_call_parameters

from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.prefect.retry import PASSED_ON


class SubflowByParameters(Flow[Any, Any]):
    """
    Prefect returns the result of a completed subflow when the flow around it is retried, and recognises it by its
    function and position: if a list of campaigns is in another order then, or one of them is left out, a campaign gets
    the result of another one and is never sent. With its parameters in the name of the function it is recognised by
    these.

    A result that was stored in a container or on a machine that is gone would fail every retry of the flow around it;
    the subflow is run again instead, and the ledger or the warehouse says what was done.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        around = FlowRunContext.get()
        if around is None:
            return Flow.__call__(self, *args, **kwargs)
        mark = self._identity(args, kwargs)
        try:
            found = Flow.__call__(self._named(mark), *args, **kwargs)
            if isinstance(found, State) and found.is_completed():
                found.result(_sync=True)  # type: ignore[call-overload] # of its dispatch
            return found
        except MissingResult as error:
            lost: Exception = error
        except PASSED_ON:
            raise
        except Exception as error:  # noqa: BLE001 - storages raise anything; our flows only what is passed on
            lost = error
        tries = 1 if around.flow_run is None else around.flow_run.run_count
        if tries < 2:
            raise lost
        get_run_logger(around).warning(
            "the stored result of the subflow %s is gone (%s); it runs again, and what was done before is not repeated",
            self.name,
            type(lost).__name__,
        )
        return Flow.__call__(self._named(f"{mark}-{tries}"), *args, **kwargs)

    def with_options(self, **options: Any) -> Any:
        return _by_parameters(super().with_options(**options))

    def _named(self, mark: str) -> SubflowByParameters:
        named = copy.copy(self)
        named.fn = _renamed(self.fn, mark)
        return named

    def _identity(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        given = {name: value for name, value in kwargs.items() if name not in ("return_state", "wait_for")}
        try:
            parameters = get_call_parameters(self.fn, args, given)
            stored = self.serialize_parameters(parameters)
        except Exception:  # noqa: BLE001 - the flow itself reports it
            return uuid4().hex
        if any(stored[name] == f"<{type(value).__name__}>" for name, value in parameters.items()):
            return uuid4().hex  # Prefect's placeholder for what it cannot store, such as rows in memory
        return make_request_id("subflow", json.dumps(stored, sort_keys=True))


def _renamed(function: Callable[..., Any], mark: str) -> Callable[..., Any]:
    """A copy of the function with a mark in its name, from which Prefect derives the keys of its runs."""
    if not isinstance(function, FunctionType):
        return function
    twin = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    twin.__kwdefaults__, twin.__doc__, twin.__module__ = function.__kwdefaults__, function.__doc__, function.__module__
    twin.__dict__.update(function.__dict__)
    twin.__qualname__ = f"{function.__qualname__}-{mark}"
    return twin


def _by_parameters(flow: Flow[..., Any]) -> Any:
    flow.__class__ = SubflowByParameters
    return flow


def known_by_parameters(*flows: Flow[..., Any]) -> None:
    """Recognise these flows, as subflows, by their parameters."""
    for flow in flows:
        _by_parameters(flow)

"""What sending tasks returned -> what to wait for: of one, of mapped ones, and of one that returned nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from airflow.sdk import XComArg

from esms_connectors.airflow.base import render
from esms_connectors.airflow.framework import AirflowSkipException
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk.definitions.context import Context

    from esms_connectors.delivery.polling import Looks
    from esms_connectors.ledger import Ledger

OpenLedger = Callable[[], AbstractContextManager["Ledger"]]


def senders_of(sent: object) -> list[tuple[str, Any]]:
    """Tasks that send, and whose results `sent` stands for: id and run key, which may be a template."""
    from esms_connectors.airflow.sending import SendingOperator

    found = []
    for task, _ in sent.iter_references() if isinstance(sent, XComArg) else ():
        kind = getattr(task, "operator_class", type(task))
        if isinstance(kind, type) and issubclass(kind, SendingOperator):
            given = getattr(task, "partial_kwargs", None) or vars(task)
            found.append((task.task_id, given.get("run_key")))
    return found


def results_of(sent: Any) -> list[Mapping[str, Any]]:
    """
    Results of sending tasks: of one, or of mapped ones, whose list Airflow gives as a lazy sequence.

    Raises:
        InvalidRequestError: something else, or one of a sandbox.
    """
    is_list = isinstance(sent, Iterable) and not isinstance(sent, Mapping | str)
    many: list[Any] = list(sent) if is_list else [sent]
    found = [one for one in many if one is not None]
    if not all(isinstance(one, Mapping) and "run_key" in one for one in found):
        raise InvalidRequestError("sent takes what a sending operator returned, as send.output.", field="sent")
    if any(one.get("sandbox") for one in found):
        raise InvalidRequestError(
            "What is waited for was sent to the sandbox: it was checked, and nothing will arrive.", field="sent"
        )
    return found


def poller_of_results(results: Sequence[Mapping[str, Any]], opened: OpenLedger) -> Looks:
    """
    What to wait for: the messages of all of them.

    Raises:
        InvalidRequestError: none of them has a message that went out. ConfigurationError: the ledger cannot be opened.
    """
    from esms_connectors.delivery.polling import FEW_IDS, DeliveryPoller, target_of_ids

    few: list[Mapping[str, Any]] = []
    run_keys: list[str] = []
    for result in results:
        listed = result.get("message_ids") or []
        # Of a few messages whose ids are all there nothing has to be looked up in a ledger. The gateway may accept one
        # without an id.
        complete = listed and len(listed) >= result.get("accepted", 0)
        if complete and len(listed) + sum(len(one["message_ids"]) for one in few) <= FEW_IDS:
            few.append(result)
        else:
            run_keys.append(str(result["run_key"]))
    # A run is asked for as a whole, with the messages of its other tasks.
    ids = [one for result in few if str(result["run_key"]) not in run_keys for one in result["message_ids"]]
    pollers: list[Looks] = [DeliveryPoller(target_of_ids(ids))] if ids else []
    return together([*pollers, *_of_runs(list(dict.fromkeys(run_keys)), opened, needed=not pollers)])


def _of_runs(run_keys: Sequence[str], opened: OpenLedger, *, needed: bool) -> list[Looks]:
    """Of those that sent anything; one of them has to, where it is `needed`."""
    from esms_connectors.delivery.chains import poller_of_run

    if not run_keys:
        return []
    found: list[Looks] = []
    nothing: InvalidRequestError | None = None
    with opened() as ledger:
        for run_key in run_keys:
            try:
                found.append(poller_of_run(ledger, run_key, opened))
            except InvalidRequestError as error:
                nothing = error
    if nothing is not None and needed and not found:
        raise nothing
    return found


def together(pollers: Sequence[Looks]) -> Looks:
    from esms_connectors.delivery.several import SeveralPollers

    return pollers[0] if len(pollers) == 1 else SeveralPollers(pollers)


def poller_without_result(
    senders: Sequence[tuple[str, Any]], opened: OpenLedger, context: Context, env: jinja2.Environment
) -> Looks:
    """
    Of tasks that returned nothing: they were marked as success, or skipped. The ledger knows what they had sent.

    Raises:
        AirflowSkipException: nothing.
    """
    from esms_connectors.airflow.identity import run_key_of

    try:
        run_keys = [run_key_of(context, key and render(key, context, env), task_id=task) for task, key in senders]
        if run_keys:
            return together(_of_runs(list(dict.fromkeys(run_keys)), opened, needed=True))
    except EsmsError as error:
        if error.retryable:
            raise
    raise AirflowSkipException(
        "There is nothing to wait for: the sending task returned nothing, because it was skipped or marked as success, "
        "and the ledger has no message of it."
    )

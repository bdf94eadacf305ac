"""Build pollers from the results of sending tasks: single tasks, mapped tasks and tasks that returned nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk import XComArg
from airflow.sdk.definitions.mappedoperator import MappedOperator

from esms_connectors.airflow.base import render
from esms_connectors.airflow.framework import AirflowSkipException
from esms_connectors.gateway.errors import InvalidRequestError

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk.definitions.context import Context

    from esms_connectors.delivery.polling import Poller
    from esms_connectors.ledger import Ledger

# Only the task itself can read how often it was cleared, so the ledger is searched for this many generations of its run
# key.
_GENERATIONS = 20
OpenLedger = Callable[[], AbstractContextManager["Ledger"]]


@dataclass(frozen=True, slots=True)
class Sender:
    """A sending task. Its run key may be a template; a task that `resends` takes a new key each time it is cleared."""

    task_id: str
    run_key: Any
    mapped: bool
    resends: bool
    own_ledger: bool


def senders_of(sent: object) -> list[Sender]:
    """The sending tasks whose results `sent` refers to: one task or a list of them."""
    from esms_connectors.airflow.sending import SendingOperator

    found: dict[str, Sender] = {}
    for task, _ in XComArg.iter_xcom_references(sent):
        mapped = isinstance(task, MappedOperator)
        kind = getattr(task, "operator_class", type(task))
        if isinstance(kind, type) and issubclass(kind, SendingOperator):
            given = getattr(task, "partial_kwargs", None) or vars(task)
            found[task.task_id] = Sender(
                task.task_id,
                given.get("run_key"),
                mapped,
                resends=bool(given.get("resend_on_clear")),
                own_ledger=any(given.get(name) for name in ("ledger_url", "_ledger_url", "ledger_conn_id")),
            )
    return list(found.values())


def _all_returned(senders: Sequence[Sender], sent: Any, results: Sequence[object], context: Context) -> bool:
    """Whether every sender returned a result; for mapped tasks Airflow passes only the results that exist."""
    if isinstance(sent, list | tuple) and None in sent:
        return False
    mapped = [one.task_id for one in senders if one.mapped]
    instance: Any = context["ti"]
    if not mapped or not hasattr(instance, "get_ti_count"):
        return True
    count = instance.get_ti_count(dag_id=instance.dag_id, task_ids=mapped, run_ids=[instance.run_id])
    return bool(len(results) >= count + len(senders) - len(mapped))


def poller_of_sent(
    sent: Any,
    senders: Sequence[Sender],
    opened: OpenLedger,
    context: Context,
    env: jinja2.Environment,
    *,
    own_ledger: bool,
) -> Poller:
    """
    Build the poller from the tasks' results, and from the ledger for tasks without a result.

    Args:
        own_ledger: whether the waiting task names a ledger itself.

    Raises:
        AirflowSkipException: nothing was sent. InvalidRequestError, ConfigurationError: as in `poller_of_results`.
    """
    results = results_of(sent)
    with _skipped_if_nothing_was_sent():
        if not senders or (results and _all_returned(senders, sent, results, context)):
            return poller_of_results(results, opened)
        if not own_ledger and (theirs := [one.task_id for one in senders if one.own_ledger]):
            raise InvalidRequestError(
                f"A sending task returned nothing, and {theirs[0]} has its own ledger: give the sensor the same "
                "ledger_url or ledger_conn_id, which knows what was sent.",
                field="ledger_conn_id",
            )
        if not results:
            return _poller_without_result(senders, opened, context, env)
        return poller_of_results(results, opened, _run_keys_of(senders, context, env))


@contextlib.contextmanager
def _skipped_if_nothing_was_sent() -> Iterator[None]:
    from esms_connectors.delivery.target import NothingSentError

    try:
        yield
        return
    except NothingSentError as error:
        nothing = str(error)
    raise AirflowSkipException(nothing)


def results_of(sent: Any) -> list[Mapping[str, Any]]:
    """
    The results of one sending task or of mapped ones, which Airflow passes as a lazy sequence.

    Raises:
        InvalidRequestError: anything else, or a result from the sandbox.
    """
    found = [one for one in _flat(sent) if one is not None]
    if not all(isinstance(one, Mapping) and "run_key" in one for one in found):
        raise InvalidRequestError("sent takes the output of a sending operator, such as send.output.", field="sent")
    if any(one.get("sandbox") for one in found):
        raise InvalidRequestError(
            "The messages were sent to the sandbox: they were checked, and nothing will arrive.", field="sent"
        )
    return found


def _flat(sent: Any) -> Iterator[Any]:
    """Flatten the results of several tasks, some of which may be mapped."""
    if isinstance(sent, Iterable) and not isinstance(sent, Mapping | str):
        for one in sent:
            yield from _flat(one)
    else:
        yield sent


def poller_of_results(
    results: Sequence[Mapping[str, Any]], opened: OpenLedger, more_runs: Sequence[str] = ()
) -> Poller:
    """
    Build the poller for the messages of all results, and of `more_runs` as far as those have any.

    Raises:
        InvalidRequestError: none of them sent a message. ConfigurationError: the ledger cannot be opened.
    """
    from esms_connectors.delivery.combined import combined
    from esms_connectors.delivery.polling import FEW_IDS, DeliveryPoller, target_of_ids

    if not results:
        raise InvalidRequestError("There is no result of a sending task in sent: nothing to wait for.", field="sent")
    few: list[Mapping[str, Any]] = []
    run_keys = list(more_runs)
    for result in results:
        listed = result.get("message_ids") or []
        # A few messages with known ids need no ledger lookup. The gateway may accept a message without returning an id.
        complete = listed and len(listed) >= result.get("accepted", 0)
        if complete and len(listed) + sum(len(one["message_ids"]) for one in few) <= FEW_IDS:
            few.append(result)
        else:
            run_keys.append(str(result["run_key"]))
    # A run is polled as a whole, including the messages of its other tasks.
    ids = [one for result in few if str(result["run_key"]) not in run_keys for one in result["message_ids"]]
    pollers: list[Poller] = [DeliveryPoller(target_of_ids(ids))] if ids else []
    return combined([*pollers, *_of_runs(list(dict.fromkeys(run_keys)), opened, needed=not pollers)])


def _of_runs(run_keys: Sequence[str], opened: OpenLedger, *, needed: bool) -> list[Poller]:
    """Pollers for the runs that sent anything; if `needed`, at least one run must have."""
    from esms_connectors.delivery.chains import poller_of_run

    if not run_keys:
        return []
    found: list[Poller] = []
    nothing: InvalidRequestError | None = None
    with opened() as ledger:
        for run_key in run_keys:
            try:
                found.append(poller_of_run(ledger, run_key, opened))
            except InvalidRequestError as error:
                nothing = nothing or error
    if nothing is not None and needed and not found:
        raise nothing
    return found


def _poller_without_result(
    senders: Sequence[Sender], opened: OpenLedger, context: Context, env: jinja2.Environment
) -> Poller:
    """
    For tasks that returned nothing because they were marked as success or skipped: the ledger knows what they sent.

    Raises:
        AirflowSkipException: nothing was sent.
        ConfigurationError: the ledger cannot be opened, so it is unknown what was sent.
    """
    from esms_connectors.delivery.combined import combined
    from esms_connectors.ledger.existence import NoLedgerError

    with contextlib.suppress(InvalidRequestError, NoLedgerError):
        return combined(_of_runs(_run_keys_of(senders, context, env), opened, needed=True))
    raise AirflowSkipException(
        "There is nothing to wait for: the sending task returned nothing, because it was skipped or marked as success, "
        "and the ledger has no message of it."
    )


def _run_keys_of(senders: Sequence[Sender], context: Context, env: jinja2.Environment) -> list[str]:
    from esms_connectors.airflow.identity import run_key_of

    found: dict[str, None] = {}
    for one in senders:
        key = one.run_key and render(one.run_key, context, env)
        for generation in range(1, 1 + (_GENERATIONS if one.resends else 1)):
            found[run_key_of(context, key, generation, task_id=one.task_id)] = None
    return list(found)

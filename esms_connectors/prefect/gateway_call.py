"""A task that calls any gateway function by name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import pendulum
from prefect import Task, task

from esms_connectors.gateway.operations import check_names, describe_operation
from esms_connectors.prefect.async_twins import async_twin
from esms_connectors.prefect.blocks.credentials import EsmsCredentials
from esms_connectors.prefect.blocks.ledger import EsmsLedger
from esms_connectors.prefect.pool import borrow_account, borrow_ledger
from esms_connectors.prefect.retry import TASK_OPTIONS, errors_in_one_line
from esms_connectors.prefect.runs import run_key_or_try, scheduled_time
from esms_connectors.prefect.uncached import check_uncached, never_cached
from esms_connectors.sending.operations import call_in_run, call_once, needs_ledger


@never_cached
@task(name="call-gateway", **TASK_OPTIONS)
@errors_in_one_line
def call_gateway(
    operation: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    credentials: str | EsmsCredentials = "default",
    call_key: str | None = None,
    ledger: str | EsmsLedger | None = None,
    show_phones: bool = False,
    rate_limit: str | None = None,
) -> dict[str, Any]:
    """
    Call any function of the gateway: read a quota, send a Viber message, make a call, register a template.

    Calls that send or charge go through the ledger: they are made once however often the task or its flow is retried.

    Args:
        operation: A name such as `get_oa_quota`; `esms call --help` lists them.
        arguments: By name, as plain values.
        credentials: Name of an `EsmsCredentials` block, or the block.
        call_key: Identifies this call, such as an order number: it is then made only once, ever. Without it, it is made
            once per flow run, and two calls of a flow run with the same operation and arguments are the same call.
            Arguments that differ between tries need a key: without one the second call is refused.
        ledger: Name of an `EsmsLedger` block, or the block; None is a file on this machine. Give one if retries may run
            on another machine.
        show_phones: Return the answer's phones unmasked; everybody with access to the results can read them.
        rate_limit: A global concurrency limit with slot decay.

    Returns:
        The answer as JSON, without keys, phones masked; `called_by_this_try` is False if an earlier try made the call.

    Raises:
        InvalidRequestError: An unknown operation or argument, or an argument is missing or invalid; nothing was sent.
        BulkIncompleteError: It was refused or its outcome is unknown; `retryable` tells whether a retry may settle it.
        GatewayError, NotSentError, OutcomeUnknownError: For operations that only read.
        ConfigurationError: A block cannot be used.
    """
    arguments = arguments or {}
    check_names(operation, arguments)
    with borrow_account(credentials, rate_limit) as account, ExitStack() as stack:
        about: dict[str, Any] = {"now": pendulum.instance(scheduled_time()), "show_phones": show_phones}
        if not needs_ledger(account.client, operation):
            return call_once(account.client, operation, arguments, ledger=None, run_key="reads", **about)
        named = run_key_or_try(call_key, "call_key", f"call/{account.block.account}")
        opened = stack.enter_context(borrow_ledger(ledger))
        return call_in_run(account.client, operation, arguments, ledger=opened, named=named, **about)


acall_gateway = never_cached(task(name="call-gateway", **TASK_OPTIONS)(async_twin(call_gateway.fn)))


def gateway_task(operation: str, *names: str, **options: Any) -> Task[..., dict[str, Any]]:
    """
    The task of one operation. Create it at module level, so that a wrong name fails when the file is loaded.

    Args:
        operation: A name such as `send_viber`.
        names: Names of the arguments that will be given, to be checked now.
        options: Options of the task, such as `retries`.

    Returns:
        A task that takes the arguments by name, and the keyword-only arguments of `call_gateway` in `settings`.

    Raises:
        InvalidRequestError: An unknown operation or argument, or a required argument is not among `names`.
    """
    described = check_names(operation, dict.fromkeys(names, "")) if names else describe_operation(operation)

    def call(*, settings: Mapping[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = call_gateway.fn(operation, arguments, **(settings or {}))
        return answer

    call.__name__, call.__doc__ = operation, described.description
    name = operation.replace("_", "-")
    if not described.reads_only:
        check_uncached(name, options)
    made: Task[..., dict[str, Any]] = task(name=name, **{**TASK_OPTIONS, **options})(call)
    return made if described.reads_only else never_cached(made)

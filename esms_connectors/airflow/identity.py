"""
Who a task instance is to the gateway and to the ledger: the same on every try, another for every other run.

The number of the try is no part of it, nor is what would be sent: a text that reads differently on the second try must
be noticed, not sent as a second message.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from esms_connectors.gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.context import Context

_LONGEST = 200
_DONE = "esms_done"
# Of `airflow tasks test`, with the second in it; Airflow deletes such a run behind the task.
_TEMPORARY_RUN = "__airflow_temporary_run_"


def namespace() -> str:
    """`[esms] namespace`: tells two deployments apart that share an account."""
    from esms_connectors.airflow.hooks import configured

    return configured("namespace") or ""


def run_key_of(context: Context, given: str | None = None, generation: int = 1, task_id: str | None = None) -> str:
    """
    The run key given, or one of the task in its run; with a mark when a cleared task is to send once more.

    The map index is no part of it: it is a place in a list, and whoever stands there now may have stood elsewhere when
    the task was tried before.

    Args:
        task_id: of another task of this run.

    Raises:
        InvalidRequestError: the one given is no run key, or its template took a value that is not there.
    """
    from esms_connectors.airflow.arguments import text
    from esms_connectors.ledger.keys import check_run_key

    mark = "" if generation == 1 else f"#{generation}"
    if given is not None:
        # Empty is what a template made of a value that is missing, not a wish for the key of the task.
        return check_run_key((text(given, "run_key") or "") + mark if given else "")
    ti: Any = context["ti"]
    parts = ["airflow", namespace(), ti.dag_id, _run_of(context), task_id or ti.task_id]
    key = "/".join(part for part in parts if part)
    if len(key) + len(mark) > _LONGEST or not key.isprintable() or key != key.strip():
        # Dag, run and task may have 250 characters each.
        key = f"airflow/{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:40]}"
    return key + mark


def _run_of(context: Context) -> str:
    """
    The run; of `airflow tasks test`, which makes another one each time, that of its date: whoever tries a task twice
    does not mean two messages.
    """
    ti: Any = context["ti"]
    if not ti.run_id.startswith(_TEMPORARY_RUN):
        return str(ti.run_id)
    day = getattr(context.get("dag_run"), "logical_date", None)
    return "tasks-test" if day is None else f"tasks-test__{day.isoformat()}"


def generation_of(context: Context, *, resend_on_clear: bool) -> int:
    """
    1, or one more for every time that the task came to its end and was cleared to send anew.

    Airflow keeps a mark of the successful end across "Clear" (task state store, since 3.3). Without the mark nothing is
    sent again; nor by a retry, which has as many tries as the try that left the mark.
    """
    if not resend_on_clear:
        return 1
    store = state_store(context)
    if store is None:
        raise ConfigurationError(
            "resend_on_clear needs the task state store: Airflow 3.3, without [state_store] clear_on_success."
        )
    done = store.get(_DONE, None)
    if not isinstance(done, dict) or "generation" not in done:
        return 1
    is_retry = done.get("max_tries") is not None and done["max_tries"] == _max_tries(context)
    return int(done["generation"]) + (not is_retry)


def _max_tries(context: Context) -> int | None:
    """How many tries the task has, those before included: "Clear" adds to it, a retry does not."""
    tries: int | None = getattr(context["ti"], "max_tries", None)
    return tries


def note_done(operator: BaseOperator, context: Context, generation: int, *, resend_on_clear: bool) -> None:
    """
    Everything of this generation is settled. That is noted once Airflow has taken the success: a task whose result
    cannot be stored, or whose worker dies now, is tried again, and must go on as what it was.
    """
    store = state_store(context)
    if store is None or not resend_on_clear:
        return
    from airflow.sdk import NEVER_EXPIRE

    done = {"generation": generation, "max_tries": _max_tries(context)}
    given = operator.on_success_callback
    before = [given] if callable(given) else [*(given or ())]
    operator.on_success_callback = [*before, lambda _context: store.set(_DONE, done, retention=NEVER_EXPIRE)]


def state_store(context: Context) -> Any:
    """
    The task state store: kept across tries, crashes and "Clear". None before Airflow 3.3, and where the deployment
    empties it on success, because a cleared task would then know of nothing.
    """
    from esms_connectors.airflow.framework import conf

    if conf.getboolean("state_store", "clear_on_success", fallback=False):
        return None
    return context.get("task_state_store")

"""
The identity of a task instance for the gateway and the ledger: the same on every try, different for every run.

It includes neither the try number nor the content: a text that differs on the second try must be detected, not sent as
a second message.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from esms_connectors.gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.context import Context

    from esms_connectors.ledger.run_memory import RunMemory

_LONGEST = 200
_DONE = "esms_done"
_BEGUN = "esms_runs"
# Used by `airflow tasks test`, followed by a timestamp in seconds; Airflow deletes such a run after the task.
_TEMPORARY_RUN = "__airflow_temporary_run_"
# Who triggers the runs of `airflow dags test`.
_DAGS_TEST = "dag_test"


def namespace() -> str:
    """`[esms] namespace`: distinguishes deployments that share an account."""
    from esms_connectors.airflow.hooks import configured

    return configured("namespace") or ""


def run_key_of(context: Context, given: str | None = None, generation: int = 1, task_id: str | None = None) -> str:
    """
    The given run key, or one derived from the task and its run; with a suffix if a cleared task is to send again.

    It excludes the map index, which is a position in a list: a recipient may have been at another position in an
    earlier try.

    Args:
        task_id: id of another task of this run.

    Raises:
        InvalidRequestError: the given key is invalid, or its template used a missing value.
    """
    from esms_connectors.airflow.arguments import text
    from esms_connectors.ledger.keys import check_run_key

    # Not `#2`, which is the second step of a campaign with a fallback.
    mark = "" if generation == 1 else f"#again{generation}"
    if given is not None:
        # An empty key comes from a template with a missing value; it does not ask for the default key.
        return check_run_key((text(given, "run_key") or "") + mark if given else "")
    parts = _parts_of(context, task_id or context["ti"].task_id)
    key = _joined(parts)
    if len(key) + len(mark) > _LONGEST or not key.isprintable() or key != key.strip():
        # Dag, run and task ids may have 250 characters each.
        key = f"airflow/{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:40]}"
    return key + mark


def _parts_of(context: Context, task_id: str) -> list[str]:
    ti: Any = context["ti"]
    return ["airflow", namespace(), ti.dag_id, _run_of(context), task_id]


def _joined(parts: Sequence[str]) -> str:
    return "/".join([*filter(None, parts[:-1]), parts[-1]])


def _run_of(context: Context) -> str:
    """
    The run id, or that of the scheduled run which would send the same messages.

    A backfill has the run id of the scheduled run that was deleted, but for its prefix. `airflow tasks test` and
    `airflow dags test` create a new run each time, and the latter deletes that of the scheduler: testing a date twice
    must not send two messages.
    """
    ti: Any = context["ti"]
    run: Any = context.get("dag_run")
    run_id = str(ti.run_id)
    if run_id.startswith("backfill__"):
        return run_id.replace("backfill__", "scheduled__", 1)
    of_task = run_id.startswith(_TEMPORARY_RUN)
    day = getattr(run, "logical_date", None)
    if not of_task and (day is None or getattr(run, "triggering_user_name", None) != _DAGS_TEST):
        return run_id
    if day is None:
        return "tasks-test"
    # With a data interval, the test is not about the same interval as the scheduled run of this date.
    like_scheduled = context.get("data_interval_start") == context.get("data_interval_end")
    return f"{'scheduled' if like_scheduled else 'tasks-test'}__{day.isoformat()}"


def generation_of(context: Context, *, resend_on_clear: bool) -> int:
    """
    1, plus one for every time that the task succeeded and was cleared to send again.

    A marker of the success survives "Clear" in the task state store (Airflow 3.3). Without the marker nothing is sent
    again; nor does a retry send again, which is recognised by the same `max_tries` as in the marker.
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
    """The number of tries allowed, including past ones: "Clear" increases it, a retry does not."""
    tries: int | None = getattr(context["ti"], "max_tries", None)
    return tries


def note_done(operator: BaseOperator, context: Context, generation: int, *, resend_on_clear: bool) -> None:
    """
    Record that this generation is settled, once Airflow has accepted the success: if the result cannot be stored or the
    worker dies now, the task is retried and must keep its generation.
    """
    store = state_store(context)
    if store is None or not resend_on_clear:
        return
    from airflow.sdk import NEVER_EXPIRE

    done = {"generation": generation, "max_tries": _max_tries(context)}
    given = operator.on_success_callback
    before = [given] if callable(given) else [*(given or ())]
    operator.on_success_callback = [*before, lambda _context: store.set(_DONE, done, retention=NEVER_EXPIRE)]


class _TaskRunMemory:
    """
    What Airflow knows about the runs of a task: those whose rows it has claimed, on any try, from the task state store;
    and which tasks of its DAG run are no longer in the DAG.
    """

    def __init__(self, operator: BaseOperator, context: Context) -> None:
        self._tasks = operator.dag.task_dict if operator.has_dag() else None
        self._key_prefix = _joined(_parts_of(context, ""))
        self._instance: Any = context["ti"]
        self._store: Any = context.get("task_state_store")  # None before Airflow 3.3
        self._lock = threading.Lock()
        self._known: dict[str, None] | None = None

    def has_begun(self, run_key: str) -> bool:
        return run_key in self._runs()

    def record(self, run_key: str) -> None:
        with self._lock:
            if self._store is None or self.has_begun(run_key):
                return
            from airflow.sdk import NEVER_EXPIRE

            self._store.set(_BEGUN, [*self._runs(), run_key], retention=NEVER_EXPIRE)
            self._runs()[run_key] = None

    def further_run(self) -> str | None:
        return None

    def key_prefix(self, run_key: str) -> str:
        return self._key_prefix if self._tasks is not None and run_key.startswith(self._key_prefix) else ""

    def is_removed(self, run_key: str) -> bool:
        task_id = run_key.removeprefix(self._key_prefix).partition("#")[0]
        return self._tasks is not None and task_id not in self._tasks and self._is_removed_from_run(task_id)

    def _is_removed_from_run(self, task_id: str) -> bool:
        """Whether Airflow has removed the task from the run: a DAG file may contain only the task that is running."""
        get_task_states = getattr(self._instance, "get_task_states", None)
        if get_task_states is None:
            return True
        states = get_task_states(self._instance.dag_id, task_ids=[task_id], run_ids=[self._instance.run_id])
        return all(state in (None, "removed") for of_run in states.values() for state in of_run.values())

    def _runs(self) -> dict[str, None]:
        if self._known is None:
            found = None if self._store is None else self._store.get(_BEGUN, None)
            self._known = dict.fromkeys(found if isinstance(found, list) else ())
        return self._known


def run_memory_of(operator: BaseOperator, context: Context) -> RunMemory:
    """For `EsmsHook.open_ledger`: what a ledger cannot know about the runs of a task."""
    return _TaskRunMemory(operator, context)


def state_store(context: Context) -> Any:
    """
    The task state store, kept across tries, crashes and "Clear". None before Airflow 3.3 and if the deployment clears
    it on success, because a cleared task would then find no marker.
    """
    from esms_connectors.airflow.framework import conf

    if conf.getboolean("state_store", "clear_on_success", fallback=False):
        return None
    return context.get("task_state_store")

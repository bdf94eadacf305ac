"""Tasks whose repetition is decided by the ledger or the warehouse, and never by Prefect's cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from prefect import Task
from prefect.cache_policies import DEFAULT, NO_CACHE, CacheKeyFnPolicy
from prefect.context import FlowRunContext
from prefect.tasks import MaterializingTask
from prefect.utilities.annotations import NotSet

from esms_connectors.gateway.errors import InvalidRequestError

# What a task worker sets, so that results of background tasks are stored. `DEFAULT` is by inputs and flow run.
_OF_TASK_WORKERS = {"persist_result": True, "cache_policy": DEFAULT}
_PER_TASK_RUN = CacheKeyFnPolicy(cache_key_fn=lambda context, _: str(context.task_run.id))

T = TypeVar("T", bound=Task[..., Any])


class UncachedTask(Task[Any, Any]):
    """
    A cached result of another run would look as if the task had sent or loaded something: with `cache_policy=INPUTS`
    nobody would get the second day's message, and `yesterday` would be loaded once.
    """

    def with_options(self, *args: Any, **options: Any) -> Any:
        if options == _OF_TASK_WORKERS:
            return never_cached(super().with_options(persist_result=True, cache_policy=_PER_TASK_RUN))
        check_uncached(self.name, options)
        return never_cached(super().with_options(*args, **options))

    def apply_async(self, *args: Any, **options: Any) -> Any:
        if FlowRunContext.get() is not None:
            raise InvalidRequestError(
                f"{self.name}: .delay() is for use outside of flows, because each call would be another message. In a "
                "flow use .submit(): a retry of the flow then sends nothing twice.",
                field="delay",
            )
        return super().apply_async(*args, **options)


class UncachedMaterializingTask(UncachedTask, MaterializingTask[Any, Any]):
    """The same for a task with assets."""


def never_cached(made: T) -> T:
    """The task, which from now on refuses options that would return the result of another run."""
    changed: Task[..., Any] = made
    changed.__class__ = UncachedMaterializingTask if isinstance(made, MaterializingTask) else UncachedTask
    return made


def check_uncached(name: str, options: Mapping[str, Any]) -> None:
    """
    Raises:
        InvalidRequestError: an option would make Prefect return the result of another run.
    """
    for option in ("cache_policy", "cache_key_fn", "result_storage_key"):
        value = options.get(option)
        if value not in (None, NotSet) and not isinstance(value, type(NO_CACHE)):
            raise InvalidRequestError(
                f"{name} takes no {option}: Prefect would return the result of another run, and nothing would be sent "
                "or loaded. Leave it out: what was sent or loaded before is skipped anyway.",
                field=option,
            )

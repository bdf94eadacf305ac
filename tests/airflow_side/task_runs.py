"""Tasks that run outside of any scheduler: rendered as a worker does, then executed, with a memory of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pendulum
from airflow.sdk.execution_time.context import ConnectionAccessor


@dataclass
class StateStore:
    """The task state store as a task sees it: JSON in, JSON out, committed at once."""

    values: dict[str, str] = field(default_factory=dict)
    writes: int = 0

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        assert value is not None
        self.writes += 1
        self.values[key] = json.dumps(value)


class OutletEvents:
    """What a task says of the assets it updates, by the asset's name."""

    def __init__(self) -> None:
        self.said: dict[str, SimpleNamespace] = {}

    def __getitem__(self, asset: Any) -> SimpleNamespace:
        return self.said.setdefault(asset.name, SimpleNamespace(extra={}))


@dataclass
class Instance:
    """Who a task instance is."""

    dag_id: str = "campaigns"
    task_id: str = "send"
    run_id: str = "manual__2024-05-15T05:00:00+00:00"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 0
    task: Any = None
    pushed: dict[str, Any] = field(default_factory=dict)

    def get_first_reschedule_date(self, context: Any) -> None:
        """None: each look is the first one."""

    def xcom_pull(self, task_ids: str, **_: Any) -> Any:
        """What that task pushed."""
        return self.pushed[task_ids]


@dataclass
class Runs:
    """
    Runs operators as a worker does: rendered first, then executed, then told of their success. Another run after a
    success is one of a cleared task, after a failure another try.

    Attributes:
        ends: False for a task that dies behind its last line, before Airflow knows of its success.
    """

    store: StateStore | None = field(default_factory=StateStore)
    instance: Instance = field(default_factory=Instance)
    outlet_events: OutletEvents = field(default_factory=OutletEvents)
    interval: tuple[datetime, datetime] | None = (datetime(2024, 5, 14, tzinfo=UTC), datetime(2024, 5, 15, tzinfo=UTC))
    due: datetime = datetime(2024, 5, 15, tzinfo=UTC)
    logical_date: datetime | None = None
    run_type: str = "manual"
    triggered_by: str | None = None
    ends: bool = True
    _succeeded: bool = False

    def context(self) -> dict[str, Any]:
        context: dict[str, Any] = {
            "ti": self.instance,
            "ds": "2024-05-15",
            "dag_run": SimpleNamespace(
                conf={},
                clear_number=0,
                run_after=self.due,
                run_type=self.run_type,
                logical_date=self.logical_date,
                triggering_user_name=self.triggered_by,
            ),
            "conn": ConnectionAccessor(),
            "data_interval_start": self.interval and pendulum.instance(self.interval[0]),
            "data_interval_end": self.interval and pendulum.instance(self.interval[1]),
            "outlet_events": self.outlet_events,
        }
        if self.store is not None:
            context["task_state_store"] = self.store
        return context

    def __call__(self, operator: Any) -> Any:
        if self._succeeded:
            self.instance.max_tries = self.instance.try_number - 1 + operator.retries
        self._succeeded = False
        context = self.context()
        operator.render_template_fields(context)
        try:
            result = operator.execute(context)
            if self.ends:
                self._succeeded = True
                for callback in operator.on_success_callback:
                    callback(context)
            return result
        finally:
            self.instance.try_number += 1

    def mapped(self, operator: Any, pushed: dict[str, Any], count: int) -> list[Any]:
        """Runs each instance of a mapped task, over what other tasks pushed; what it raised in place of a result."""
        outcomes = []
        for index in range(count):
            self.instance = replace(self.instance, map_index=index, pushed=pushed, task=None)
            context = {**self.context(), "dag": operator.dag}
            try:
                operator.render_template_fields(context)
                outcomes.append(context["task"].execute(context))
            except Exception as error:  # the others go on, as they do in Airflow
                outcomes.append(error)
        return outcomes

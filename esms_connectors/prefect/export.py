"""The daily export: loads what was never loaded and reloads what was not final, window by window."""

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any, cast

import pendulum
from pendulum import DateTime
from prefect import flow, task
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging import get_run_logger

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.prefect.artifacts import ProgressArtifact, artifact_key, show_table
from esms_connectors.prefect.blocks.base import load_block
from esms_connectors.prefect.blocks.warehouse import EsmsWarehouse
from esms_connectors.prefect.campaigns import key_part
from esms_connectors.prefect.days import first_day, named_by_day
from esms_connectors.prefect.loading import load_sent_messages, sent_messages_asset
from esms_connectors.prefect.pool import borrow_account
from esms_connectors.prefect.results import ExportResult
from esms_connectors.prefect.retry import errors_in_one_line, is_retryable
from esms_connectors.prefect.runs import scheduled_time
from esms_connectors.sent_data.windows import ALL_SMS_TYPES, SentWindow, windows_between


@flow(
    name="daily-sent-messages-export",
    flow_run_name=named_by_day("daily-sent-messages-export", "day"),
    persist_result=True,
    result_serializer="json",
)
@errors_in_one_line
def daily_sent_messages_export(
    day: date | str | None = None,
    days: int | None = None,
    sms_types: list[int] | None = None,
    credentials: str = "default",
    warehouse: str = "default",
    follow_up_days: int = 14,
    threads: int = 8,
    rate_limit: str | None = None,
) -> ExportResult:
    """
    Load the status rows of all days that have ended and were not loaded yet, and reload those that were not final
    before.

    Each window is a separate task; a retry of the flow skips windows that are loaded. Windows are loaded one after the
    other, because a warehouse allows one writer at a time; their pages are read in parallel.

    Args:
        day: First day, in Vietnam, also as `yesterday` or `-7d`. None, without `days`, takes whatever was never loaded
            up to the day that the run was scheduled for, missed days included; for an empty warehouse it takes the day
            before.
        days: How many days from `day`, or before the scheduled day; days already loaded are reloaded.
        sms_types: The gateway's message types; None takes all.
        credentials: Name of an `EsmsCredentials` block.
        warehouse: Name of an `EsmsWarehouse` block.
        follow_up_days: For how many days back windows are reloaded while they have rows that are not final; 0 for none.
            A backfill run leaves this to the run of the latest days.
        threads: Number of concurrent requests.
        rate_limit: A global concurrency limit with slot decay, shared by all workers.

    Returns:
        Counts of the days that the run covers; `follow_up`: counts of reloaded windows of other days.

    Raises:
        ExportIncompleteError: Some windows could not be loaded; all others were.
    """
    types = tuple(sms_types) if sms_types else ALL_SMS_TYPES
    plan = _plan_export(day, days, types, credentials, warehouse, follow_up_days, threads, rate_limit)
    load = load_sent_messages.with_options(assets=[sent_messages_asset(key_part(warehouse))])
    total, again = Counter[str](), Counter[str]()
    failures: list[str] = []
    own, others = _windows_of(plan["windows"]), _windows_of(plan["follow_up"])
    windows = [*((window, total) for window in own), *((window, again) for window in others)]
    with ProgressArtifact(artifact_key("esms-export", warehouse), "Windows loaded", len(windows)) as bar:
        for number, (window, counts) in enumerate(windows, start=1):
            state = load(
                window.start,
                window.end,
                [window.sms_type],
                credentials=credentials,
                warehouse=warehouse,
                threads=threads,
                rate_limit=rate_limit,
                return_state=True,
            )
            if state.is_completed():
                loaded: Any = state.result()
                counts.update({name: loaded[name] for name in _LOADED} | loaded["states"])
            else:
                failures.append(f"{window}: {_one_line(state)}")
            bar.update(number)
    first, last = (_time(plan[name]).in_timezone(VIETNAM) for name in ("start", "end"))
    show_table(
        artifact_key("esms-export-result", warehouse),
        [*_counted(total), *_counted(again, "read again: ")],
        f"Status rows from {first.to_date_string()} to {last.to_date_string()} in Vietnam",
    )
    if failures:
        raise ExportIncompleteError(
            f"{len(failures)} of {counted(len(windows), 'window')} could not be loaded; the others are loaded. First: "
            f"{failures[0]}"
        )
    result = {
        "windows": len(own),
        "first_day": first.to_date_string(),
        "days": (last - first).days,
        **{name: total[name] for name in _LOADED},
        **total,
        "follow_up": {"windows": len(others), **{name: again[name] for name in _LOADED}, **again},
    }
    return cast("ExportResult", result)


def _counted(counts: Counter[str], prefix: str = "") -> list[dict[str, str | int]]:
    names = (*_LOADED, *sorted(set(counts) - set(_LOADED))) if counts or not prefix else ()
    return [{"what": f"{prefix}{name}", "count": counts[name]} for name in names]


def _export_of_this_run(_context: TaskRunContext, _parameters: dict[str, Any]) -> str | None:
    """A retry of the flow uses the windows of its first attempt, including those already loaded."""
    flow = FlowRunContext.get()
    return None if flow is None or flow.flow_run is None else f"esms/exports/{flow.flow_run.id}"


@task(
    name="plan-export",
    tags={"esms"},
    cache_policy=CacheKeyFnPolicy(cache_key_fn=_export_of_this_run),
    persist_result=True,
    result_serializer="json",
    retry_condition_fn=is_retryable,
)
@errors_in_one_line
def _plan_export(
    day: date | str | None,
    days: int | None,
    types: tuple[int, ...],
    credentials: str,
    warehouse: str,
    follow_up_days: int,
    threads: int,
    rate_limit: str | None,
) -> dict[str, Any]:
    """The windows that a run loads, and windows of other days that it reloads; the log tells why."""
    from esms_connectors.warehouse.loading import recount_windows
    from esms_connectors.warehouse.planning import plan_load

    settings: dict[str, Any] = {"sms_types": types, "follow_up": follow_up_days > 0}
    if follow_up_days:
        settings["max_age"] = timedelta(days=follow_up_days)
    span: list[SentWindow] | None = None
    if day is not None or days is not None:
        first = first_day(day, 1 if days is None else days)
        last = first.add(days=days or 1)
        span = list(windows_between(first, last, types, longest=_window_length(days or 1, len(types))))
        if len(span) > MOST_WINDOWS:
            raise InvalidRequestError(
                f"{days} days are {len(span)} windows, one run reads at most {MOST_WINDOWS}: give fewer days.",
                field="days",
            )
        settings |= {"start": first, "end": last, "follow_up": None if follow_up_days else False}
    else:
        settings["scheduled"] = scheduled_time()
    block = load_block(EsmsWarehouse, warehouse)
    with borrow_account(credentials, rate_limit) as account, block.open() as opened:
        plan = plan_load(opened, **settings)
        differing = recount_windows(account.client, opened, plan.recounts, privacy=block.privacy(), threads=threads)
    for note in plan.notes:
        get_run_logger().info("%s", note)
    again = tuple(dict.fromkeys([*plan.follow_up, *differing]))
    return {
        "start": plan.start.isoformat(),
        "end": plan.end.isoformat(),
        "windows": [_as_json(window) for window in (plan.windows if span is None else span)],
        "follow_up": [_as_json(window) for window in again],
    }


def _as_json(window: SentWindow) -> list[Any]:
    return [int(window.sms_type), window.start.isoformat(), window.end.isoformat()]


def _windows_of(planned: list[list[Any]]) -> list[SentWindow]:
    return [SentWindow(sms_type, _time(start), _time(end)) for sms_type, start, end in planned]


def _time(text: str) -> DateTime:
    return pendulum.instance(datetime.fromisoformat(text)).in_timezone("UTC")


MOST_WINDOWS = 1500
_LOADED = ("rows", "inserted", "changed", "unchanged", "regressed", "open_rows")


class ExportIncompleteError(EsmsError):
    """Some windows are not in the warehouse. Rerunning the export loads them."""

    retryable = True


def _window_length(days: int, types: int) -> timedelta:
    """A day, or for long spans up to the gateway's limit of three days, to limit the number of tasks."""
    return timedelta(days=min(3, max(1, -(-days * types // (MOST_WINDOWS // 2)))))


def _one_line(state: State[Any]) -> str:
    error = state.result(raise_on_failure=False)
    return str(error) if isinstance(error, EsmsError) else type(error).__name__

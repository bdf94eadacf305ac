"""Tasks that load status rows into a warehouse. Loads are upserts, so repeating them is harmless."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import pendulum
from prefect import task
from prefect.assets import add_asset_metadata, materialize
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.context import AssetContext, FlowRunContext, TaskRunContext
from prefect.events import emit_event

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.prefect.artifacts import WINDOW_LOADED, ProgressArtifact, artifact_key
from esms_connectors.prefect.async_twins import async_twin
from esms_connectors.prefect.blocks.base import EsmsBlock, load_block
from esms_connectors.prefect.blocks.credentials import EsmsCredentials
from esms_connectors.prefect.blocks.warehouse import EsmsWarehouse
from esms_connectors.prefect.campaigns import key_part
from esms_connectors.prefect.days import point_in_time
from esms_connectors.prefect.pool import borrow_account, name_of
from esms_connectors.prefect.results import LoadResult
from esms_connectors.prefect.retry import TASK_OPTIONS, errors_in_one_line, is_retryable
from esms_connectors.prefect.uncached import never_cached
from esms_connectors.sent_data.windows import ALL_SMS_TYPES

_ANY_ASSET = "esms://sent-messages"


def sent_messages_asset(warehouse: str) -> str:
    """The key of the asset that is materialized by loads into a warehouse block."""
    return f"{_ANY_ASSET}/{warehouse}"


_calls: dict[tuple[str, int], dict[UUID, int]] = {}


def _window_of_this_run(context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    """
    A retry of a flow skips what this flow run has loaded. The next run reads everything again, and so does the same
    load later in one attempt. A span that had not ended is never skipped, because it may get more rows; nor is one that
    the warehouse does not have, because it was replaced or its block was changed.
    """
    flow = FlowRunContext.get()
    if flow is None or flow.flow_run is None or flow.detached:
        return None  # on a Dask worker the number of the call is unknown
    blocks = [parameters[name] for name in ("credentials", "warehouse")]
    if any(isinstance(one, EsmsBlock) and one._block_document_id is None for one in blocks):
        return None  # unsaved blocks have no identity
    types = "-".join(str(int(one)) for one in parameters["sms_types"])
    try:
        start, end = (point_in_time(parameters[name], name) for name in ("start", "end"))
    except InvalidRequestError:
        return None  # the task reports the error
    if end > machine_clock.now() or (flow.flow_run.run_count > 1 and not _is_in_warehouse(parameters, start, end)):
        return None
    of_account, into = (key_part(name_of(one)) for one in blocks)
    key = f"esms/windows/{flow.flow_run.id}/{of_account}/{into}/{types}/{int(start.timestamp())}-{int(end.timestamp())}"
    # All tries of a task count as one call.
    calls = _calls.setdefault((key, flow.flow_run.run_count), {})
    return f"{key}/{calls.setdefault(context.task_run.id, len(calls))}"


def _is_in_warehouse(parameters: Mapping[str, Any], start: datetime, end: datetime) -> bool:
    from esms_connectors.warehouse.planning import is_loaded

    try:
        with load_block(EsmsWarehouse, parameters["warehouse"]).open() as opened:
            return is_loaded(opened, start, end, parameters["sms_types"])
    except EsmsError:
        return False  # the task reports the error, or the server or the database answers by then


def _name(parameters: dict[str, Any]) -> str:
    """The span in Vietnam time; words are kept, and resolved in the log and the result."""
    start, end = (_in_vietnam(parameters[name]) for name in ("start", "end"))
    types = ", ".join(map(str, parameters["sms_types"]))
    return f"load-sent-messages {types}: {start} to {end} in Vietnam"


def _in_vietnam(moment: datetime | str) -> str:
    if isinstance(moment, str):
        try:  # such as the `sent_until` of a result
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return str(moment)
    return f"{pendulum.instance(moment).in_timezone(VIETNAM):%Y-%m-%d %H:%M}" if moment.tzinfo else str(moment)


_OPTIONS: dict[str, Any] = {
    "name": "load-sent-messages",
    "tags": {"esms"},
    "task_run_name": _name,
    "cache_policy": CacheKeyFnPolicy(cache_key_fn=_window_of_this_run),
    "persist_result": True,
    "result_serializer": "json",
    "retry_condition_fn": is_retryable,
}


@never_cached
@materialize(_ANY_ASSET, **_OPTIONS)
@errors_in_one_line
def load_sent_messages(
    start: datetime | str,
    end: datetime | str,
    sms_types: Sequence[int] = ALL_SMS_TYPES,
    *,
    credentials: str | EsmsCredentials = "default",
    warehouse: str | EsmsWarehouse = "default",
    threads: int = 8,
    rate_limit: str | None = None,
) -> LoadResult:
    """
    Load every row created from `start` to `end`; loading again only updates what has changed.

    Windows are verified to be complete and committed one by one. The asset is the table of the warehouse.

    Args:
        start: Aware, or words such as `yesterday`, `-7d` and `-36h` (Vietnam time, relative to the run's scheduled
            time). Inclusive.
        end: Likewise, such as `today`. A span that has not ended yet is loaded too, but must be loaded again later.
        sms_types: The gateway's message types, all by default.
        credentials: Name of an `EsmsCredentials` block, or the block.
        warehouse: Name of an `EsmsWarehouse` block, or the block.
        threads: Number of concurrent requests.
        rate_limit: A global concurrency limit with slot decay, shared by all workers: one slot a request.

    Returns:
        Counts: windows, rows, inserted, changed, unchanged, regressed, open_rows, states, seconds.

    Raises:
        LoadIncompleteError: Windows whose row counts do not match were left out; the others are loaded.
        WarehouseError, ConfigurationError: The warehouse or a block cannot be used.
        GatewayError, NotSentError, OutcomeUnknownError: The gateway could not be read.

    Example:
        ```python
        from esms_connectors.prefect import load_sent_messages

        load_sent_messages("yesterday", "today")
        ```
    """
    from esms_connectors.warehouse import load_sent_messages as load

    start, end = point_in_time(start, "start"), point_in_time(end, "end")
    block = load_block(EsmsWarehouse, warehouse)
    name = block._block_document_name or "unnamed"
    privacy = block.privacy()
    key = artifact_key("esms-load", name)
    with (
        borrow_account(credentials, rate_limit) as account,
        block.open() as opened,
        ProgressArtifact(key, "Share of the windows read", 1000) as bar,
    ):
        summary = load(
            account.client,
            opened,
            start,
            end,
            sms_types=list(sms_types),
            privacy=privacy,
            threads=threads,
            # Another task may be loading its own window of the same pull.
            resume=False,
            progress=lambda progress: bar.update(int(1000 * progress.share_done)),
        )
        label = account.block.account
    told: dict[str, Any] = summary.as_dict()
    about = {
        "sms_types": [int(one) for one in sms_types],
        "start": start.in_timezone(VIETNAM).isoformat(),
        "end": end.in_timezone(VIETNAM).isoformat(),
        **told,
    }
    assets = AssetContext.get()
    for asset in assets.downstream_assets if assets is not None else ():
        add_asset_metadata(asset, about)
    emit_event(
        WINDOW_LOADED,
        resource={
            "prefect.resource.id": f"esms.warehouse.{label}.{name}",
            "prefect.resource.name": name,
            "esms.account": label,
        },
        payload=about,
    )
    return cast("LoadResult", told)


# Never cached: a snapshot records the current state.
_SNAPSHOT_OPTIONS: dict[str, Any] = {"name": "take-snapshot", **TASK_OPTIONS}


@never_cached
@task(**_SNAPSHOT_OPTIONS)
@errors_in_one_line
def take_snapshot(
    tables: Sequence[str] = ("balances", "oa_quota", "templates", "ratings"),
    *,
    credentials: str | EsmsCredentials = "default",
    warehouse: str | EsmsWarehouse = "default",
    rate_limit: str | None = None,
) -> dict[str, int]:
    """
    Record the current state of the account: balance, quota and quality of Zalo accounts, templates, and new ratings;
    each in a separate table.

    Args:
        tables: Any of balances, oa_quota, templates and ratings.
        credentials: Name of an `EsmsCredentials` block, or the block.
        warehouse: Name of an `EsmsWarehouse` block, or the block.
        rate_limit: A global concurrency limit with slot decay, shared by all workers: one slot a request.

    Returns:
        Table -> rows written.

    Raises:
        InvalidRequestError: An unknown table.
        WarehouseError, ConfigurationError: The warehouse or a block cannot be used.
        GatewayError, NotSentError, OutcomeUnknownError: The gateway could not be read.

    Example:
        ```python
        from esms_connectors.prefect import take_snapshot

        take_snapshot(["balances", "oa_quota"])
        ```
    """
    from esms_connectors.warehouse.snapshots import check_tables
    from esms_connectors.warehouse.snapshots import take_snapshot as take

    asked, block = check_tables(tables), load_block(EsmsWarehouse, warehouse)
    with borrow_account(credentials, rate_limit) as account, block.open() as opened:
        return take(account.client, opened, tables=asked, content=block.content)


atake_snapshot = never_cached(task(**_SNAPSHOT_OPTIONS)(async_twin(take_snapshot.fn)))

aload_sent_messages = never_cached(materialize(_ANY_ASSET, **_OPTIONS)(async_twin(load_sent_messages.fn)))

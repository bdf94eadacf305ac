"""Loads sent data from the gateway into a warehouse: each window is read, proven complete, committed and recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pendulum
from pendulum import DateTime

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.sent_data.fetching import WindowReading
from esms_connectors.sent_data.reader import IncompleteWindowError, SentDataReader
from esms_connectors.sent_data.windows import ALL_SMS_TYPES, CLOSED_AFTER, SentWindow
from esms_connectors.warehouse.accounts import claim_account
from esms_connectors.warehouse.arrow_memory import system_allocator
from esms_connectors.warehouse.contract import MergeCounts, Warehouse, WindowLoad
from esms_connectors.warehouse.coverage import compare_windows
from esms_connectors.warehouse.doubtful_windows import unavailable
from esms_connectors.warehouse.load_summary import LoadIncompleteError, LoadProgress, LoadSummary
from esms_connectors.warehouse.planning import MAX_AGE, MOST_DAYS, Clock, LoadPlan, is_closed, is_final_look, plan_load
from esms_connectors.warehouse.privacy import Privacy
from esms_connectors.warehouse.spool import WindowSpool

logger = get_logger(__name__)

# An interrupted pull is resumed within this time; later everything is read again.
_RESUME_WITHIN = timedelta(hours=12)


def load_sent_messages(
    client: EsmsClient,
    warehouse: Warehouse,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    scheduled: datetime | None = None,
    sms_types: Iterable[SmsType | int] = ALL_SMS_TYPES,
    most_days: int = MOST_DAYS,
    privacy: Privacy | None = None,
    threads: int = 8,
    follow_up: bool = False,
    max_age: timedelta = MAX_AGE,
    resume: bool = True,
    same_account: bool = False,
    progress: Callable[[LoadProgress], object] | None = None,
    now: Clock = machine_clock.now,
) -> LoadSummary:
    """
    Load every row created from `start` to `end`. Loading is idempotent: only changed rows are written again.

    Windows are Vietnamese days, clipped to the span, one per message type. Each is read, proven complete and committed
    separately, so an interruption loses only the current window; the same call then resumes where it stopped.

    Args:
        start, end: aware. A span that has not ended yet is loaded too, and its windows are read again later. Without
            `start`, missing days are loaded; see `plan_load`, which `scheduled` and `most_days` are passed to.
        sms_types: the types to ask for, all by default.
        privacy: how phones and texts are kept; the same for every load into one warehouse.
        threads: concurrent requests.
        follow_up: also read earlier windows again that may have changed; see `plan_load`.
        max_age: see there.
        resume: False reads everything again, including what an interrupted call has loaded.
        same_account: the client's keys are new ones of the account that was loaded before; see `claim_account`.
        progress: called for each batch and each window.
        now: the clock; it decides which windows are closed.

    Raises:
        LoadIncompleteError: windows whose row counts do not match were left out; the others are loaded.
        WarehouseError, ConfigurationError: the warehouse is unusable, or belongs to another account.
        GatewayError, NotSentError, OutcomeUnknownError: the gateway refused or did not answer; loaded windows stay.
    """
    plan = plan_load(
        warehouse,
        start=start,
        end=end,
        scheduled=scheduled,
        sms_types=sms_types,
        most_days=most_days,
        follow_up=follow_up,
        max_age=max_age,
        now=now,
    )
    return load_planned(
        client,
        warehouse,
        plan,
        privacy=privacy,
        threads=threads,
        resume=resume,
        same_account=same_account,
        progress=progress,
        now=now,
    )


def load_planned(
    client: EsmsClient,
    warehouse: Warehouse,
    plan: LoadPlan,
    *,
    privacy: Privacy | None = None,
    threads: int = 8,
    resume: bool = True,
    same_account: bool = False,
    progress: Callable[[LoadProgress], object] | None = None,
    now: Clock = machine_clock.now,
) -> LoadSummary:
    """Run a load planned by `plan_load`; otherwise as `load_sent_messages`."""
    claim_account(warehouse, client, _milliseconds(now()), same_account=same_account)
    for note in plan.notes:
        logger.info("%s: %s", warehouse.name, note)
    recounted = recount_windows(client, warehouse, plan.recounts, privacy=privacy, threads=threads, now=now)
    again = [*plan.follow_up, *recounted]
    failure: LoadIncompleteError | None = None
    try:
        summary = load_windows(
            client,
            warehouse,
            [*plan.windows, *again],
            follow_up=frozenset(again),
            privacy=privacy,
            threads=threads,
            resume=resume,
            progress=progress,
            now=now,
        )
    except LoadIncompleteError as error:
        failure, summary = error, error.summary
    summary.recounted, summary.recounts_differing = len(plan.recounts), len(recounted)
    if failure is not None:
        raise failure
    return summary


def recount_windows(
    client: EsmsClient,
    warehouse: Warehouse,
    windows: Sequence[SentWindow],
    *,
    privacy: Privacy | None = None,
    threads: int = 8,
    now: Clock = machine_clock.now,
) -> list[SentWindow]:
    """
    Count the rows of loaded windows again, one call each; if one answer holds all rows, compare the rows as well.

    A window of more rows is compared by their number only, so it is also read again once, after a week.

    Args:
        windows: such as `LoadPlan.recounts`. Unchanged windows are recorded as counted.

    Returns:
        The windows that must be read again.

    Raises:
        GatewayError, NotSentError, OutcomeUnknownError: the gateway refused or did not answer; call again later.
        WarehouseError, ConfigurationError: the warehouse is unusable.
    """
    if not windows:
        return []
    again: list[SentWindow] = []
    for one in compare_windows(client, warehouse, windows, privacy=privacy, threads=threads):
        if one.difference is not None:
            logger.info("%s; reading it again", one.difference)
        elif one.by_number and one.load is not None and is_final_look(one.load, now()):
            logger.info("%s: %s as before; reading them again after a week", one.window, counted(one.listed, "row"))
        else:
            continue
        again.append(one.window)
    differing = frozenset(again)
    warehouse.note_counted([one for one in windows if one not in differing], counted_at=_milliseconds(now()))
    return again


def load_windows(
    client: EsmsClient,
    warehouse: Warehouse,
    windows: Iterable[SentWindow],
    *,
    follow_up: Collection[SentWindow] = frozenset(),
    privacy: Privacy | None = None,
    threads: int = 8,
    resume: bool = True,
    progress: Callable[[LoadProgress], object] | None = None,
    now: Clock = machine_clock.now,
) -> LoadSummary:
    """
    Load the given windows; otherwise as `load_sent_messages`.

    Args:
        follow_up: those of `windows` that are counted separately, as read again.
    """
    began = time.monotonic()
    privacy = privacy or Privacy()
    wanted = list(dict.fromkeys(windows))
    asked = set(wanted)
    planned_at = _milliseconds(now())
    done: set[SentWindow] = set()
    with warehouse.held():
        warehouse.prepare()
        claim_account(warehouse, client, planned_at)
        before = list(warehouse.loads())
        loads = [load for load in before if load.window in asked]
        if resume:
            planned_at, done = _interrupted(loads, len(wanted), planned_at)
        summary = LoadSummary(skipped=len(done))
        pending = [window for window in wanted if window not in done]
        if not pending:
            return summary
        number = warehouse.plan(pending, planned_at=planned_at, privacy=privacy.fingerprint)
    rows_before = {load.window: load.row_count for load in loads}
    read: list[WindowLoad] = []
    incomplete: list[IncompleteWindowError] = []

    def tell(reading: WindowReading | None = None) -> None:
        if progress is not None:
            again, at_hand = summary.follow_up, reading.rows if reading else 0
            expected = max(at_hand, reading.rows_expected) if reading else 0
            done = summary.windows + again.windows + len(incomplete)
            progress(LoadProgress(done, len(pending), summary.rows + again.rows + at_hand, at_hand, expected))

    tell()
    with system_allocator(), SentDataReader(client, pending, threads=threads, now=now) as reader:
        for reading in reader:
            with WindowSpool() as spool:
                try:
                    for batch in reading:
                        spool.add(privacy.apply(batch))
                        tell(reading)
                except IncompleteWindowError as error:
                    logger.warning("left out: %s", error)
                    incomplete.append(error)
                    continue
                load = replace(_load_of(reading, planned_at, number, privacy), loaded_at=_milliseconds(now()))
                counts = warehouse.merge(load, spool)
            part = summary.follow_up if reading.window in follow_up else summary
            part.add(reading, counts, loaded_before=rows_before.get(reading.window, 0))
            read.append(load)
            tell()
            _log(reading, counts, rows_before.get(reading.window, 0))
    for load in unavailable(read, before):
        (summary.follow_up if load.window in follow_up else summary).old_windows_without_rows += 1
    summary.seconds = time.monotonic() - began
    if incomplete:
        # Planned at a later time than the others, so that the next call reads all windows again, not only these.
        failed = [error.whole for error in incomplete]
        warehouse.plan(failed, planned_at=_milliseconds(now()).add(seconds=1), privacy=privacy.fingerprint)
        raise LoadIncompleteError(
            f"{len(incomplete)} of {counted(len(pending), 'window')} left out because of mismatched row counts, the "
            f"others are loaded. {incomplete[0]}",
            incomplete=incomplete,
            summary=summary,
        )
    return summary


def _log(reading: WindowReading, counts: MergeCounts, before: int) -> None:
    if reading.rows < before:
        logger.warning(
            "%s: %s listed before, %d now; the others stay in the warehouse unchanged.",
            *(reading.window, counted(before, "row"), reading.rows),
        )
    if reading.rows:
        logger.info(
            "%s: %s, %d new, %d changed, %d not final",
            *(reading.window, counted(reading.rows, "row"), counts.inserted, counts.changed, reading.open_rows),
        )


def _load_of(reading: WindowReading, planned_at: DateTime, number: int, privacy: Privacy) -> WindowLoad:
    window, read_at = reading.window, _milliseconds(reading.read_at or planned_at)
    return WindowLoad(
        window,
        planned_at=planned_at,
        privacy=privacy.fingerprint,
        planned_number=number,
        read_number=number,
        read_at=read_at,
        closed=reading.is_settled and read_at >= window.end + CLOSED_AFTER,
        row_count=reading.rows,
        count_total=reading.count_total,
        open_rows=reading.open_rows,
        digest=privacy.digest(reading.digest),
    )


def _interrupted(loads: Sequence[WindowLoad], wanted: int, planned_at: DateTime) -> tuple[DateTime, set[SentWindow]]:
    """When the interrupted pull began and the windows that it loaded; without one, `planned_at` and no windows."""
    begun = max((load for load in loads if load.is_owed), key=lambda load: load.planned_number, default=None)
    if begun is None or abs(planned_at - pendulum.instance(begun.planned_at)) > _RESUME_WITHIN:
        return planned_at, set()
    latest = pendulum.instance(begun.planned_at)
    # Windows that had not ended when they were read may have new rows since.
    done = {load.window for load in loads if load.planned_at == latest and is_closed(load, planned_at)}
    if not done:
        return planned_at, done
    logger.info("resuming an interrupted pull: %d of %s loaded already", len(done), counted(wanted, "window"))
    return latest, done


def _milliseconds(moment: DateTime) -> DateTime:
    """Truncate to the precision of every warehouse: planned windows are found again by this time."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

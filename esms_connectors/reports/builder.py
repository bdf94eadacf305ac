"""Builds a report from queries on the warehouse and the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.ledger import Ledger
from esms_connectors.reports.budget import Budgets, budget_tables, budgets_of
from esms_connectors.reports.carriers import CARRIERS
from esms_connectors.reports.chains import chain_tables
from esms_connectors.reports.coverage import Coverage, coverage_of
from esms_connectors.reports.funnel import (
    LedgerCounts,
    count_ledger,
    funnel_tables,
    guard_tables,
    reasons_table,
    type_term,
)
from esms_connectors.reports.masking import without_phones
from esms_connectors.reports.model import Cell, Figure, Kind, Note, Period, Report, Row, Table, Term
from esms_connectors.reports.queries import (
    Measures,
    Speed,
    measure_campaigns,
    measure_days,
    measure_prefixes,
    measure_speed,
    measure_types,
    measure_whole,
    open_by_age,
    outcomes_of_campaigns,
    outcomes_of_period,
    undelivered,
)
from esms_connectors.reports.tables import TABLES
from esms_connectors.sending.guard.settings import GuardSettings
from esms_connectors.sending.policy import read_budget
from esms_connectors.warehouse.contract import Reader, Warehouse, WindowLoad
from esms_connectors.warehouse.merge_sql import READ_LOADS
from esms_connectors.warehouse.merging import read_load, utc

MOST_CAMPAIGNS = 30
MOST_REASONS = 20
MOST_RECIPIENTS = 20_000
LONGEST = timedelta(days=366)
_A_WEEK = timedelta(days=7)

_ZONE = ZoneInfo(VIETNAM)
_AGES = tuple(Term(f"age.{name}") for name in ("hour", "hours", "days", "week", "older"))


def make_report(
    warehouse: Warehouse,
    start: datetime,
    end: datetime,
    *,
    ledger: Ledger | None = None,
    with_phones: bool = False,
    budget_vnd: Decimal | float | str | None = None,
    guard: GuardSettings | None = None,
    now: datetime | None = None,
) -> Report:
    """
    Compute the numbers of a period. Writes nothing and does not call the gateway.

    Args:
        warehouse: a DuckDB file or PostgreSQL that `esms pull` loads into.
        start, end: aware; a message sent at `end` belongs to the next period. A year at most.
        ledger: the ledger of the campaigns; it adds what was planned and what was refused.
        with_phones: add the table of recipients without delivery, with phones in the form that the warehouse keeps.
        budget_vnd: the budget of the period; the report shows how much of it is used.
        guard: the guard settings in force; with a ledger, costs are compared with its budgets of months and runs.
        now: the time as of which the report is made; default: the clock.

    Raises:
        InvalidRequestError: a period that is empty, in the future, too long or without a zone; an invalid budget.
        ConfigurationError: nothing of the period was ever loaded, or the warehouse cannot be queried.
        WarehouseError, LedgerError: the database cannot be reached, or refuses the query.
    """
    made_at = machine_clock.machine_time() if now is None else utc(now)
    period = _checked(start, end, made_at)
    budget = read_budget(budget_vnd)
    budgets = budgets_of(period, budget, ledger, guard)
    counts = None if ledger is None else count_ledger(ledger, period)
    sources = (warehouse.name,) if ledger is None else (warehouse.name, ledger.name)

    def work(reader: Reader) -> Report:
        loads = [read_load(line) for line in reader.read(READ_LOADS)]
        coverage = coverage_of(loads, period, made_at)
        if coverage.read_at is None:
            raise ConfigurationError(
                f"Nothing was loaded into {warehouse.name} of {_in_words(period)}: load it first, with esms pull "
                f"--from {period.start.astimezone(_ZONE):%Y-%m-%d}."
            )
        before = _period_before(period, coverage.until)
        chains = [] if ledger is None else list(chain_tables(ledger, reader, period, coverage.read_at))
        builder = _ReportBuilder(reader, period, made_at, coverage, counts, chains, budgets)
        return builder.report(before, loads, sources, with_phones=with_phones)

    return warehouse.ask(work)


def _checked(start: datetime, end: datetime, now: datetime) -> Period:
    for name, moment in (("start", start), ("end", end)):
        if not isinstance(moment, datetime) or moment.utcoffset() is None:
            raise InvalidRequestError(
                f"{name} needs a date and time with a zone, such as pendulum.datetime(2026, 11, 1, tz='{VIETNAM}').",
                field=name,
            )
    # Plain datetimes, whatever subclass was given.
    period = Period(utc(start).astimezone(_ZONE), utc(end).astimezone(_ZONE))
    if period.start >= period.end:
        raise InvalidRequestError(f"The period is empty: {_in_words(period)}.", field="end")
    if period.end - period.start > LONGEST:
        raise InvalidRequestError(f"A report is over {LONGEST.days} days at most.", field="end")
    if period.start >= now:
        raise InvalidRequestError(f"The period has not begun yet: {_in_words(period)}.", field="start")
    return period


def _in_words(period: Period) -> str:
    """The period in English for errors, which must not depend on babel."""
    start, end = (f"{moment.astimezone(_ZONE):%Y-%m-%d %H:%M}" for moment in (period.start, period.end))
    return f"{start} to {end}"


def _period_before(period: Period, until: datetime) -> Period:
    """
    The period to compare with: for whole months, the same number of months before; for a month begun more than a week
    ago, the same days of the month before; else a span of equal length immediately before.

    Args:
        until: when the messages of the period were read; a period that has not ended is compared with an equal part.
    """
    start, end = period.start, period.end
    passed = min(end, until.astimezone(_ZONE)) - start
    if _is_month(start) and _is_month(end):
        earlier = _months_before(start, (end.year - start.year) * 12 + end.month - start.month)
        return Period(earlier, start if end <= until else min(earlier + passed, start))
    if _is_month(start) and _A_WEEK < end - start < _months_before(start, -1) - start:
        earlier = _months_before(start, 1)
        # A shorter previous month ends with its last day.
        return Period(earlier, min(earlier + passed, start))
    earlier = start - (end - start)
    return Period(earlier, min(earlier + passed, start))


def _months_before(start: datetime, months: int) -> datetime:
    """The first of the month `months` before `start`, which is the first of a month itself."""
    year, month = divmod(start.year * 12 + start.month - 1 - months, 12)
    return start.replace(year=year, month=month + 1)


def _is_month(moment: datetime) -> bool:
    return (moment.day, moment.hour, moment.minute, moment.second, moment.microsecond) == (1, 0, 0, 0, 0)


class _ReportBuilder:
    """Builds one report: runs the queries and turns their results into tables."""

    def __init__(
        self,
        reader: Reader,
        period: Period,
        now: datetime,
        coverage: Coverage,
        counts: LedgerCounts | None,
        chains: Sequence[Table],
        budgets: Budgets,
    ) -> None:
        self._reader = reader
        self._period = period
        self._now = now
        self._coverage = coverage
        self._counts = counts
        self._chains = chains
        self._budgets = budgets
        self._found = measure_whole(reader, period)
        self._whole = self._found.measures

    def report(
        self, before: Period, loads: Sequence[WindowLoad], sources: tuple[str, ...], *, with_phones: bool
    ) -> Report:
        outcomes = outcomes_of_period(self._reader, self._period)
        followed = outcomes
        if self._counts is not None and self._counts.campaigns:
            followed = outcomes_of_campaigns(self._reader, self._period.start, sorted(self._counts.campaigns))
        coverage_before = coverage_of(loads, before, self._now)
        whole_before = coverage_before.windows > 0 and coverage_before.complete
        # Missing data of this period would be shown as a change, too.
        comparable = whole_before and self._coverage.complete
        speeds, speed = measure_speed(self._reader, self._period, self._found)
        funnel, losses = funnel_tables(self._counts, followed)
        tables = [
            funnel,
            losses,
            *budget_tables(self._budgets, self._whole.known_cost, self._reader, loads, self._period, self._now),
            self._days(),
            self._types(),
            self._campaigns(),
            *guard_tables(self._counts),
            *self._chains,
            *self._carriers(),
            reasons_table(self._counts, outcomes, MOST_REASONS),
            _speed_table(speeds, speed),
            self._open(),
            *([self._recipients()] if with_phones else []),
        ]
        return Report(
            period=self._period,
            before=before,
            made_at=self._now.astimezone(_ZONE),
            sources=sources,
            headline=tuple(self._headline(before if comparable else None, speed)),
            tables={table.name: table for table in tables},
            notes=tuple(self._notes("" if comparable else "not_compared" if whole_before else "before_incomplete")),
        )

    def _headline(self, before: Period | None, speed: Speed) -> Iterator[Figure]:
        now, then, speed_then = self._whole, None, None
        if before is not None:
            found = measure_whole(self._reader, before)
            then = found.measures
            _, speed_then = measure_speed(self._reader, before, found)

        def figure(name: str, kind: Kind, *, more_is_better: bool | None = None) -> Figure:
            return Figure(name, kind, _figure(now, name), None if then is None else _figure(then, name), more_is_better)

        yield figure("messages", Kind.COUNT)
        yield figure("delivered", Kind.COUNT, more_is_better=True)
        yield figure("delivered_share", Kind.SHARE, more_is_better=True)
        yield figure("failed", Kind.COUNT, more_is_better=False)
        yield figure("open", Kind.COUNT, more_is_better=False)
        yield figure("cost", Kind.MONEY)
        yield figure("cost_per_delivered", Kind.MONEY, more_is_better=False)
        if budget := self._budgets.period:
            used, used_then = (None if one is None else _used(one, budget) for one in (now, then))
            yield Figure("budget_used", Kind.SHARE, used, used_then, more_is_better=False)
        median_then = None if speed_then is None else speed_then.median
        yield Figure("median", Kind.DURATION, speed.median, median_then, more_is_better=False)

    def _notes(self, why_not_compared: str) -> Iterator[Note]:
        notes = self._coverage.notes()
        if self._period.end > self._now:
            notes.append(Note("running", warning=True))
        if self._whole.open:
            notes.append(Note("open", {"messages": self._whole.open}, warning=True))
        if not self._whole.messages:
            notes.append(Note("nothing"))
        if self._found.unpriced:
            notes.append(Note("unpriced", {"messages": self._found.unpriced}))
        if self._found.regressed:
            notes.append(Note("regressed", {"messages": self._found.regressed}))
        if why_not_compared:
            notes.append(Note(why_not_compared))
        yield from sorted(notes, key=lambda note: not note.warning)

    # --- tables ------------------------------------------------------------------------------------------------------

    def _days(self) -> Table:
        found = measure_days(self._reader, self._period)
        day: date = self._period.start.date()
        # A scheduled message may have a day in the future.
        last = max([min(self._period.end - timedelta(microseconds=1), self._now).astimezone(_ZONE).date(), *found])
        rows: list[Row] = []
        while day <= last:
            rows.append((day, *found.get(day, Measures()).cells()))
            day += timedelta(days=1)
        return self._measured("days", rows, Note("day"), Note("cost"))

    def _types(self) -> Table:
        found = measure_types(self._reader, self._period)
        return self._measured("types", _largest({type_term(one): measures for one, measures in found.items()}))

    def _campaigns(self) -> Table:
        found = measure_campaigns(self._reader, self._period, MOST_CAMPAIGNS)
        rows: list[Row] = []
        for name, runs, is_rest, measures in found:
            label = Term("others") if is_rest else Term("no_campaign") if name is None else without_phones(name)
            rows.append((label, runs or None, *measures.cells()))
        total = (Term("total"), sum(runs for _, runs, _, _ in found), *self._whole.cells()) if rows else None
        return Table("campaigns", TABLES["campaigns"], tuple(rows), total, (Note("runs"),))

    def _carriers(self) -> Iterator[Table]:
        # The carrier is found by the first digits, which a keyed hash does not show.
        if not self._coverage.privacy.startswith(("phone=plain", "phone=masked")):
            return
        carriers: dict[str, Measures] = {}
        for prefix, measures in measure_prefixes(self._reader, self._period).items():
            name = CARRIERS.get(prefix or "", Term("carrier.none"))
            carriers[name] = _sum(carriers[name], measures) if name in carriers else measures
        yield self._measured("carriers", _largest(carriers), Note("ported"))

    def _open(self) -> Table:
        rows: list[Row] = [
            (_AGES[age], Term(f"state.{state.value}"), messages, cost, oldest.astimezone(_ZONE))
            for age, state, messages, cost, oldest in open_by_age(self._reader, self._period, self._now)
        ]
        return Table("open", TABLES["open"], tuple(rows))

    def _recipients(self) -> Table:
        rows: list[Row] = [
            (
                phone,
                type_term(sms_type),
                None if campaign is None else without_phones(campaign),
                Term(f"state.{state}"),
                moment.astimezone(_ZONE),
                price,
            )
            for phone, sms_type, campaign, state, moment, price in undelivered(
                self._reader, self._period, MOST_RECIPIENTS
            )
        ]
        everybody = self._whole.messages - self._whole.delivered
        cut = (Note("cut", {"shown": len(rows), "rows": everybody}),) if everybody > len(rows) else ()
        return Table("recipients", TABLES["recipients"], tuple(rows), notes=cut)

    def _measured(self, name: str, rows: list[Row], *notes: Note) -> Table:
        total = (Term("total"), *self._whole.cells()) if rows else None
        return Table(name, TABLES[name], tuple(rows), total, notes)


def _used(measures: Measures, budget: Decimal) -> float | None:
    return None if measures.known_cost is None else float(measures.known_cost / budget)


def _largest(found: Mapping[str, Measures]) -> list[Row]:
    ordered = sorted(found.items(), key=lambda one: (-one[1].messages, one[0]))
    return [(name, *measures.cells()) for name, measures in ordered]


def _sum(one: Measures, other: Measures) -> Measures:
    costs = [measures.cost for measures in (one, other) if measures.cost is not None]
    return Measures(
        one.messages + other.messages,
        one.delivered + other.delivered,
        one.failed + other.failed,
        one.rejected + other.rejected,
        one.open + other.open,
        sum(costs, Decimal(0)) if costs else None,
    )


def _figure(measures: Measures, name: str) -> Cell:
    match name:
        case "failed":
            return measures.failed + measures.rejected
        case "cost":
            return measures.known_cost
    value: Cell = getattr(measures, name)
    return value


def _speed_table(speeds: Mapping[int | None, Speed], whole: Speed) -> Table:
    rows: list[Row] = [
        (type_term(sms_type), speed.messages, speed.median, speed.p90, speed.p99)
        for sms_type, speed in sorted(speeds.items(), key=lambda one: (-one[1].messages, one[0] or 0))
        if speed.messages
    ]
    notes = [Note("upper_bound")]
    if whole.untimed:
        notes.append(Note("untimed", {"messages": whole.untimed}))
    total = (Term("total"), whole.messages, whole.median, whole.p90, whole.p99) if rows else None
    return Table("speed", TABLES["speed"], tuple(rows), total, tuple(notes))

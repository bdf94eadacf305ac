"""Cost against budget: the budget given for the period, and those that the guard enforces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pendulum

from esms_connectors.gateway.echoes import folded_id
from esms_connectors.ledger import Ledger
from esms_connectors.reports.coverage import coverage_of
from esms_connectors.reports.masking import without_phones
from esms_connectors.reports.model import Note, Period, Row, Table, Term
from esms_connectors.reports.queries import cost_of_campaigns, measure_whole
from esms_connectors.reports.tables import TABLES
from esms_connectors.sending.guard.settings import GuardSettings
from esms_connectors.warehouse.contract import Reader, WindowLoad

MOST_RUNS = 20


@dataclass(frozen=True, slots=True)
class Charged:
    """A run that began in the period, or a month, and what the ledger has charged to its budget, in VND."""

    name: str
    campaign: str
    vnd: Decimal


@dataclass(frozen=True, slots=True)
class Budgets:
    """
    Attributes:
        period: the budget given for the period; None for none.
        month, run: the limits of the guard, VND; None for no limit, or without a ledger.
        months, runs: what the ledger has charged; of the runs, the most expensive ones.
    """

    period: Decimal | None = None
    month: Decimal | None = None
    run: Decimal | None = None
    months: Sequence[Charged] = ()
    runs: Sequence[Charged] = ()


def budgets_of(period: Period, budget: Decimal | None, ledger: Ledger | None, guard: GuardSettings | None) -> Budgets:
    """The budgets in force, and what the ledger has charged to them."""
    if ledger is None or guard is None or not guard.has_budget:
        return Budgets(budget)
    spend = ledger.guard.spend
    months, runs = [], []
    if guard.max_cost_month_vnd is not None:
        months = [
            Charged(f"{month.start:%Y-%m}", "", Decimal(spend.of_month(pendulum.instance(month.start))))
            for month in months_of(period)
        ]
    if guard.max_cost_vnd is not None:
        runs = [
            Charged(run_key, campaign, Decimal(vnd))
            for run_key, campaign, vnd in spend.of_runs(period.start, period.end, MOST_RUNS)
        ]
    return Budgets(budget, guard.max_cost_month_vnd, guard.max_cost_vnd, months, runs)


def budget_tables(
    budgets: Budgets, cost: Decimal | None, reader: Reader, loads: Sequence[WindowLoad], period: Period, now: datetime
) -> Iterator[Table]:
    """
    The table `budget`; empty if no budget is set.

    Args:
        cost: the cost of the period.
        loads: a month that is not completely loaded gets no cost: a partial one would seem well within the budget.
    """
    rows: list[Row] = []
    notes: list[Note] = []
    if budgets.period is not None:
        rows.append(_row("budget.period", None, budgets.period, cost, None))
    for charged, month in zip(budgets.months, months_of(period), strict=False):
        coverage = coverage_of(loads, month, now)
        listed = None
        if coverage.windows and coverage.complete:
            listed = measure_whole(reader, month).measures.known_cost
        else:
            notes.append(Note("budget_month", {"month": charged.name}))
        rows.append(_row("budget.month", charged.name, budgets.month, listed, charged.vnd))
    if budgets.runs:
        costs = cost_of_campaigns(reader, period.start, [one.campaign for one in budgets.runs if one.campaign])
        rows += [
            _row("budget.run", without_phones(one.name), budgets.run, costs.get(folded_id(one.campaign)), one.vnd)
            for one in budgets.runs
        ]
    if rows:
        if budgets.months or budgets.runs:
            notes.insert(0, Note("charged"))
        yield Table("budget", TABLES["budget"], tuple(rows), notes=tuple(notes))


def months_of(period: Period) -> list[Period]:
    """The Vietnamese calendar months that overlap the period."""
    start = period.start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    months = []
    while start < period.end:
        after = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
        months.append(Period(start, after))
        start = after
    return months


def _row(scope: str, name: str | None, budget: Decimal | None, cost: Decimal | None, charged: Decimal | None) -> Row:
    used = None if cost is None or not budget else float(cost / budget)
    left = None if cost is None or budget is None else budget - cost
    return Term(scope), name, budget, cost, used, left, charged

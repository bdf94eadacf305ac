"""Compares a month in the warehouse with the gateway's invoice, by message type."""

from __future__ import annotations

import contextlib
import csv
import importlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import pendulum
from pendulum import DateTime

from esms_connectors.databases.extras import need
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.plain_values import plain_number
from esms_connectors.gateway.times import in_vietnam, read_month
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.warehouse.contract import Reader, Warehouse
from esms_connectors.warehouse.coverage import rows_held
from esms_connectors.warehouse.doubtful_windows import doubts_of
from esms_connectors.warehouse.marts import INVOICES, create_marts
from esms_connectors.warehouse.planning import Clock, last_midnight, missing_spans, without_superseded

INVOICE_COLUMNS = ("sms_type", "messages", "amount_vnd")
"""Columns of an invoice file."""

STATEMENT_COLUMNS = (
    "sms_type", "type_name", "messages", "cost_vnd", "without_price", "open", "invoiced_messages", "invoiced_vnd",
    "messages_difference", "vnd_difference", "agrees",
)  # fmt: skip
_STATEMENT = f"""
SELECT {", ".join(STATEMENT_COLUMNS)} FROM esms_invoice_differences WHERE month = $month ORDER BY sms_type
"""
_AMOUNT = re.compile(r"-?\d{1,14}(\.\d{1,4})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """A line of an invoice: the number of messages of one type, and their amount in VND."""

    sms_type: int
    messages: int
    amount_vnd: Decimal


class StatementDiffersError(EsmsError):
    """Statement and invoice differ, or the warehouse lacks days of the month, which a later load may bring."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class MonthStatement:
    """
    Attributes:
        month: such as 2026-11.
        lines: one per message type, by `STATEMENT_COLUMNS`.
        gaps: days of the month that the warehouse lacks, one line of text each.
        into: the name of the warehouse.
        doubts: days whose rows may not be those that were sent, one line of text each: the gateway may have dropped
            them before they were read, or ignores the type.
    """

    month: str
    lines: Sequence[Mapping[str, Any]]
    gaps: Sequence[str]
    into: str
    doubts: Sequence[str] = ()

    @property
    def problems(self) -> list[str]:
        """
        Types that differ from the invoice, gaps, and doubts that no invoice has settled, one line of text each; empty
        if there are none.
        """
        differing = [
            f"differs: {line['type_name']} (type {line['sms_type']}), invoiced less statement "
            f"{line['messages_difference']:+} messages, {line['vnd_difference'].normalize():+f} VND"
            for line in self.lines
            if line["agrees"] is False
        ]
        is_settled = bool(self.lines) and all(line["agrees"] for line in self.lines)
        return [*differing, *self.gaps, *(() if is_settled else self.doubts)]

    def as_dict(self) -> dict[str, Any]:
        """The JSON form of every front end; `good`: nothing differs and nothing is missing."""
        lines = [
            {name: plain_number(value) if isinstance(value, Decimal) else value for name, value in line.items()}
            for line in self.lines
        ]
        return {
            "month": self.month,
            "lines": lines,
            "gaps": [*self.gaps],
            "doubts": [*self.doubts],
            "into": self.into,
            "good": not self.problems,
        }

    def check(self) -> None:
        """
        Raises:
            StatementDiffersError: there are `problems`.
        """
        if problems := self.problems:
            more = f", and {len(problems) - 1} more" if problems[1:] else ""
            raise StatementDiffersError(
                f"The statement of {self.month}: {problems[0]}{more}.", retryable=problems == [*self.gaps]
            )


def make_statement(warehouse: Warehouse, month: str, invoice: Sequence[InvoiceLine] | None = None) -> MonthStatement:
    """
    `month_statement` with its gaps; arguments and errors are the same.

    Raises:
        InvalidRequestError: also for a month that has not begun: it lacks nothing, and an invoice of it is a slip.
    """
    if _start_of(month) > machine_clock.now():
        raise InvalidRequestError(f"The month {month} has not begun yet.", field="month")
    lines = month_statement(warehouse, month, invoice)
    return MonthStatement(month, lines, months_gaps(warehouse, month), warehouse.name, months_doubts(warehouse, month))


def last_month(moment: datetime) -> str:
    """The last month that had ended in Vietnam at `moment`."""
    return str(pendulum.instance(moment).in_timezone(VIETNAM).start_of("month").subtract(days=1).format("YYYY-MM"))


def month_statement(
    warehouse: Warehouse, month: str, invoice: Sequence[InvoiceLine] | None = None
) -> list[dict[str, Any]]:
    """
    One line per message type, by `STATEMENT_COLUMNS`. Differences are invoice minus statement, and None without an
    invoice. Creates the views of `create_marts`.

    Args:
        month: in Vietnam, such as 2026-11.
        invoice: replaces the stored invoice of that month; None keeps it.

    Raises:
        InvalidRequestError: not a month. ConfigurationError: nothing was loaded, or the warehouse is not a database.
        WarehouseError: the database refused.
    """
    first = read_month(month)
    create_marts(warehouse)
    if invoice is not None:
        rows = [(month, first, one.sms_type, one.messages, one.amount_vnd) for one in invoice]
        warehouse.put_group(INVOICES, month, rows)

    def work(reader: Reader) -> list[dict[str, Any]]:
        return [dict(zip(STATEMENT_COLUMNS, row, strict=True)) for row in reader.read(_STATEMENT, month=first)]

    return warehouse.ask(work)


def _start_of(month: str) -> DateTime:
    return pendulum.instance(datetime.combine(read_month(month), time()), tz=VIETNAM)


def months_gaps(warehouse: Warehouse, month: str, *, now: Clock = machine_clock.now) -> list[str]:
    """The gaps of a month, one line of text each: windows that are owed, or were never loaded."""
    first = _start_of(month)
    end = min(first.add(months=1), last_midnight(now()))
    loads = list(warehouse.loads())
    told = []
    for sms_type in sorted({int(load.window.sms_type) for load in loads}):
        own = [load for load in loads if load.window.sms_type == sms_type and load.window.start < end]
        # A type whose first window is in a later month lacks this whole month.
        begun = min((load.window.start for load in own), default=end)
        spans = missing_spans(own, sms_type, end.in_timezone("UTC"), now().in_timezone("UTC")) if own else []
        missing = [(first, begun)] if first < begun else []
        missing += [(max(start, first), until) for start, until in spans if until > first]
        told += [
            f"not loaded: type {sms_type}, {in_vietnam(start)} to {in_vietnam(until)} in Vietnam"
            for start, until in missing
        ]
    return told


def months_doubts(warehouse: Warehouse, month: str) -> list[str]:
    """See `MonthStatement.doubts`."""
    first = _start_of(month)
    everything = list(warehouse.loads())
    doubts = doubts_of(without_superseded(everything), rows_held(warehouse), everything)
    found = {
        "not available: type {}, {} older than any with rows; the gateway may no longer have them": doubts.unavailable,
        "stored twice: type {}, {} with exactly the rows of another type": doubts.repeated,
        "removed: type {}, {} of which no row is stored any more": doubts.emptied,
    }
    told = []
    for text, some in found.items():
        by_type = Counter(
            load.window.sms_type for load in some if load.window.end > first and load.window.start < first.add(months=1)
        )
        told += [text.format(sms_type, counted(by_type[sms_type], "window")) for sms_type in sorted(by_type)]
    return told


def read_invoice(path: str | Path) -> list[InvoiceLine]:
    """
    Read an invoice: CSV in UTF-8 with the columns sms_type (a number, or a name such as zns), messages and amount_vnd;
    other columns are ignored.

    Args:
        path: a file, or an fsspec URL such as s3://bucket/2026-11.csv.

    Raises:
        InvalidRequestError: the file or a value cannot be read; names the line.
        ConfigurationError: the URL needs a package that is missing.
    """
    name = str(path).rpartition("/")[2] if "://" in str(path) else str(path)
    try:
        with _opened(str(path)) as file:
            reader = csv.DictReader(file)
            missing = [column for column in INVOICE_COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise InvalidRequestError(
                    f"{name} has no column {missing[0]}: an invoice has {', '.join(INVOICE_COLUMNS)}.", field="invoice"
                )
            return list(_lines(name, reader))
    except (UnicodeError, csv.Error):
        problem = "it is not CSV in UTF-8"
    except OSError as error:
        problem = error.strerror or type(error).__name__
    raise InvalidRequestError(f"{name} cannot be read: {problem}.", field="invoice")


@contextlib.contextmanager
def _opened(path: str) -> Iterator[IO[str]]:
    if "://" not in path:
        with Path(path).open(encoding="utf-8-sig", newline="") as local:
            yield local
        return
    need("fsspec", "files")
    problem = ""
    try:
        with importlib.import_module("fsspec").open(path, "rt", encoding="utf-8-sig", newline="") as remote:
            yield remote
    except (EsmsError, OSError, UnicodeError, csv.Error):
        raise
    except Exception as error:  # noqa: BLE001 - each file system has its own errors; their texts may hold signatures
        problem = f"its address cannot be used ({type(error).__name__})"
    if problem:
        raise InvalidRequestError(f"The invoice cannot be read: {problem}.", field="invoice")


def _lines(name_of_file: str, reader: csv.DictReader[str]) -> Iterator[InvoiceLine]:
    types = {one.name.casefold(): int(one) for one in SmsType} | {str(int(one)): int(one) for one in SmsType}
    seen: set[int] = set()
    for row in reader:
        values = {name: (row[name] or "").strip() for name in INVOICE_COLUMNS}
        line = InvoiceLine(
            types.get(values["sms_type"].casefold(), 0),
            int(values["messages"]) if re.fullmatch(r"\d{1,9}", values["messages"], re.ASCII) else -1,
            _amount(values["amount_vnd"]),
        )
        known: Mapping[str, bool] = {
            "sms_type": line.sms_type > 0 and line.sms_type not in seen,
            "messages": line.messages >= 0,
            "amount_vnd": not line.amount_vnd.is_nan(),
        }
        for name, good in known.items():
            if not good:
                about = "a message type, each once" if name == "sms_type" else "a plain number, such as 1250000"
                raise InvalidRequestError(
                    f"{name_of_file}, line {reader.line_num}, {name}: {values[name]!r} is not {about}.", field="invoice"
                )
        seen.add(line.sms_type)
        yield line


def _amount(text: str) -> Decimal:
    return Decimal(text) if _AMOUNT.fullmatch(text) else Decimal("nan")

"""
One campaign from its source to its result: every row is checked before the first message leaves.

`send_bulk` sends rows that are already checked; a `Campaign` sends a file, a query or a list. All policies of a send
are applied here: front ends build a `Campaign`, call `plan` and `send`, and translate the result.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.ledger.keys import check_run_key
from esms_connectors.ledger.rows import LedgerRow, rule_of
from esms_connectors.recipients import Columns, ReadReport, Recipient, Recipients, RejectsFile, read_recipients
from esms_connectors.recipients.reading import Check
from esms_connectors.recipients.sources import Layout, Source, is_parquet, is_repeatable, open_rows
from esms_connectors.sending.bulk import DEFAULT_THREADS, BulkIncompleteError, RunResult
from esms_connectors.sending.channels import Channel
from esms_connectors.sending.guard import GuardSettings
from esms_connectors.sending.guard.forecast import Forecast
from esms_connectors.sending.guard.preflight import check_plan_of, problems
from esms_connectors.sending.plan import Plan, check_plan, plan_bulk, planned_time
from esms_connectors.sending.policy import (
    DEFAULT_AT_LEAST,
    OnEmpty,
    account_of,
    check_at_least,
    check_on_empty,
    is_enough,
    read_price,
    refuse_empty,
    time_to_send,
)
from esms_connectors.sending.result import Progress
from esms_connectors.sending.run import Run
from esms_connectors.sending.texts import columns_of

__all__ = ["Campaign", "SourceChangedError"]

# Receives the stream of recipients, and passes each of them on.
Watch = Callable[[Iterable[Recipient]], Iterable[Recipient]]


class SourceChangedError(EsmsError):
    """The rows read for sending differ from the checked ones. The ledger has what was sent; call again to resume."""

    retryable = True


@dataclass(slots=True)
class Campaign:
    """
    A message, a source, a run key.

    Attributes:
        channel: what is sent, such as `ZnsChannel(client, template_id, oa_id)`.
        source: see `open_rows`; it must be readable twice.
        columns: which column holds what.
        run_key: identifies the campaign: the same key resumes it, and sends no row twice.
        campaign: a human-readable name, which comes back in the sent data.
        at_least: share of all rows of the source that must be accepted, including rows that cannot be sent. If those
            put it out of reach, nothing is sent. With the default of 1, one row that cannot be sent stops the campaign
            before the first message. None only reports.
        on_empty: whether a source without rows is nothing to do (skip), as on a quiet day of a schedule, or an error
            (fail); see `on_empty_of`.
        conflicts: rows whose key was sent with other content or to another phone in this run: refuse to send any row,
            or skip those. The plan counts them, and its rejects list them.
        price_vnd: of one message, or of one segment of an SMS; None uses the gateway's estimate, or else the price of
            the last message of this kind.
        guard: the rules in force, see `esms_connectors.sending.guard`.
        send_at_text: the text that the channel's `send_at` was parsed from, such as `+2h`. With a plan that was made
            from the same text, the time of that plan applies.
        duplicates: rows with the same phone: merge or keep; None merges unless there is a key column.
        The rest as in `read_recipients` and `send_bulk`.
    """

    channel: Channel
    source: Source = field(repr=False)
    columns: Columns
    ledger: Ledger = field(kw_only=True)
    run_key: str = field(kw_only=True)
    duplicates: Literal["merge", "keep"] | None = field(default=None, kw_only=True)
    encoding: str | None = field(default=None, kw_only=True)
    delimiter: str | None = field(default=None, kw_only=True)
    sheet: str | None = field(default=None, kw_only=True)
    header_row: int | None = field(default=None, kw_only=True)
    hidden_rows: Literal["refuse", "read"] = field(default="refuse", kw_only=True)
    two_phones: Literal["refuse", "first", "both"] = field(default="refuse", kw_only=True)
    as_is: bool = field(default=False, kw_only=True)
    campaign: str | None = field(default=None, kw_only=True)
    reconcile_before_repeat: bool = field(default=False, kw_only=True)
    threads: int = field(default=DEFAULT_THREADS, kw_only=True)
    at_least: float | None = field(default=DEFAULT_AT_LEAST, kw_only=True)
    on_empty: OnEmpty = field(default="fail", kw_only=True)
    conflicts: Literal["refuse", "skip"] = field(default="refuse", kw_only=True)
    price_vnd: Decimal | None = field(default=None, kw_only=True)
    guard: GuardSettings = field(default_factory=GuardSettings, kw_only=True)
    send_at_text: str | None = field(default=None, kw_only=True)
    _placed: dict[str, str] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.run_key = check_run_key(self.run_key)
        check_at_least(self.at_least)
        check_on_empty(self.on_empty)
        self.price_vnd = read_price(self.price_vnd)
        if self.conflicts not in ("refuse", "skip"):
            raise InvalidRequestError(f"conflicts is refuse or skip, not {self.conflicts!r}.", field="conflicts")
        if self.channel.key_is and self.columns.key_column is None:
            raise InvalidRequestError(
                f"{self.channel.kind} needs a key column: it contains {self.channel.key_is}.", field="key_column"
            )
        if not is_repeatable(self.source):
            raise InvalidRequestError(
                "The rows are read twice, to check and to send them: give a list, not an iterator.", field="source"
            )

    def recipients(
        self,
        report: ReadReport | None = None,
        rejects: RejectsFile | None = None,
        *,
        check: Check | None = None,
    ) -> Recipients:
        """The checked rows of a new reading of the source, without those that conflict with the ledger."""
        return read_recipients(
            self.source,
            self._columns(),
            template=self.channel.row_rules(),
            duplicates=self._duplicates,
            rejects=rejects,
            report=report,
            encoding=self.encoding,
            delimiter=self.delimiter,
            sheet=self.sheet,
            header_row=self.header_row,
            hidden_rows=self.hidden_rows,
            two_phones=self.two_phones,
            as_is=self.as_is,
            zalo_users=self.channel.addressed_by == "zalo_user_id",
            check=check or self._against_ledger(),
        )

    @property
    def _duplicates(self) -> Literal["merge", "keep"]:
        return self.duplicates or ("merge" if self.columns.key_column is None else "keep")

    @property
    def one_per_phone(self) -> bool:
        """See `Columns.one_per_phone`."""
        return self.columns.one_per_phone(self._duplicates)

    def _columns(self) -> Columns:
        """The columns, including those for the placeholders of a text."""
        names = self.channel.placeholders
        if not names:
            return self.columns
        given = self.columns.params or {}
        if not isinstance(given, Mapping):
            raise InvalidRequestError("The params of a text are given by name, as in name=column.", field="params")
        if self._placed is None:
            self._placed = columns_of(names, given, self._header)
        return replace(self.columns, params=self._placed)

    def _header(self) -> tuple[str, ...]:
        """The column names of the source."""
        found = open_rows(
            self.source,
            columns=None if is_parquet(self.source) else replace(self.columns, params=()).wanted,
            layout=Layout(self.encoding, self.delimiter, self.sheet, self.header_row, self.hidden_rows),
        )
        with found as rows:
            return tuple(rows.names)

    def _against_ledger(self, forecast: Forecast | None = None) -> _AgainstLedger:
        self.channel.row_rules()
        accounts = account_of(self.channel.client)
        about = {**self.channel.about(), "key_column": self.columns.key_name, "accounts": accounts}
        self.ledger.check_run(self.run_key, self.channel.kind, about)
        return _AgainstLedger(self.ledger, self.run_key, self.channel, forecast)

    def plan(
        self,
        rejects: RejectsFile | None = None,
        *,
        watch: Watch | None = None,
        approved: Plan | Mapping[str, Any] | None = None,
    ) -> Plan:
        """
        Read and check every row, and report what sending would do. Sends nothing.

        Args:
            rejects: receives the rows that cannot be sent, and those that were sent with other content before; the
                caller closes it.
            watch: sees every recipient, which saves another reading of the source.
            approved: a plan or its JSON; it is an error if the new plan differs.

        Raises:
            PlanChangedError: the plan differs from the approved one.
            InvalidRequestError: source, columns and channel do not fit together, or the run key was used before with
                another template, OA or key column; see also `time_to_send`.
            GatewayError, NotSentError, OutcomeUnknownError: template, balance or price could not be read.
        """
        plan = self._planned(rejects, watch, approved)
        if approved is not None:
            check_plan(approved, plan)
        return plan

    def _planned(
        self, rejects: RejectsFile | None, watch: Watch | None, approved: Plan | Mapping[str, Any] | None
    ) -> Plan:
        if (send_at := planned_time(approved, self.send_at_text)) is not None:
            self.channel = replace(self.channel, send_at=send_at)
        time_to_send(self.channel.send_at, self.ledger, self.run_key)
        report = ReadReport()
        forecast = Forecast(
            self.guard,
            self.channel,
            self.ledger,
            self.run_key,
            repeats=self._duplicates == "keep",
            once_per_phone=self.one_per_phone,
        )
        known = self._against_ledger(forecast)
        recipients: Iterable[Recipient] = self.recipients(report, rejects, check=known)
        plan = plan_bulk(
            self.channel,
            recipients if watch is None else watch(recipients),
            report,
            run_key=self.run_key,
            key_column=self.columns.key_name,
            known=lambda: (known.settled, forecast.counts, known.fingerprint()),
            ledger=self.ledger.name,
            rejects=None if rejects is None else rejects.path,
            price_vnd=self.price_vnd,
        )
        found, advice = problems(self.guard, self.channel, self.ledger, plan)
        return replace(
            plan,
            problems=(*found, *plan.problems, *advice, *forecast.words(), *self._out_of_reach(plan)),
            good=plan.good and not found,
            send_at_text=self.send_at_text,
        )

    def check_reach(self, plan: Plan) -> None:
        """
        Check that the rows of `plan` can be sent at all.

        Raises:
            InvalidRequestError: no row can be sent, the rows that cannot be sent put `at_least` out of reach, rows were
                sent with other content before, or the template is not enabled.
        """
        report = plan.report
        if plan.empty:
            refuse_empty(self.on_empty)
            return
        check_plan_of(self.guard, self.channel, plan)
        if plan.to_send:
            self.channel.check_sendable()
        if report.conflicts and self.conflicts == "refuse":
            raise InvalidRequestError(_conflict_words(self.run_key, report), field="conflicts")
        if plan.recipients == 0 and not report.conflicts:
            raise InvalidRequestError(f"No row of the source can be sent to: {_why_rejected(report)}.", field="source")
        for reason in self._out_of_reach(plan):
            raise InvalidRequestError(
                f"{reason}. This call sent nothing: correct the rows, or lower at_least.", field="at_least"
            )

    def _out_of_reach(self, plan: Plan) -> list[str]:
        """Why rows that cannot be sent keep the others from being sent; empty if they do not."""
        if is_enough(plan.recipients, plan.rows, self.at_least):
            return []
        rejected = f"{plan.report.rejected} of {counted(plan.rows, 'row')} cannot be sent"
        return [f"{rejected} ({_why_rejected(plan.report)}), more than at_least={self.at_least:g} allows"]

    def send(
        self,
        plan: Plan | Mapping[str, Any] | None = None,
        *,
        rejects: RejectsFile | None = None,
        watch: Watch | None = None,
        on_plan: Callable[[Plan], None] | None = None,
        progress: Progress | None = None,
    ) -> RunResult:
        """
        Check every row, then send. Calling it again resumes the run.

        Args:
            plan: an approved plan or its JSON; nothing is sent unless the rows still match it.
            rejects, watch: as in `plan`; the rejects are closed before the first message, and rewritten at the end if
                the gateway refused rows.
            on_plan: called with the new plan before the first message.
            progress: as in `send_bulk`.

        Raises:
            PlanChangedError: what would be sent differs from `plan`; this call sent nothing.
            InvalidRequestError: as in `plan` and `check_reach`; this call sent nothing.
            BulkIncompleteError: fewer rows were accepted than `at_least` requires, or rows are not settled.
            SourceChangedError: the second reading returned other rows than the first.
        """
        checked = self._planned(rejects, watch, plan)
        if rejects is not None:
            rejects.close()
        if on_plan is not None:
            on_plan(checked)
        if plan is not None:
            check_plan(plan, checked)
        self.check_reach(checked)
        try:
            result = self._send_checked(checked, progress)
        except BulkIncompleteError:
            if rejects is not None:
                # The outcome of the run must be reported, even if the source cannot be read again.
                with contextlib.suppress(EsmsError):
                    self._list_refused(rejects)
            raise
        if rejects is not None:
            self._list_refused(rejects)
        return result

    def _list_refused(self, rejects: RejectsFile) -> None:
        """Add the rows that the gateway has refused to the rejects, with its reasons."""
        refused = _Refused(self)
        if not refused.reasons:
            return
        with rejects.again() as file:
            for _ in self.recipients(ReadReport(), file, check=refused):
                pass

    def _send_checked(self, plan: Plan, progress: Progress | None) -> RunResult:
        readings: list[_Fingerprint] = []

        def read_again() -> Iterable[Recipient]:
            if plan.empty:
                return ()  # rows that arrived since were not checked
            # Without conflicts in the plan there are none to skip; one that appears meanwhile stops the run.
            known = self._against_ledger() if plan.report.conflicts else _Unchecked(self.ledger, self.channel)
            readings.append(known)
            return self.recipients(ReadReport(), check=known)

        send_at = time_to_send(self.channel.send_at, self.ledger, self.run_key)
        run = Run(
            replace(self.channel, send_at=send_at),
            Recipients(read_again, self.columns.key_name, merged=self.one_per_phone),
            self.ledger,
            self.run_key,
            self.campaign,
            self.threads,
            progress,
            self.reconcile_before_repeat,
            guard=self.guard,
            price_vnd=plan.price_vnd,
        )
        result = run.run(
            self.at_least,
            "skip",  # already decided by check_reach
            report=plan.report,
            rejects=plan.rejects,
        )
        if any(reading.fingerprint() != plan.fingerprint for reading in readings):
            raise SourceChangedError(
                f"The source changed while it was read: {counted(plan.recipients, 'row was', 'rows were')} checked, "
                f"then {result.counters.read} or other rows were found. Give the query an ORDER BY and a fixed end, "
                "and run again."
            )
        return result


class _Refused:
    """Finds the rows of a run that the gateway has refused."""

    def __init__(self, campaign: Campaign) -> None:
        self._ledger, self._run_key = campaign.ledger, campaign.run_key
        self.reasons = {
            row["request_id"]: f"was refused by the gateway with code {row['code']}: {row['reason']}"
            for row in self._ledger.rows(self._run_key, SendState.REJECTED)
            if row["code"] and rule_of(row["code"]) is None
        }

    def __call__(self, recipients: Sequence[Recipient]) -> list[str]:
        ids = self._ledger.request_ids(self._run_key, [one.row_key for one in recipients])
        return [self.reasons.get(one, "") for one in ids]


class _Fingerprint:
    """A digest of rows in any order: adding or removing a row, or changing a phone, key or content, changes it."""

    def __init__(self, ledger: Ledger, channel: Channel) -> None:
        self.ledger, self.channel = ledger, channel
        self._sum = self._rows = 0

    def rows_of(self, recipients: Sequence[Recipient]) -> list[LedgerRow]:
        return [LedgerRow(one.row_key, one.phone, self.channel.payload(one), one.line) for one in recipients]

    def add(self, row: LedgerRow) -> None:
        text = f"{len(row.row_key)}:{row.row_key}{row.phone}:{row.payload}"
        self._sum += int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
        self._rows += 1

    def fingerprint(self) -> str:
        return self.ledger.digest(f"{self.channel.kind}/{self._rows}/{self._sum:x}")


class _AgainstLedger(_Fingerprint):
    """Reports rows that were sent as something else in this run; counts those that are settled or would be skipped."""

    def __init__(self, ledger: Ledger, run_key: str, channel: Channel, forecast: Forecast | None) -> None:
        super().__init__(ledger, channel)
        self.run_key, self.forecast = run_key, forecast
        self.settled = 0

    def __call__(self, recipients: Sequence[Recipient]) -> list[str]:
        rows = self.rows_of(recipients)
        reasons: list[str] = []
        left: list[tuple[Recipient, SendState | None]] = []
        found = self.ledger.compare(self.run_key, rows)
        for one, row, (state, difference) in zip(recipients, rows, found, strict=True):
            reasons.append(f"was sent in this run with {difference} before" if difference else "")
            if difference:
                continue
            self.add(row)
            if state in (SendState.ACCEPTED, SendState.REJECTED):
                self.settled += 1
            else:
                left.append((one, state))
        if self.forecast is not None:
            self.forecast.look([one for one, _ in left], [state for _, state in left])
        return reasons


class _Unchecked(_Fingerprint):
    """Accepts every row, and only takes the fingerprint."""

    def __call__(self, recipients: Sequence[Recipient]) -> list[str]:
        for row in self.rows_of(recipients):
            self.add(row)
        return [""] * len(recipients)


def _conflict_words(run_key: str, report: ReadReport) -> str:
    shown = ", ".join(f"line {one.line} {one.text}" for one in report.first_conflicts[:3])
    more = f" and {report.conflicts - 3} more" if report.conflicts > 3 else ""
    return (
        f"Of run {run_key!r} {shown}{more}. This call sent nothing: use a new run key, take these rows out "
        "(the rejects list them), or skip them by conflicts=skip."
    )


def _why_rejected(report: ReadReport) -> str:
    return "; ".join(
        f"{count} {column or 'row'}: {reason}" for (column, reason), count in report.rejected_by.most_common(3)
    )

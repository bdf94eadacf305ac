"""
One ZNS campaign from its source to its summary: every row is checked before the first message leaves.

What `send_bulk` is for checked rows this is for a file, a query or a list. Orchestrators run it as one task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import pendulum
from pendulum import DateTime

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.models import ZnsTemplate
from esms_connectors.ledger import Ledger, LedgerRow, SendState, check_run_key
from esms_connectors.recipients import Check, Columns, ReadReport, Recipient, Recipients, RejectsFile, read_recipients
from esms_connectors.recipients.sources import Source, is_repeatable
from esms_connectors.sending.bulk import DEFAULT_THREADS, BulkSummary, Counters, send_bulk
from esms_connectors.sending.channels import ZnsChannel
from esms_connectors.sending.empty import OnEmpty, check_on_empty, refuse_empty
from esms_connectors.sending.plan import Plan, plan_zns_bulk

# Shares of whole rows are not exact: 0.98 of 50 may come out a little above 49.
_ROUNDING = 1e-9
# A time of sending that has just passed is meant as "now": somebody read and typed it.
SEND_AT_TOLERANCE = timedelta(minutes=5)


class SourceChangedError(EsmsError):
    """Other rows were there to be sent than were checked. What was sent stands in the ledger; the same call resumes."""

    retryable = True


class ShareOutOfReachError(EsmsError):
    """Every row that can be sent was accepted, and together they are fewer than `at_least`. Repair the others."""


@dataclass(slots=True)
class ZnsCampaign:
    """
    A source, a template, a run key.

    Attributes:
        source: see `open_rows`; one that can be read twice.
        columns: which column holds what.
        at_least: share of the rows that must be accepted; None only reports.
        at_least_of: all rows, those that cannot be sent included, or the sendable ones.
        out_of_reach: when so many rows cannot be sent that `at_least` is: refuse to send any, or send the others and
            fail at the end.
        on_empty: a source without any row is nothing to do (skip), as on a quiet day of a schedule, or an error (fail).
        conflicts: rows whose key was sent with another content or phone in this run: refuse to send any row, or skip
            those. The plan counts them, and its rejects list them.
        price_vnd: of one message; None takes that of the last ZNS.
        The rest as in `read_recipients` and `send_bulk`.
    """

    client: EsmsClient
    source: Source = field(repr=False)
    columns: Columns
    template_id: str
    oa_id: str
    ledger: Ledger
    run_key: str
    duplicates: Literal["merge", "keep"] | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_row: int | None = None
    hidden_rows: Literal["refuse", "read"] = "refuse"
    two_phones: Literal["refuse", "first", "both"] = "refuse"
    as_is: bool = False
    campaign: str | None = None
    send_at: datetime | None = None
    callback_url: str | None = field(default=None, repr=False)
    sending_mode: int | None = None
    chunk_size: int = 500
    reconcile_before_repeat: bool = False
    threads: int = DEFAULT_THREADS
    at_least: float | None = 1.0
    at_least_of: Literal["all", "sendable"] = "all"
    out_of_reach: Literal["refuse", "send"] = "refuse"
    on_empty: OnEmpty = "fail"
    conflicts: Literal["refuse", "skip"] = "refuse"
    price_vnd: Decimal | None = None
    _template: ZnsTemplate | None = None

    def __post_init__(self) -> None:
        self.run_key = check_run_key(self.run_key)
        if self.at_least is not None and not 0 <= self.at_least <= 1:
            raise InvalidRequestError("at_least is a share from 0 to 1, such as 0.98, or None.", field="at_least")
        check_on_empty(self.on_empty)
        if self.conflicts not in ("refuse", "skip"):
            raise InvalidRequestError(f"conflicts is refuse or skip, not {self.conflicts!r}.", field="conflicts")
        if not is_repeatable(self.source):
            raise InvalidRequestError(
                "The rows are read twice, to be checked and to be sent: give a list, not an iterator.", field="source"
            )

    @property
    def template(self) -> ZnsTemplate:
        """Asked for once."""
        if self._template is None:
            self._template = self.client.get_zns_template(self.template_id, self.oa_id)
        return self._template

    def _channel(self, *, send_at: datetime | None = None) -> ZnsChannel:
        return ZnsChannel(
            self.client, self.template_id, self.oa_id, self.sending_mode, self.template,
            send_at=send_at, callback_url=self.callback_url, chunk_size=self.chunk_size,
        )  # fmt: skip

    def recipients(
        self,
        report: ReadReport | None = None,
        rejects: RejectsFile | None = None,
        *,
        check: Check | None = None,
    ) -> Recipients:
        """The source, read anew; checked rows, without those that conflict with the ledger."""
        return read_recipients(
            self.source,
            self.columns,
            template=self.template,
            duplicates=self.duplicates or ("merge" if self.columns.key_column is None else "keep"),
            rejects=rejects,
            report=report,
            encoding=self.encoding,
            delimiter=self.delimiter,
            sheet=self.sheet,
            header_row=self.header_row,
            hidden_rows=self.hidden_rows,
            two_phones=self.two_phones,
            as_is=self.as_is,
            check=check or self._against_ledger(),
        )

    def _against_ledger(self) -> _AgainstLedger:
        channel = self._channel()
        self.ledger.check_run(self.run_key, channel.kind, {**channel.about(), "key_column": self.columns.key_name})
        return _AgainstLedger(self.ledger, self.run_key, channel.payload)

    def plan(
        self,
        rejects: RejectsFile | None = None,
        *,
        watch: Callable[[Iterable[Recipient]], Iterable[Recipient]] | None = None,
    ) -> Plan:
        """
        Read and check every row, and say what sending would do. Sends nothing.

        Args:
            rejects: gets the rows that cannot be sent, and those that were sent as something else before.
            watch: sees each recipient go by, so that nobody has to read the source for it once more.

        Raises:
            InvalidRequestError: source, columns and template do not fit together, or the run key was used before with
                another template, OA or key column; see also `time_to_send`.
            GatewayError, NotSentError, OutcomeUnknownError: template, balance or price could not be read.
        """
        send_at = time_to_send(self.send_at, self.ledger, self.run_key)
        report = ReadReport()
        known = self._against_ledger()
        recipients = self.recipients(report, rejects, check=known)
        return plan_zns_bulk(
            self.client,
            recipients if watch is None else watch(recipients),
            report,
            already_settled=lambda: known.settled,
            send_at=send_at,
            price_vnd=self.price_vnd,
            chunk_size=self.chunk_size,
        )

    def check_reach(self, plan: Plan) -> None:
        """
        Whether what `plan` has checked can be sent at all.

        Raises:
            InvalidRequestError: nobody can be sent to, so many rows cannot that `at_least` is out of reach, or rows
                were sent as something else before.
        """
        if plan.empty:
            refuse_empty(self.on_empty)
            return
        if plan.report.conflicts and self.conflicts == "refuse":
            raise InvalidRequestError(_conflict_words(self.run_key, plan.report), field="conflicts")
        if plan.recipients == 0 and not plan.report.conflicts:
            raise InvalidRequestError(
                f"No row of the source can be sent to: {_why_rejected(plan.report)}.", field="source"
            )
        if self.out_of_reach == "refuse" and plan.recipients < self._wanted(plan) - _ROUNDING:
            raise InvalidRequestError(
                f"{plan.report.rejected} of {_rows(plan)} rows cannot be sent ({_why_rejected(plan.report)}), more "
                f"than at_least={self.at_least:g} allows. This call sent nothing: repair the rows, or lower at_least.",
                field="at_least",
            )

    def send(self, plan: Plan, *, progress: Callable[[Counters], None] | None = None) -> BulkSummary:
        """
        Send what `plan` has checked; again is the resume.

        Raises:
            InvalidRequestError: as `check_reach`; nothing was sent by this call.
            BulkIncompleteError: fewer rows were accepted, or rows are not settled.
            ShareOutOfReachError: all that can be sent were, and they are fewer than `at_least`.
            SourceChangedError: the second reading brought other rows than the first.
        """
        self.check_reach(plan)
        readings: list[ReadReport] = []

        def read_again() -> Iterable[Recipient]:
            if plan.empty:
                return ()  # whatever came in since was not checked
            readings.append(ReadReport())
            # Without a conflict in the plan there is none to skip; one that comes up meanwhile stops the run.
            return self.recipients(readings[-1], check=None if plan.report.conflicts else _all_new)

        summary = send_bulk(
            self._channel(send_at=time_to_send(self.send_at, self.ledger, self.run_key)),
            Recipients(read_again, self.columns.key_name),
            ledger=self.ledger,
            run_key=self.run_key,
            campaign=self.campaign,
            reconcile_before_repeat=self.reconcile_before_repeat,
            threads=self.threads,
            at_least=self._share_of_recipients(plan),
            on_empty="skip",  # judged above
            progress=progress,
        )
        if any(reading.accepted != plan.recipients for reading in readings):
            raise SourceChangedError(
                f"The source changed while it was read: {plan.recipients} rows were checked, "
                f"{readings[0].accepted} were there to be sent. Give the query an ORDER BY and a fixed end, and run "
                "again."
            )
        if summary.run.accepted < self._wanted(plan) - _ROUNDING:
            raise ShareOutOfReachError(
                f"{summary.run.accepted} of {_rows(plan)} rows were accepted, fewer than at_least={self.at_least:g} "
                f"asks for: {plan.report.rejected} cannot be sent."
            )
        return summary

    def _share_of_recipients(self, plan: Plan) -> float | None:
        """A share of all rows, turned into a share of those that can be sent."""
        if self.at_least is None:
            return None
        return min(1.0, self._wanted(plan) / plan.recipients) if plan.recipients else 0.0

    def _wanted(self, plan: Plan) -> float:
        """So many rows must be accepted."""
        return (self.at_least or 0.0) * (plan.recipients if self.at_least_of == "sendable" else _rows(plan))


def time_to_send(
    send_at: datetime | None, ledger: Ledger, run_key: str, *, now: Callable[[], DateTime] = machine_clock.now
) -> datetime | None:
    """
    The time of sending; None where it is over and the rest of a run that has begun is to be sent at once.

    Raises:
        InvalidRequestError: it has no zone, or it is over and nothing of the run was sent yet: whoever begins a run
            with such a time has the wrong day or year, more likely than not.
    """
    if send_at is None:
        return None
    if send_at.tzinfo is None:
        raise InvalidRequestError("send_at needs a time with a zone, such as 2026-12-24T08:00+07:00.", field="send_at")
    if pendulum.instance(send_at) >= now() - SEND_AT_TOLERANCE:
        return send_at
    if ledger.has_begun_to_send(run_key):
        return None
    raise InvalidRequestError(
        f"send_at {send_at.isoformat()} lies in the past, and nothing of run {run_key!r} was sent before. Leave it out "
        "to send now.",
        field="send_at",
    )


def summary_dict(summary: BulkSummary, plan: Plan) -> dict[str, Any]:
    """What a call came to, for JSON: `BulkSummary.as_dict`, the rows of the source, and what its accepted rows cost."""
    cost = None if plan.price_vnd is None else plan.price_vnd * summary.accepted
    return {
        **summary.as_dict(),
        "rows": plan.report.rows,
        "rows_that_cannot_be_sent": plan.report.rejected,
        "cost_vnd": None if cost is None else int(cost),
    }


@dataclass(slots=True)
class _AgainstLedger:
    """Tells rows that were sent as something else in this run, and counts those that are settled."""

    ledger: Ledger
    run_key: str
    payload: Callable[[Recipient], str]
    settled: int = 0

    def __call__(self, recipients: Sequence[Recipient]) -> list[str]:
        rows = [LedgerRow(one.row_key, one.phone, self.payload(one), one.line) for one in recipients]
        reasons = []
        for state, difference in self.ledger.compare(self.run_key, rows):
            reasons.append(f"was sent in this run with {difference} before" if difference else "")
            self.settled += not difference and state in (SendState.ACCEPTED, SendState.REJECTED)
        return reasons


def _all_new(recipients: Sequence[Recipient]) -> list[str]:
    return [""] * len(recipients)


def _conflict_words(run_key: str, report: ReadReport) -> str:
    shown = ", ".join(f"line {one.line} {one.text}" for one in report.first_conflicts[:3])
    more = f" and {report.conflicts - 3} more" if report.conflicts > 3 else ""
    return (
        f"Of run {run_key!r} {shown}{more}. This call sent nothing: use a new run key, take these rows out "
        "(the rejects list them), or skip them by conflicts=skip."
    )


def _rows(plan: Plan) -> int:
    """Rows that somebody wants sent: those that repeat another are none."""
    return plan.recipients + plan.report.rejected


def _why_rejected(report: ReadReport) -> str:
    return "; ".join(
        f"{count} {column or 'row'}: {reason}" for (column, reason), count in report.rejected_by.most_common(3)
    )

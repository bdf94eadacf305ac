"""The guard of one run: consulted before each chunk is claimed, and again when its call leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from pendulum import DateTime

from esms_connectors.gateway.errors import (
    AddressNotAllowedError,
    AuthenticationError,
    BalanceError,
    GatewayError,
    InvalidRequestError,
)
from esms_connectors.gateway.redaction import get_logger
from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.gateway.times import in_vietnam
from esms_connectors.ledger import Ledger
from esms_connectors.ledger.row_rules import OverBudgetError, RowRules
from esms_connectors.ledger.rows import LedgerRow
from esms_connectors.recipients import Recipient
from esms_connectors.sending.channels import Channel
from esms_connectors.sending.guard.account import look_at_account
from esms_connectors.sending.guard.hours import HoursPolicy
from esms_connectors.sending.guard.preflight import (
    arrival,
    check_hours,
    check_stops,
    closed_words,
    is_open,
    learn_time,
    present_time,
)
from esms_connectors.sending.guard.rules import GuardStopError, RuleName, in_both_languages
from esms_connectors.sending.guard.settings import GuardSettings
from esms_connectors.sending.guard.single_rows import row_rules

logger = get_logger(__name__)

# How long a worker that waits for its turn sleeps at a time, and how often it checks for stop marks.
_NAP_SECONDS, _LOOK_SECONDS = 1.0, 5.0
# Refusals that every run of the account would get.
_OF_ACCOUNT = (AuthenticationError, AddressNotAllowedError, BalanceError)


class RunGuard:
    """
    Args:
        price_vnd: of a message, or of a segment for SMS; needed if a budget is in force.

    Raises:
        InvalidRequestError: a budget without a price.
    """

    def __init__(
        self,
        settings: GuardSettings,
        channel: Channel,
        ledger: Ledger,
        run_key: str,
        price_vnd: Decimal | None,
        *,
        once_per_phone: bool = False,
    ) -> None:
        self._settings, self._channel, self._ledger, self._run_key = settings, channel, ledger, run_key
        self._store = ledger.guard
        self._class = channel.message_class
        self._policy = settings.hours_policy(self._class)
        self._hours = settings.open_hours(self._class)
        self._suppresses = settings.suppresses(self._class)
        self._price, self._once_per_phone = price_vnd, once_per_phone
        self._noted: DateTime | None = None
        if settings.has_budget and price_vnd is None:
            raise InvalidRequestError(
                "A budget needs the price of a message: give price_vnd, because no earlier message of this kind shows "
                "it.",
                field="price_vnd",
            )

    def paced(self, channel: Channel) -> Channel:
        """The channel with at most a minute's messages per call, if the hourly rate is limited."""
        if self._settings.per_hour is None or channel.frozen:
            return channel
        return replace(channel, chunk_size=min(channel.chunk_size, max(1, self._settings.per_hour // 60)))

    # --- before the run ----------------------------------------------------------------------------------------------

    def begin(self, *, looks: bool) -> None:
        """
        Check that a call for this run may begin.

        Args:
            looks: whether to check if a refused account is in order again; False for a shard of a run.

        Raises:
            GuardRefusalError: it would arrive outside its hours, and the policy is to refuse that.
            ConfigurationError: the suppression list cannot be read.
        """
        if self._suppresses:
            self._store.suppression.check()
        if looks:
            look_at_account(self._ledger, self._channel.client, self._run_key, self._price)
        learn_time(self._settings, self._channel)
        if self._policy is HoursPolicy.REFUSE:
            check_hours(self._settings, self._channel)
        for one in self._settings.overrides:
            self._store.overrides.record(self._run_key, one.rule, who=one.who, reason=one.reason)

    def _counted(self) -> DateTime:
        """The gateway's time, by the one of this machine's clocks that has advanced further since it was learned."""
        clock = self._channel.client.clock
        return clock.latest() if clock.confirmed else self._ledger.now()

    def _arrives(self) -> DateTime:
        return arrival(present_time(self._channel, self._ledger), self._channel)

    # --- before a chunk ----------------------------------------------------------------------------------------------

    def channel_for(self, first_row: str) -> Channel:
        """
        The channel to send a chunk by: unchanged, or scheduled within its hours.

        Args:
            first_row: the key of its first row, which determines the minute at which a rescheduled chunk is sent.

        Raises:
            GuardStopError: the run was stopped, its account was refused, or it is outside its hours.
        """
        self.check_stops()
        if self._is_open():
            return self._channel
        if self._policy is HoursPolicy.RESCHEDULE:
            return self._rescheduled(first_row)
        raise self._closed()

    def _is_open(self) -> bool:
        return self._policy is HoursPolicy.ALLOW or is_open(self._settings, self._channel)

    def _closed(self) -> GuardStopError:
        english, vietnamese = closed_words(self._settings, self._channel)
        if self._policy is not HoursPolicy.DEFER:
            return GuardStopError(RuleName.HOURS, english, vietnamese)
        opens = self._hours.next_open(self._arrives())
        shown = in_vietnam(opens)
        return GuardStopError(
            RuleName.HOURS,
            f"{english}; the same command continues from {shown} in Vietnam",
            f"{vietnamese}; chạy lại lệnh cũ từ {shown}",
            until=opens.to_iso8601_string(),
        )

    def _rescheduled(self, first_row: str) -> Channel:
        # Only one end of the possible range of times may be outside the hours; the opening is that of the later one.
        arrives, minutes = arrival(self._channel.client.clock.latest(), self._channel), self._settings.spread_minutes
        if self._hours.contain(arrives):
            arrives = self._arrives()
        number = int(make_request_id("spread", self._run_key, first_row)[:12], 16)
        channel = replace(self._channel, send_at=self._hours.spread(arrives, number, minutes))
        latest = self._hours.spread(arrives, minutes - 1, minutes)
        if self._noted is None or latest > self._noted:
            # Until then a message may not be listed anywhere, which a look-up of rows in doubt must take into account.
            about = self._ledger.run_about(self._run_key)
            noted = {name: value for name, value in about.items() if name not in ("kind", "phones")}
            self._ledger.begin_run(self._run_key, channel.kind, {**noted, **replace(channel, send_at=latest).about()})
            self._noted = latest
        return channel

    def may_send(self, channel: Channel) -> bool:
        """Whether a call that was allowed when its chunk was claimed may still leave: it may have waited too long."""
        return channel is not self._channel or self._is_open()

    def check_stops(self) -> None:
        """
        Raises:
            GuardStopError: the run was stopped, or its account was refused.
        """
        check_stops(self._ledger, self._run_key, self._channel.client)

    def wait_for_turn(self, recipients: Sequence[Recipient], ended: Callable[[], bool]) -> None:
        """
        Wait until the unsettled ones of these rows may be sent by the pace of the run, which all its workers share.
        Nothing is claimed yet.

        Args:
            ended: whether the run was stopped meanwhile.

        Raises:
            GuardStopError: the run was stopped meanwhile.
        """
        if self._settings.per_hour is None:
            return
        rows = len(self._ledger.unsettled(self._run_key, [one.row_key for one in recipients]))
        if not rows:
            return
        began = self._counted()
        seconds = self._store.pace.reserve_turn(self._run_key, rows, began, per_hour=self._settings.per_hour)
        turn, looked = began.add(microseconds=round(seconds * 1_000_000)), time.monotonic()
        while not ended() and (left := (turn - self._counted()).total_seconds()) > 0:
            time.sleep(max(0.001, min(left, _NAP_SECONDS)))
            if time.monotonic() - looked >= _LOOK_SECONDS:
                self.check_stops()
                looked = time.monotonic()

    # --- the rows of a chunk -----------------------------------------------------------------------------------------

    def rules(self, recipients: Sequence[Recipient], channel: Channel | None = None) -> RowRules:
        """The rules that the claim of these rows checks; `channel`: the one they are sent by, if it is another."""
        return row_rules(
            self._settings,
            channel or self._channel,
            self._ledger,
            price_vnd=self._price,
            recipients=recipients,
            once_in=self._run_key if self._once_per_phone else None,
        )

    def skip(self, recipients: Sequence[Recipient]) -> tuple[set[int], set[int]]:
        """
        Settle rows that a rule holds back before they are put into calls; `recipients` has no phone twice.

        Returns:
            Places of the rows settled in this way, and of rows held back that could not be settled: they are in doubt,
            or claimed by another worker.
        """
        rules = self.rules(())
        held = self._store.held_back(self._run_key, [(one.row_key, one.phone) for one in recipients], rules)
        settled: set[int] = set()
        for why in dict.fromkeys(held.values()):
            places = [place for place, one in held.items() if one == why]
            rows = [self.row(recipients[place]) for place in places]
            settled |= {places[one] for one in self._store.skip(self._run_key, rows, why.rule, rules.reason(why))}
        return settled, set(held) - settled

    def row(self, recipient: Recipient) -> LedgerRow:
        """The recipient as a ledger row."""
        return LedgerRow(recipient.row_key, recipient.phone, self._channel.payload(recipient), recipient.line)

    def stop_of(self, error: OverBudgetError) -> GuardStopError:
        """The stop of a run whose next call would exceed a budget."""
        shown = f"{error.asked_vnd:,} VND more"
        for english, spent, most in (
            ("run", error.run_vnd, self._settings.max_cost_vnd),
            ("month", error.month_vnd, self._settings.max_cost_month_vnd),
        ):
            shown += f"; {english} {spent:,} of {most:,.0f}" if most is not None else ""
        return GuardStopError(
            RuleName.BUDGET,
            f"Run {self._run_key} stops before the call that would exceed the budget: {shown}",
            f"Lần chạy {self._run_key} dừng trước khi vượt ngân sách: {shown}",
        )

    # --- after a call ------------------------------------------------------------------------------------------------

    def refused(self, error: GatewayError) -> None:
        """Stop all runs of the account after a refusal that each of them would get."""
        if isinstance(error, _OF_ACCOUNT):
            reason = f"{error.code}: the gateway refuses the account"
            if self._store.stops.mark_account(self._channel.client.account, code=error.code or "", reason=reason):
                logger.warning(
                    "run %s: %s", self._run_key, in_both_languages(RuleName.STOP, reason, "Tài khoản bị từ chối")
                )

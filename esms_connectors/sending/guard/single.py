"""The guard for a message that is sent outside a run, such as by `esms send-sms --to`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import EsmsError, GatewayError, OutcomeUnknownError
from esms_connectors.sending.guard.hours import HoursPolicy
from esms_connectors.sending.guard.preflight import arrival, check_hours, check_message, check_stops, is_open
from esms_connectors.sending.guard.rules import RULES, GuardRefusalError, RuleName
from esms_connectors.sending.guard.single_rows import row_rules

if TYPE_CHECKING:
    from esms_connectors.ledger import Ledger
    from esms_connectors.sending.channels import Channel
    from esms_connectors.sending.guard.settings import GuardSettings


@contextmanager
def guarded_message(
    settings: GuardSettings,
    channel: Channel,
    phones: Sequence[str],
    request_id: str,
    ledger: Ledger | None,
    *,
    segments: int,
) -> Iterator[Channel]:
    """
    A context in which the message may be sent, by the channel that it yields: unchanged, or scheduled within its hours.

    Args:
        phones: in the form in which they are sent.
        request_id: of the message; caps count by request id, so that a repeat counts once.
        ledger: has the suppression list, caps and stop marks; None if there is none.

    Raises:
        GuardRefusalError: a rule refuses it for any of the phones; unlike in a run, no single phone is skipped.
        GuardStopError: everything is stopped, or the account was refused.
    """
    check_message(settings, channel, segments)
    policy = settings.hours_policy(channel.message_class)
    if policy is not HoursPolicy.ALLOW and not channel.client.sandbox:
        channel = _within_hours(settings, channel, policy)
    if ledger is None or channel.client.sandbox:
        yield channel
        return
    check_stops(ledger, request_id, channel.client)
    for one in settings.overrides:
        ledger.guard.overrides.record(request_id, one.rule, who=one.who, reason=one.reason)
    if settings.suppresses(channel.message_class):
        ledger.guard.suppression.check()
        _refuse(RuleName.SUPPRESSION, len(ledger.guard.suppression.found(phones)), len(phones))
    _count(settings, channel, phones, request_id, ledger)
    try:
        yield channel
    except EsmsError as error:
        if _reached_nobody(error):
            ledger.guard.contacts.release(request_id, phones)
        raise


def _reached_nobody(error: EsmsError) -> bool:
    if isinstance(error, GatewayError):
        return error.nothing_taken
    return not isinstance(error, OutcomeUnknownError)


def _within_hours(settings: GuardSettings, channel: Channel, policy: HoursPolicy) -> Channel:
    channel.client.learn_time()
    if policy is HoursPolicy.RESCHEDULE and not is_open(settings, channel):
        hours = settings.open_hours(channel.message_class)
        return replace(channel, send_at=hours.next_open(arrival(channel.client.clock.latest(), channel)))
    check_hours(settings, channel)
    return channel


def _count(settings: GuardSettings, channel: Channel, phones: Sequence[str], request_id: str, ledger: Ledger) -> None:
    """Count the message towards the caps. GuardRefusalError if a phone has reached its cap; then nothing is counted."""
    rules = row_rules(settings, channel, ledger)
    if rules.cap is not None:
        full = ledger.guard.contacts.reserve(request_id, phones, rules)
        _refuse(RuleName.FREQUENCY, len(full), len(phones))


def _refuse(rule: RuleName, held: int, phones: int) -> None:
    if held:
        raise GuardRefusalError(
            rule,
            f"Nothing was sent, because {held} of {counted(phones, 'phone')} may not get it now: "
            f"{RULES[rule].english.rstrip('.')}",
            f"Chưa gửi cho ai vì {held} trên {phones} số không được nhận lúc này: {RULES[rule].vietnamese.rstrip('.')}",
            field="phone",
        )

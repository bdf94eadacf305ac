"""Which rows the guard would leave out, told by the plan before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Recipient
from esms_connectors.sending.channels import Channel
from esms_connectors.sending.guard.before import arrival
from esms_connectors.sending.guard.rules import RULES, RuleName
from esms_connectors.sending.guard.settings import GuardSettings


class Foreseen:
    """
    Counts rows that are on the suppression list or whose phone has had its messages, as things stand now. Nothing is
    written.

    Raises:
        ConfigurationError: the suppression list cannot be asked.
    """

    def __init__(self, settings: GuardSettings, channel: Channel, ledger: Ledger, run_key: str) -> None:
        self._settings, self._channel, self._ledger, self._run_key = settings, channel, ledger, run_key
        self._suppresses = settings.suppresses(channel.message_class)
        self._cap = settings.cap(channel.message_class)
        self._arrives = arrival(ledger.now(), channel)
        self.counts: Counter[str] = Counter()
        if self._suppresses:
            ledger.guard.suppression.check()

    def look(self, recipients: Sequence[Recipient]) -> None:
        """Look at rows that are not settled; no phone twice."""
        left = list(recipients)
        if left and self._suppresses:
            listed = self._ledger.guard.suppression.found([one.phone for one in left])
            left = [one for place, one in enumerate(left) if place not in listed]
            self._count(RuleName.SUPPRESSION, len(listed))
        if left and self._cap is not None:
            full = self._ledger.guard.contacts.full(
                self._run_key,
                [(one.row_key, one.phone) for one in left],
                self._channel.message_class.value,
                most=self._cap,
                hours=self._settings.cap_hours,
                arrives=self._arrives,
            )
            self._count(RuleName.FREQUENCY, len(full))

    def _count(self, rule: RuleName, rows: int) -> None:
        if rows:
            self.counts[rule.value] += rows

    def words(self) -> list[str]:
        """One line for each rule, in English and Vietnamese."""
        return [
            f"{count} rows would be skipped: {RULES[RuleName(rule)].english} / {RULES[RuleName(rule)].vietnamese}"
            for rule, count in sorted(self.counts.items())
        ]

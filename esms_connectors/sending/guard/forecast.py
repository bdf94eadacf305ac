"""Finds the rows that the guard would skip, for the plan, before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from esms_connectors.gateway.counted import counted
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.recipients import Recipient
from esms_connectors.recipients.seen import KeySet, PhoneSet
from esms_connectors.sending.channels import Channel
from esms_connectors.sending.chunks import cut_chunks
from esms_connectors.sending.guard.preflight import learn_time
from esms_connectors.sending.guard.rules import RULES, RuleName
from esms_connectors.sending.guard.settings import GuardSettings
from esms_connectors.sending.guard.single_rows import row_rules

# Rows that a claim returns without any doubt, and that a rule settles as skipped.
_NEW = (None, SendState.NOT_SENT)


class Forecast:
    """
    Counts rows that are on the suppression list, or whose phone has reached its cap, as of now. Nothing is written.

    Args:
        repeats: whether a phone may occur again; each row that would be sent then counts towards the cap of later rows.
        once_per_phone: a phone gets one message in the run, whatever the keys of its rows.

    Attributes:
        counts: rows that would be skipped, by rule.
        in_doubt: rows that a rule holds back and that stay in doubt, as they would in a run.

    Raises:
        ConfigurationError: the suppression list cannot be read.
    """

    def __init__(
        self,
        settings: GuardSettings,
        channel: Channel,
        ledger: Ledger,
        run_key: str,
        *,
        repeats: bool = True,
        once_per_phone: bool = False,
    ) -> None:
        self._store, self._run_key = ledger.guard, run_key
        self.counts: Counter[str] = Counter()
        self.in_doubt = 0
        if settings.suppresses(channel.message_class):
            self._store.suppression.check()
        learn_time(settings, channel)
        self._rules = row_rules(settings, channel, ledger, once_in=run_key if once_per_phone else None)
        self._looks = self._rules.suppresses or self._rules.cap is not None or once_per_phone
        self._seen = _seen(channel) if repeats and self._rules.cap is not None else None
        # By phone that occurred again: messages to it from rows before the next one.
        self._again: dict[str, int] = {}

    def look(self, recipients: Sequence[Recipient], states: Sequence[SendState | None]) -> None:
        """Check rows that are not settled, given their states in the ledger."""
        if not self._looks:
            return
        new = [one for one, state in zip(recipients, states, strict=True) if state in _NEW]
        for rows in cut_chunks(new, len(new) or 1):
            more = [self._before(one.phone) for one in rows]
            held = self._store.held_back(self._run_key, [(one.row_key, one.phone) for one in rows], self._rules, more)
            self.counts.update(why.rule for why in held.values())
            for place, one in enumerate(rows):
                if more[place] and place not in held:
                    self._again[one.phone] = more[place] + 1
        # Rows in doubt already count for their phones.
        doubtful = [one for one, state in zip(recipients, states, strict=True) if state not in _NEW]
        for rows in cut_chunks(doubtful, len(doubtful) or 1):
            self.in_doubt += len(
                self._store.held_back(self._run_key, [(one.row_key, one.phone) for one in rows], self._rules)
            )

    def _before(self, phone: str) -> int:
        """Messages to the phone from earlier rows. A phone once held back stays held back, whatever this returns."""
        if self._seen is None or self._seen.add(phone):
            return 0
        return self._again.get(phone, 1)

    def words(self) -> list[str]:
        """One line for each rule, in English and Vietnamese."""
        lines = [
            f"{counted(count, 'row')} would be skipped: {RULES[RuleName(rule)].english} / "
            f"{RULES[RuleName(rule)].vietnamese}"
            for rule, count in sorted(self.counts.items())
        ]
        if self.in_doubt:
            lines.append(
                f"{counted(self.in_doubt, 'row')} in doubt held back by a rule: not repeated, and in doubt until `esms "
                f"reconcile` / {self.in_doubt} dòng chưa rõ kết quả bị một quy tắc giữ lại: không gửi lại, hãy chạy "
                "`esms reconcile`"
            )
        return lines


def _seen(channel: Channel) -> PhoneSet | KeySet:
    return KeySet() if channel.addressed_by == "zalo_user_id" else PhoneSet()

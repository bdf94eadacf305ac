"""A caller's guard options for one send: the same names on the command line, in operators and in flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.sending.guard.settings import GuardSettings


@dataclass(frozen=True, slots=True)
class GuardChoice:
    """
    Attributes:
        hours: refuse, reschedule, defer or allow, for the message class of the send.
        max_cost_vnd: of the run.
        canary: rows that are sent first.
        per_hour: maximum number of messages per hour.
        guard: other settings by name, see `GuardSettings`.
        overrides, override_reason: rules that are set aside, and why; both are recorded in the ledger.
    """

    hours: str | None = None
    max_cost_vnd: object = None
    canary: object = None
    per_hour: object = None
    guard: Mapping[str, object] | None = None
    overrides: Sequence[str] = field(default=())
    override_reason: str | None = None

    def over(self, in_force: GuardSettings, *, who: str) -> GuardSettings:
        """
        The settings in force for this send.

        Args:
            who: the person who decided the overrides.

        Raises:
            InvalidRequestError: an unknown name, a value that cannot be used, or an override without a reason.
        """
        if self.guard is not None and not isinstance(self.guard, Mapping):
            raise InvalidRequestError('guard takes settings by name, such as {"advertising_cap": 2}.', field="guard")
        if isinstance(self.overrides, str):
            raise InvalidRequestError("overrides takes a list of rules.", field="overrides")
        own = {name: getattr(self, name) for name in ("hours", "max_cost_vnd", "canary", "per_hour")}
        chosen = in_force.changed(self.guard or {}).changed(own)
        return chosen.overriding(self.overrides, who=who, reason=self.override_reason)

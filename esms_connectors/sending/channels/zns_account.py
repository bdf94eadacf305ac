"""What the gateway reports about a ZNS template and its OA: status, quality, remaining quota."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import pendulum

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.errors import EsmsError
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.sending.channels.base import AccountView

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.gateway.models import ZnsTemplate

# Sends beyond the quota of the OA, which Zalo allows to some accounts.
BEYOND_QUOTA = 3


class ZnsSender(Protocol):
    """What a bulk ZNS is sent with."""

    template_id: str
    oa_id: str
    template: ZnsTemplate | None
    send_at: datetime | None


def template_problems(template: ZnsTemplate) -> list[str]:
    """Reasons against sending a template, one line each; what the gateway does not report is not a reason."""
    problems = []
    if template.status is not None and template.status.upper() not in ("ENABLE", "ENABLED"):
        problems.append(f"template {template.template_id} is {template.status}, not ENABLE: messages would be refused")
    if (template.quality or "").upper() == "LOW":
        problems.append(f"template {template.template_id} is of LOW quality: Zalo may stop it")
    return problems


def zns_view(client: EsmsClient, sender: ZnsSender, untold: str | None, to_send: int) -> AccountView:
    """
    Args:
        untold: why the gateway did not return the template; empty if it did.
    """
    problems, notes = [], [untold] if untold else []
    today = _is_today(sender.send_at)
    template = sender.template
    if template is not None and not untold:
        problems += template_problems(template)
        left = template.remaining_quota if today else template.daily_quota
        if template.has_quota is not False and left is not None and left < to_send:
            problems.append(_too_few(f"template {template.template_id}", left, to_send, today))
    if getattr(sender, "sending_mode", None) != BEYOND_QUOTA:
        try:
            quota = client.get_oa_quota(sender.oa_id)
        except EsmsError as error:
            notes.append(f"The quota of OA {sender.oa_id} could not be queried: {error}")
        else:
            left = quota.remaining if today else quota.daily
            if left is not None and left < to_send:
                problems.append(_too_few(f"OA {sender.oa_id}", left, to_send, today))
    return AccountView(tuple(problems), tuple(notes))


def _is_today(send_at: datetime | None) -> bool:
    now = machine_clock.now().in_timezone(VIETNAM)
    return send_at is None or pendulum.instance(send_at).in_timezone(VIETNAM).date() <= now.date()


def _too_few(what: str, left: int, to_send: int, today: bool) -> str:
    when = "today" if today else "a day"
    return (
        f"the quota of {what} allows {left:,} more {when}, the plan needs {to_send:,}"
        if today
        else (f"the quota of {what} is {left:,} {when}, the plan needs {to_send:,}")
    )

"""State of one customer account: balance, senders, templates, and used quotas and request ids."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from .world import Account


@dataclass(slots=True)
class OtpCode:
    """A code that the gateway generated for a phone (`0...` form); valid once, until `expires_ms`."""

    phone: str
    text: str
    expires_ms: int
    used: bool = False


@dataclass(slots=True)
class Registration:
    """
    A requested template or package.

    Args:
        number: the ServicePreviewId. kind: the function called. details: the members that identify a repeated request.
        what: description for display. made: id of the resulting ZNS template.
    """

    number: int
    kind: str
    details: dict[str, str]
    created_ms: int
    reviewed_ms: int
    what: str
    made: str = ""
    done: bool = False


class AccountState:
    """An account with its balance, the request ids it has used, and the ZNS of each day."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.balance_vnd = account.balance_vnd
        self.allowed_ips = account.allowed_ips
        self.brandnames = {brandname.name: brandname for brandname in account.brandnames}
        self.official_accounts = {oa.oa_id: oa for oa in account.official_accounts}
        self.templates = {template.template_id: template for template in account.templates}
        self.call_scripts = {script.script_id: script for script in account.call_scripts}
        self.multi_channel_templates = {pair.template_id: pair for pair in account.multi_channel_templates}
        # request id -> message number, or -(time in ms) when it was consumed by a refusal.
        self.request_ids: dict[str, int] = {}
        self.zns_of_day: Counter[tuple[str, int]] = Counter()
        """(OA id or template id, Vietnamese day) -> ZNS counted against its quota."""
        self.texts: dict[tuple[str, str], int] = {}
        """(phone, text) -> when it was last accepted, epoch ms; recorded only while the quirk needs it."""

        self.codes: list[OtpCode] = []
        self.registrations: list[Registration] = []

    def charge(self, amount_vnd: Decimal) -> None:
        """Deduct an amount from the balance."""
        self.balance_vnd -= amount_vnd

    def left_today(self, oa_id: str, template_id: str, day: int) -> int:
        """Number of ZNS that the quotas of this OA and template still allow on this day."""
        left = self.left_of_oa(oa_id, day)
        template = self.templates[template_id]
        if template.daily_quota is not None:
            left = min(left, self.left_of_template(template_id, day))
        return left

    def left_of_oa(self, oa_id: str, day: int) -> int:
        """The remaining daily quota of an OA."""
        return max(0, self.official_accounts[oa_id].daily_quota - self.zns_of_day[oa_id, day])

    def left_of_template(self, template_id: str, day: int) -> int:
        """The remaining daily quota of a template (0 if it has none)."""
        return max(0, (self.templates[template_id].daily_quota or 0) - self.zns_of_day[template_id, day])

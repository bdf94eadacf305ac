"""One customer of the emulated gateway: balance, senders, templates, and what has been used up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from .world import Account


@dataclass(slots=True)
class OtpCode:
    """A code that the gateway has made for a phone (`0...` form); it is good once, until `expires_ms`."""

    phone: str
    text: str
    expires_ms: int
    used: bool = False


@dataclass(slots=True)
class Registration:
    """
    A template or package that was asked for.

    Args:
        number: the ServicePreviewId. kind: the function that took it. details: the members that make it the same again.
        what: for people. made: id of the ZNS template that comes of it.
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
        """(OA id or template id, Vietnamese day) -> ZNS taken against its quota."""
        self.texts: dict[tuple[str, str], int] = {}
        """(phone, text) -> when it was last taken, epoch ms; kept only while the quirk needs it."""

        self.codes: list[OtpCode] = []
        self.registrations: list[Registration] = []

    def charge(self, amount_vnd: Decimal) -> None:
        """Take money off the account."""
        self.balance_vnd -= amount_vnd

    def left_today(self, oa_id: str, template_id: str, day: int) -> int:
        """ZNS that the quotas of this OA and template still allow on this day."""
        left = self.left_of_oa(oa_id, day)
        template = self.templates[template_id]
        if template.daily_quota is not None:
            left = min(left, self.left_of_template(template_id, day))
        return left

    def left_of_oa(self, oa_id: str, day: int) -> int:
        """What is left of the daily quota of an OA."""
        return max(0, self.official_accounts[oa_id].daily_quota - self.zns_of_day[oa_id, day])

    def left_of_template(self, template_id: str, day: int) -> int:
        """What is left of a template's own daily quota (0 when it has none)."""
        return max(0, (self.templates[template_id].daily_quota or 0) - self.zns_of_day[template_id, day])

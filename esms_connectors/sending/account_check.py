"""Checks the prerequisites of the first message: account, clock, and the senders that are named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from esms_connectors.gateway import machine_clock, wire
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import AddressNotAllowedError, AuthenticationError, EsmsError, GatewayError
from esms_connectors.gateway.models import ZnsTemplate
from esms_connectors.gateway.read_models import Brandname, OaQuality, OaQuota, OfficialAccount
from esms_connectors.sending.channels.zns_account import template_problems

__all__ = ["Finding", "check_account"]

# The duplicate window is judged by this machine's clock, with a margin of five minutes.
_TOLERATED_SKEW_SECONDS = 60
_USES = {"1": "advertising", "2": "customer care", "23": "Viber"}
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the check; `ok` is None if it could not be determined."""

    name: str
    ok: bool | None
    text: str

    def as_dict(self) -> dict[str, object]:
        return {"check": self.name, "ok": self.ok, "text": self.text}


def check_account(client: EsmsClient) -> tuple[list[Finding], EsmsError | None]:
    """The findings in order, and the error that ended the check, if any. Reads the balance, sends nothing."""
    findings = [
        Finding(
            "mode", True, "sandbox: messages are checked, not sent" if client.sandbox else "live: messages are sent"
        )
    ]
    try:
        balance = client.get_balance()
    except EsmsError as error:
        return findings + _findings_of(error, client.base_url), error
    findings.append(Finding("connection", True, client.base_url))
    findings.append(Finding("keys", True, f"accepted, account {balance.user_id or 'unknown'}"))
    findings.append(Finding("address", True, "this machine's address may call the gateway"))
    money = wire.vnd(balance.balance_vnd)
    if balance.balance_vnd > 0:
        findings.append(Finding("balance", True, money))
    else:
        findings.append(Finding("balance", False, f"{money}: top up, every send would be answered with 103"))
    if balance.server_time is None:
        findings.append(Finding("clock", None, "the gateway did not report its time"))
    else:
        skew = (machine_clock.now() - balance.server_time).total_seconds()
        text = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the gateway"
        fine = abs(skew) <= _TOLERATED_SKEW_SECONDS
        findings.append(Finding("clock", fine, text + ("" if fine else ": set this machine's clock (NTP)")))
    return findings, None


def _findings_of(error: EsmsError, base_url: str) -> list[Finding]:
    if not isinstance(error, GatewayError):
        return [Finding("connection", False, str(error))]
    reached = Finding("connection", True, base_url)
    match error:
        case AuthenticationError():
            said = str(error).rstrip(".")
            return [reached, Finding("keys", False, f"{said}. Copy both keys again from account.esms.vn.")]
        case AddressNotAllowedError():
            return [reached, Finding("address", False, str(error))]
    return [reached, Finding("account", False, str(error))]


def check_senders(
    client: EsmsClient, *, brandname: str | None = None, oa_id: str | None = None, template_id: str | None = None
) -> list[Finding]:
    """What the gateway reports about the named senders; those that are None are not checked. Sends nothing."""
    findings = []
    if brandname:
        findings.append(_finding_of("brandname", client.list_brandnames, lambda known: _brandname(brandname, known)))
    if oa_id:
        findings.append(_finding_of("OA", client.list_oas, lambda known: _oa(oa_id, known)))
        findings.append(_finding_of("OA quota", lambda: client.get_oa_quota(oa_id), _quota))
        findings.append(_finding_of("OA quality", lambda: client.get_oa_quality(oa_id), _quality))
    if template_id and oa_id:
        findings.append(_finding_of("template", lambda: client.get_zns_template(template_id, oa_id), _template))
    elif template_id:
        findings.append(Finding("template", None, f"{template_id}: give its OA too, because a template belongs to one"))
    return findings


def _finding_of(name: str, ask: Callable[[], _Answer], judge: Callable[[_Answer], tuple[bool | None, str]]) -> Finding:
    try:
        return Finding(name, *judge(ask()))
    except GatewayError as error:
        return Finding(name, False, str(error))
    except EsmsError as error:
        return Finding(name, None, f"could not be queried: {error}")


def _brandname(wanted: str, known: tuple[Brandname, ...]) -> tuple[bool, str]:
    uses = [str(one.sms_type) for one in known if one.name == wanted]
    if uses:
        return True, f"{wanted}, for {', '.join(_USES.get(use, f'type {use}') for use in uses)}"
    names = list(dict.fromkeys(one.name for one in known))
    alike = next((name for name in names if name.casefold() == wanted.casefold()), None)
    if alike is not None:
        return False, f"{wanted} is registered as {alike}: write it like that"
    return False, f"{wanted} is not registered; the account has {', '.join(names) or 'none'}"


def _oa(wanted: str, known: tuple[OfficialAccount, ...]) -> tuple[bool, str]:
    for one in known:
        if one.oa_id == wanted:
            return True, f"{wanted} {one.name}".strip()
    listed = ", ".join(one.oa_id for one in known) or "none"
    return False, f"{wanted} is not connected to the account; it has {listed}"


def _quota(quota: OaQuota) -> tuple[bool | None, str]:
    daily, left = quota.daily, quota.remaining
    if left is None:
        return None, "the gateway did not report it"
    return left > 0, f"{left:,} of {'?' if daily is None else f'{daily:,}'} left today"


def _quality(quality: OaQuality) -> tuple[bool | None, str]:
    current = quality.current
    if current is None:
        return None, "the gateway did not report it"
    return current.upper() != "LOW", f"{current} in the last 48 hours, {quality.last_7_days or 'unknown'} in 7 days"


def _template(template: ZnsTemplate) -> tuple[bool, str]:
    problems = template_problems(template)
    if template.has_quota and template.remaining_quota == 0:
        problems.append(f"the quota of template {template.template_id} is used up today")
    if problems:
        return False, "; ".join(problems)
    return True, f"{template.template_id} {template.name}, {template.status}, quality {template.quality}"

"""`esms check`: one look at everything that must be right before the first message."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from esms_connectors.cli.output import vnd
from esms_connectors.cli.settings import open_ledger
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import (
    AddressNotAllowedError,
    AuthenticationError,
    ConfigurationError,
    EsmsError,
    GatewayError,
    InvalidRequestError,
)
from esms_connectors.ledger import Ledger
from esms_connectors.sending.id_probe import probe_sms_ids, probe_zns_bulk_ids

# The duplicate window is judged by this machine's clock, with a margin of five minutes.
_TOLERATED_SKEW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the check; `ok` is None where it could not be told."""

    name: str
    ok: bool | None
    text: str

    def as_dict(self) -> dict[str, object]:
        return {"check": self.name, "ok": self.ok, "text": self.text}


def check_account(client: EsmsClient) -> tuple[list[Finding], EsmsError | None]:
    """The findings in order, and the error that stopped the check, if one did. Reads the balance, sends nothing."""
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
    if balance.balance_vnd > 0:
        findings.append(Finding("balance", True, vnd(balance.balance_vnd)))
    else:
        findings.append(Finding("balance", False, f"{vnd(balance.balance_vnd)}: top up, every send would answer 103"))
    if balance.server_time is None:
        findings.append(Finding("clock", None, "the gateway did not tell its time"))
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
            return [reached, Finding("keys", False, f"{error} Copy both keys again from account.esms.vn.")]
        case AddressNotAllowedError():
            return [reached, Finding("address", False, str(error))]
    return [reached, Finding("account", False, str(error))]


def lift_account_stop(account: str, ledger_url: str | None) -> None:
    """The account is right: runs that its refusal stopped may go on. Nothing to do where there is no ledger."""
    with contextlib.suppress(ConfigurationError), open_ledger(ledger_url, create=False) as ledger:
        ledger.guard.stops.lift_account(account, who="esms check")


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """To whom, and as what, the probe of request ids is sent."""

    phone: str | None
    template_id: str | None
    oa_id: str | None
    params: tuple[str, ...]
    brandname: str | None
    text: str | None

    def check(self, *, wanted: bool) -> None:
        """
        Raises:
            InvalidRequestError: something is missing, or given without --probe-ids.
        """
        given = any((self.phone, self.template_id, self.oa_id, self.params, self.brandname, self.text))
        if not wanted:
            if given:
                raise InvalidRequestError("--to and what is to be sent are for --probe-ids.", field="probe_ids")
            return
        if not self.phone:
            raise InvalidRequestError("--probe-ids needs --to: a number of your own.", field="to")
        zns, sms = bool(self.template_id and self.oa_id), bool(self.brandname and self.text)
        if zns == sms:
            raise InvalidRequestError(
                "--probe-ids needs what to send: --template, --oa and a --param for each value, or --brandname and "
                "--text.",
                field="probe_ids",
            )

    def probe(self, client: EsmsClient, ledger: Ledger) -> Finding:
        """Send it twice, and remember in `ledger` what came of it."""
        phone = self.phone or ""
        if self.template_id and self.oa_id:
            found = probe_zns_bulk_ids(client, ledger, phone, self.template_id, self.oa_id, self.params)
        else:
            found = probe_sms_ids(client, ledger, phone, self.text or "", self.brandname or "")
        return Finding("request ids", found.honoured, f"{found.endpoint}: {found.text}")

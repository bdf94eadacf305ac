"""`esms check`: checks everything that must be right before the first message."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import click
from rich.markup import escape
from rich.table import Table

from esms_connectors.cli.exit_codes import exit_code_of
from esms_connectors.cli.language import tr
from esms_connectors.cli.output import json_option, print_json, print_table
from esms_connectors.cli.settings import connection_options, ledger_option, open_client, open_ledger
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.retry import RetryPolicy
from esms_connectors.ledger import Ledger
from esms_connectors.sending.account_check import Finding, check_account, check_senders
from esms_connectors.sending.id_probe import probe_sms_ids, probe_zns_bulk_ids


def _lift_account_stop(account: str, ledger_url: str | None) -> None:
    """The account is accepted again, so runs that its refusal stopped may continue. Does nothing without a ledger."""
    with contextlib.suppress(ConfigurationError), open_ledger(ledger_url) as ledger:
        ledger.guard.stops.lift_account(account, who="esms check")


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """Recipient and content of the request-id probe."""

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
        if not wanted:
            if self.phone or self.params or self.text:
                raise InvalidRequestError("--to, --param and --text are for --probe-ids.", field="probe_ids")
            return
        if not self.phone:
            raise InvalidRequestError("--probe-ids needs --to: a number of your own.", field="to")
        zns, sms = bool(self.template_id and self.oa_id), bool(self.text and self.brandname)
        if zns == sms:
            raise InvalidRequestError(
                "--probe-ids needs what to send: --template, --oa and a --param for each value, or --brandname and "
                "--text.",
                field="probe_ids",
            )

    def probe(self, client: EsmsClient, ledger: Ledger) -> Finding:
        """Send the message twice and record the result in `ledger`."""
        phone = self.phone or ""
        if self.template_id and self.oa_id:
            found = probe_zns_bulk_ids(client, ledger, phone, self.template_id, self.oa_id, self.params)
        else:
            found = probe_sms_ids(client, ledger, phone, self.text or "", self.brandname or "")
        return Finding("request ids", found.honoured, f"{found.endpoint}: {found.text}")


@click.command()
@click.option("--probe-ids", is_flag=True, help="Also send one message twice under one request id, to --to.")
@click.option("--to", "phone", metavar="PHONE", help="A number of your own: it gets the message once, or twice.")
@click.option("--template", "template_id", help="A ZNS template to look at, and to probe with; needs its --oa.")
@click.option("--oa", "oa_id", help="A Zalo Official Account to look at: quota and quality too.")
@click.option("--param", "params", multiple=True, metavar="VALUE", help="Probe bulk ZNS: a value; repeat it in order.")
@click.option("--brandname", help="A sender ID to look at, and to probe customer-care SMS with.")
@click.option("--text", help="Probe customer-care SMS: the message.")
@ledger_option
@connection_options
@json_option
def check(
    probe_ids: bool,
    phone: str | None,
    template_id: str | None,
    oa_id: str | None,
    params: tuple[str, ...],
    brandname: str | None,
    text: str | None,
    ledger_url: str | None,
    base_url: str | None,
    sandbox: bool | None,
    as_json: bool,
) -> None:
    """
    Check keys, connection, address list, balance and clock, and the given brandname, OA and template; report what
    is wrong and what to do. Sends nothing.

    With --probe-ids it sends one message twice under one request id, to a number of your own, and the ledger remembers
    whether the second was held back. Do this once for each account: only then are lost answers of a bulk ZNS repeated.

    \b
    Examples:
      esms check
      esms check --brandname MyBrand --oa 4097311281936189049 --template 267247
      esms check --probe-ids --to 0901888484 --template 267247 --oa 4097311281936189049 \\
          --param "Ms A" --param Haircut --param KH001 --param 19/03/2025
    """
    target = ProbeTarget(phone, template_id, oa_id, params, brandname, text)
    target.check(wanted=probe_ids)
    # Short retries: this is an interactive command.
    client = open_client(base_url, sandbox, retries=RetryPolicy(attempts=2, budget_seconds=20))
    with client:
        findings, error = check_account(client)
        if error is None:
            findings += check_senders(client, brandname=brandname, oa_id=oa_id, template_id=template_id)
        if probe_ids and error is None:
            with open_ledger(ledger_url, create=True) as ledger:
                findings.append(target.probe(client, ledger))
    wrong = any(finding.ok is False for finding in findings)
    if not wrong:
        _lift_account_stop(client.account, ledger_url)
    if as_json:
        print_json({"ok": not wrong, "checks": [finding.as_dict() for finding in findings]})
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for finding in findings:
            sign = {True: "[green]ok[/]", False: f"[red]{tr('wrong')}[/]", None: "[dim]-[/]"}[finding.ok]
            table.add_row(sign, tr(finding.name), escape(tr(finding.text)))
        print_table(table)
    if error is not None:
        raise SystemExit(exit_code_of(error))
    if wrong:
        raise SystemExit(1)

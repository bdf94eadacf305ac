"""`esms check`: one look at everything that must be right before the first message."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from esms_connectors.cli.settings import open_ledger
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.ledger import Ledger
from esms_connectors.sending.account_check import Finding
from esms_connectors.sending.id_probe import probe_sms_ids, probe_zns_bulk_ids


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
        """Send it twice, and remember in `ledger` what came of it."""
        phone = self.phone or ""
        if self.template_id and self.oa_id:
            found = probe_zns_bulk_ids(client, ledger, phone, self.template_id, self.oa_id, self.params)
        else:
            found = probe_sms_ids(client, ledger, phone, self.text or "", self.brandname or "")
        return Finding("request ids", found.honoured, f"{found.endpoint}: {found.text}")

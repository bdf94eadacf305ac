"""`esms check --probe-ids`: one message, two requests, and the ledger remembers what came of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import Run, assert_one_clear_line

from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Emulator,
)
from esms_connectors.gateway.credentials import Credentials
from esms_connectors.ledger import Ledger

PHONE = "0901888484"
ZNS = ["--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, *(x for v in "ABCD" for x in ("--param", v))]
SMS = ["--brandname", DEMO_BRANDNAME, "--text", "Xin chao"]


@pytest.mark.in_turn
@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize(("what", "function"), [(ZNS, "send_zns_bulk"), (SMS, "send_customer_care_sms")])
def test_probe_result_is_reported_and_stored_in_the_ledger(
    run: Run, emulator: Emulator, base_url: str, tmp_path: Path, what: list[str], function: str, ignored: bool
) -> None:
    """Honoured or ignored is told, and kept for the account and the function."""
    emulator.quirks.request_ids_ignored = (function,) if ignored else ()
    ledger_url = str(tmp_path / "ledger.sqlite")
    done = run("check", "--json", "--probe-ids", "--to", PHONE, *what, "--ledger", ledger_url)
    assert done.returncode == ignored, done.stderr
    finding = json.loads(done.stdout)["checks"][-1]
    assert (finding["check"], finding["ok"]) == ("request ids", not ignored)
    assert emulator.deliveries_by_phone() == {PHONE: 2 if ignored else 1}
    assert PHONE not in done.stdout
    account = Credentials(DEMO_API_KEY, DEMO_SECRET_KEY).account_at(base_url)
    with Ledger.open(ledger_url) as ledger:
        known = ledger.facts.known(account, function)
    assert known is not None
    assert known.honoured is not ignored


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--probe-ids", *SMS], "--to"),
        (["--probe-ids", "--to", PHONE], "--template"),
        (["--probe-ids", "--to", PHONE, *ZNS, *SMS], "--template"),
        (["--to", PHONE], "--probe-ids"),
    ],
)
def test_incomplete_probe_options_give_one_line_error(
    run: Run, emulator: Emulator, arguments: list[str], words: str
) -> None:
    """In one line, before anything is called."""
    assert_one_clear_line(run("check", *arguments), 2, words)
    assert emulator.message_count == 0

"""Commands that look: names, templates, accounts, single messages, runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from running import NOON, Run

from esms_connectors.cli.exit_codes import exit_code_of
from esms_connectors.delivery.polling import TooFewDeliveredError
from esms_connectors.emulator import (
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorConfig,
    Progress,
    VirtualClock,
)
from esms_connectors.emulator.faults import html
from esms_connectors.sent_data.windows import ALL_SMS_TYPES

PHONE = "0901888484"
_AT_ONCE = Progress(0.0, 0.0, review_seconds=(0.0, 0.0), queue_seconds=(0.0, 0.0), report_seconds=(0.0, 0.0))


def told(run: Run, *arguments: str) -> Any:
    done = run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_lookup_commands_show_brandnames_templates_and_accounts(run: Run) -> None:
    """As the account has them."""
    assert DEMO_BRANDNAME in {row["name"] for row in told(run, "brandnames")["rows"]}
    assert DEMO_TEMPLATE_ID in {row["template_id"] for row in told(run, "templates", "--oa", DEMO_OA_ID)["rows"]}
    assert told(run, "template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID)["status"] == "ENABLE"
    assert DEMO_OA_ID in {row["oa_id"] for row in told(run, "oa")["rows"]}
    quota = told(run, "oa", "quota", "--oa", DEMO_OA_ID)
    assert quota["remaining"] <= quota["daily"]
    assert told(run, "oa", "quality", "--oa", DEMO_OA_ID)["current"]
    assert told(run, "templates", "--brandname", DEMO_BRANDNAME)["count"] >= 0
    assert run("oa", "quota").returncode == 2
    assert run("templates").returncode == 2


def test_saved_template_replaces_a_failed_lookup_and_rejects_changes(
    run: Run, emulator: Emulator, tmp_path: Path
) -> None:
    """`--save`, then `--template-file`: sent by name where the function fails, refused where the template changed."""
    lock, source = tmp_path / "lock.json", tmp_path / "customers.csv"
    assert told(run, "template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--save", str(lock))["status"] == "ENABLE"
    source.write_text("phone,n,s,c,d\n0901000001,Lan,Goi,K,19/03/2025\n", encoding="utf-8")
    words = [
        *("send-zns", str(source), "--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--run-key", "march"),
        *("--params", "customer_name=n,service=s,code=c,date=d", "--template-file", str(lock)),
    ]
    emulator.faults.add("get_zns_template", html(), every=1)
    sent = run(*words)
    assert sent.returncode == 0, sent.stderr
    assert sent.stderr.count("did not return template") == 1
    emulator.faults.clear()
    emulator.change_template(DEMO_TEMPLATE_ID, name="Another")
    refused = run(*words)
    assert (refused.returncode, "changed since" in refused.stderr) == (2, True)
    assert refused.stderr.count("\n") == 1
    assert emulator.message_count == 1
    assert run("template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--save", str(tmp_path / "no" / "f")).returncode == 2


def test_plan_with_problems_exits_with_2(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    """For scripts that plan before they send."""
    source = tmp_path / "customers.csv"
    source.write_text("phone,n,s,c,d\n0901000001,Lan,Goi,K,19/03/2025\n", encoding="utf-8")
    words = [
        *("send-zns", str(source), "--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--run-key", "march"),
        *("--params", "n,s,c,d", "--plan"),
    ]
    assert run(*words).returncode == 0
    emulator.change_template(DEMO_TEMPLATE_ID, quality="LOW")
    planned = run(*words)
    assert (planned.returncode, "of LOW quality" in planned.stdout) == (2, True)
    assert "This plan is not good." in planned.stdout


def test_legacy_font_text_suggests_the_encoding_option(run: Run, tmp_path: Path) -> None:
    """In the summary of the rows, where people look."""
    source = tmp_path / "customers.csv"
    source.write_text("phone,n,s,c,d\n0901000001,NguyÔn V¨n,Goi,K,19/03/2025\n", encoding="utf-8")
    words = ["--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--run-key", "march", "--params", "n,s,c,d"]
    told = " ".join(run("send-zns", str(source), *words).stderr.split())
    assert "not in Unicode; --encoding tcvn3 converts it, such as “" in told


def test_message_status_is_found_by_id_and_by_phone(run: Run, emulator: Emulator) -> None:
    """By its id from the status calls, by phone from the sent data; phones are masked unless asked for."""
    message_id = emulator.insert_message(None, PHONE, campaign="known", send_status=5, send_result=1)
    by_id = told(run, "message", message_id)["rows"]
    assert [(row["source"], row["state"]) for row in by_id] == [
        ("get_send_status", "delivered"),
        ("get_sms_receiver_status", "delivered"),
    ]
    (by_phone,) = told(run, "message", "84901888484", "--show-phones")["rows"]
    assert (by_phone["message_id"], by_phone["phone"], by_phone["campaign"]) == (message_id, PHONE, "known")
    assert PHONE not in run("message", PHONE).stdout
    assert run("message", "no-such-id").returncode == 3


def test_long_span_is_read_in_windows_the_gateway_serves(run: Run, emulator: Emulator) -> None:
    """Three days are known to be served, so a longer span is read in parts, each message of it once."""
    ids = [emulator.insert_message(emulator.clock.now.subtract(days=days), PHONE) for days in (6, 1)]
    assert [row["message_id"] for row in told(run, "message", PHONE, "--from", "-7d")["rows"]] == ids
    assert emulator.call_count("get_sms_sent_data") == 3 * len(ALL_SMS_TYPES)


class TestRuns:
    """Of a ledger."""

    @pytest.mark.in_turn
    @pytest.mark.parametrize("secret", [None, "a-secret-of-the-ledger"])
    def test_message_lookup_includes_the_ledger(
        self, run: Run, emulator: Emulator, tmp_path: Path, secret: str | None
    ) -> None:
        """By phone, by message id and by request id; one that was refused has no id, and its code."""
        more = {} if secret is None else {"ESMS_LEDGER_SECRET": secret}
        source, ledger = tmp_path / "customers.csv", str(tmp_path / "ledger.sqlite")
        lines = ["phone,n,s,c,d", "0901000001,Lan,Goi,K,19/03/2025", "0901000002,Mai,Goi,K,19/03/2025"]
        source.write_text("\n".join(lines) + "\n", encoding="utf-8")
        emulator.block_phone("0901000002")
        url = ["--callback-url", "https://shop.example.test/dlr"]
        words = ["--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--run-key", "march", "--ledger", ledger]
        run("send-zns", str(source), *words, *url, "--params", "n,s,c,d", "--at-least", "0", **more)

        def asked(wanted: str, *extra: str) -> list[tuple[str, str]]:
            done = run("message", wanted, "--ledger", ledger, "--show-phones", "--json", *extra, **more)
            assert done.returncode == 0, done.stderr
            found = json.loads(done.stdout)["rows"]
            rows.extend(found)
            return [(row["source"], row["state"]) for row in found]

        rows: list[Any] = []
        assert asked("0901000001")[0] == ("ledger, run march", "accepted")
        message_id = rows[0]["message_id"]
        by_id = dict(asked(message_id, "--oa", DEMO_OA_ID))
        assert by_id.keys() >= {"ledger, run march", "get_send_status", "get_callback_data"}
        ((source_of, state),) = asked("0901000002")
        assert (source_of, state.startswith("rejected (")) == ("ledger, run march", True)
        assert run("message", "0901000001", "--ledger", str(tmp_path / "none.sqlite")).returncode == 2

    @pytest.fixture
    def emulator(self) -> Emulator:
        """Everything is delivered at once, at the hour at which the commands run."""
        return Emulator(EmulatorConfig(progress=_AT_ONCE), VirtualClock(NOON))

    def test_status_and_wait_report_delivered_counts(self, run: Run, tmp_path: Path) -> None:
        """How many have arrived, now and in the end."""
        source = tmp_path / "customers.csv"
        source.write_text("phone,customer_name,service,code,date\n0901000001,Lan,Goi,K,19/03/2025\n", encoding="utf-8")
        sent = run(
            *("send-zns", str(source), "--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--run-key", "march"),
            *("--params", "customer_name,service,code,date"),
        )
        assert sent.returncode == 0, sent.stderr
        waited = told(run, "wait", "march", "--delivered", "1", "--poll-seconds", "0.1", "--minutes", "0.1")
        assert (waited["expected"], waited["delivered"], waited["final"]) == (1, 1, 1)
        assert told(run, "status", "march") == waited
        assert run("status", "no-such-run").returncode == 2

    def test_wait_that_can_no_longer_succeed_exits_as_after_a_refusal(self) -> None:
        """1 would mean that something on this machine failed, and 4 that waiting longer may help."""
        assert exit_code_of(TooFewDeliveredError("At most 57 of 60 messages can still arrive.", counts=None)) == 3

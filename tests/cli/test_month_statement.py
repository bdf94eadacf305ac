"""`esms statement`: a month beside the invoice, for people, spreadsheets and schedules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import NOON, Run, assert_one_clear_line

from esms_connectors.emulator import Emulator


@pytest.mark.in_turn
def test_statement_exit_code_shows_missing_days_and_invoice_differences(
    run: Run, emulator: Emulator, tmp_path: Path
) -> None:
    """4 while days are missing or the two differ, 0 when they agree; the invoice is kept."""
    into, invoice = f"duckdb:///{tmp_path / 'esms.duckdb'}", tmp_path / "invoice.csv"
    emulator.populate(40, start=NOON.start_of("month").add(hours=1), end=NOON.start_of("day").subtract(hours=1))
    assert run("pull", "--from", "-3d", "--to", "today", "--types", "2", "--into", into).returncode == 0
    lacking = run("statement", "2024-05", "--into", into)
    assert lacking.returncode == 4
    assert "not loaded: type 2, 2024-05-01 00:00 to 2024-05-12 00:00 in Vietnam" in lacking.stderr
    assert run("pull", "--from", "2024-05-01", "--to", "today", "--types", "2", "--into", into).returncode == 0
    whole = run("statement", "2024-05", "--into", into, "--json")
    assert whole.returncode == 0, whole.stdout
    [line] = json.loads(whole.stdout)["lines"]
    invoice.write_text(f"sms_type,messages,amount_vnd\n2,{line['messages']},{line['cost_vnd']}\n", "utf-8")
    agreed = run("statement", "2024-05", "--into", into, "--invoice", str(invoice))
    assert agreed.returncode == 0, agreed.stderr
    assert agreed.stdout.rstrip().endswith("\tTrue")
    invoice.write_text("sms_type,messages,amount_vnd\n2,1,1\n", "utf-8")
    assert run("statement", "2024-05", "--into", into, "--invoice", str(invoice), "--csv").returncode == 4
    assert run("statement", "2024-05", "--into", into).returncode == 4
    assert_one_clear_line(run("statement", "May", "--into", into), 2, "like 2026-11")
    invoice.write_text("sms_type,messages\n", "utf-8")
    assert_one_clear_line(run("statement", "2024-05", "--into", into, "--invoice", str(invoice)), 2, "amount_vnd")

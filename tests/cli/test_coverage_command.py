"""`esms coverage` and `esms marts`: what of a warehouse is loaded, and its views."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import NOON, SPAN, Run, assert_one_clear_line, fill, rows_in

from esms_connectors.emulator import Emulator


@pytest.mark.in_turn
def test_coverage_reports_missing_unloaded_and_differing_windows(run: Run, emulator: Emulator, into: str) -> None:
    """Exit code 4 while a day is missing, or the gateway lists other rows than were loaded; else 0."""
    today = NOON.start_of("day")
    emulator.populate(20, start=today.subtract(days=3), end=today.subtract(days=2, seconds=5))
    emulator.populate(30, start=today.subtract(days=1).add(seconds=5), end=today.subtract(seconds=5))
    for day in (3, 1):
        span = ("--from", f"-{day}d", "--to", today.subtract(days=day - 1).to_date_string())
        assert run("pull", *span, "--types", "2", "--into", into).returncode == 0
    gap = run("coverage", "--types", "2,25", "--into", into)
    assert gap.returncode == 4, gap.stderr
    day_before = today.subtract(days=2).to_date_string()
    assert f"missing: type 2, {day_before} 00:00 to {today.subtract(days=1).to_date_string()} 00:00" in gap.stdout
    assert "never loaded: type 25" in gap.stdout
    assert run("pull", "--types", "2", "--into", into).returncode == 0
    told = run("coverage", "--types", "2", "--into", into, "--compare", "--json")
    assert told.returncode == 0, told.stdout
    about = json.loads(told.stdout)
    assert (about["types"][0]["windows"], about["types"][0]["rows"], about["compared"]) == (3, 50, 3)
    hashed = {"ESMS_PHONE_SECRET": "a secret that is long enough"}
    other = run("coverage", "--types", "2", "--into", into, "--compare", "--phones", "hashed", **hashed)
    assert_one_clear_line(other, 2, "The warehouse stores phones as 'phone=plain'")
    emulator.quirks.retention_days = 2
    gone = run("coverage", "--types", "2", "--into", into, "--compare")
    assert gone.returncode == 4
    assert "20 rows loaded, 0 listed today" in gone.stdout
    assert "3 windows counted at the gateway, 1 of them differ" in gone.stdout


@pytest.mark.in_turn
def test_shrunken_window_is_reported_and_its_rows_are_kept(run: Run, emulator: Emulator, file: Path, into: str) -> None:
    """The gateway may keep rows only so long: nothing listed is no proof that nothing was sent."""
    fill(emulator)
    assert run("pull", *SPAN, "--into", into).returncode == 0
    before = rows_in(file)
    emulator.quirks.retention_days = 0
    again = run("pull", *SPAN, "--into", into)
    assert "2 windows list 121 rows fewer than when loaded before" in again.stdout
    assert rows_in(file) == before
    told = json.loads(run("pull", *SPAN, "--into", into, "--json").stdout)
    assert (told["shrunk_windows"], told["unlisted_rows"]) == (0, 0)
    for compare in ([], ["--compare"]):
        coverage = run("coverage", "--types", "2,25", "--into", into, *compare)
        assert coverage.returncode == 4, coverage.stderr
        assert "fewer: type 2, " in coverage.stdout
        assert "61 rows held, 0 listed at the last reading" in coverage.stdout
    assert run("coverage", "--types", "2,25", "--into", into, "--days", "1").returncode == 4


@pytest.mark.in_turn
def test_old_empty_windows_are_reported_as_not_available(run: Run, into: str) -> None:
    """How long the gateway keeps rows is documented nowhere."""
    old = run("pull", "--from", "2024-01-10", "--to", "2024-01-12", "--types", "2", "--into", into)
    assert "2 windows older than any with rows list nothing: not available, which is not 0 rows" in old.stdout
    end = run("coverage", "--types", "2", "--into", into)
    assert "not available: type 2, 2 windows older than any with rows" in end.stdout
    about = json.loads(run("coverage", "--types", "2", "--into", into, "--json").stdout)["types"][0]
    assert (about["not_available"], about["shrunk"], about["rows"]) == (2, [], 0)
    new = run("pull", "--from", "-2d", "--to", "today", "--types", "2", "--into", into)
    assert "list nothing" not in new.stdout


@pytest.mark.in_turn
def test_marts_creates_views_and_copies_the_dbt_package(
    run: Run, emulator: Emulator, tmp_path: Path, into: str
) -> None:
    """Made by a command, queried by another; the same models as a dbt package."""
    fill(emulator)
    assert run("pull", *SPAN, "--into", into).returncode == 0
    made = run("marts", "--into", into)
    assert made.returncode == 0, made.stderr
    assert "  esms_month_statement" in made.stdout
    found = run("sql", "select sms_type, messages from esms_month_statement order by 1", "--into", into, "--json")
    assert json.loads(found.stdout) == [{"sms_type": 2, "messages": 61}, {"sms_type": 25, "messages": 60}]
    copied = json.loads(run("marts", "--copy-dbt", str(tmp_path / "dbt"), "--json").stdout)["copied_to"]
    assert (Path(copied) / "dbt_project.yml").is_file()
    assert_one_clear_line(run("marts"), 2, "Give --into, the warehouse of the pulls")
    assert_one_clear_line(run("marts", "--into", str(tmp_path / "folder")), 2, "has no views")

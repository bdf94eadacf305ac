"""`esms guard show` and the feeds of the suppression list."""

from __future__ import annotations

import json
from pathlib import Path

from running import NOON, Run, assert_one_clear_line

from esms_connectors.emulator import Emulator


def test_values_are_shown_as_they_are(run: Run, tmp_path: Path) -> None:
    """A word in brackets is no mark-up."""
    settings = tmp_path / "[b]esms.toml"
    settings.write_text('[guard]\nopt_out_words = ["[bold]tu choi[/bold]", "[/x]"]\n', "utf-8")
    shown = run("guard", "show", "--settings", str(settings))
    assert shown.returncode == 0, shown.stderr
    assert "[bold]tu choi[/bold], [/x]" in shown.stdout
    assert "[b]esms.toml" in shown.stdout, [one for one in shown.stdout.splitlines() if "opt_out" in one]


def test_dead_numbers_feed_the_list(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    """Three runs failed: on the list for half a year, with a reason; twice is once."""
    start = NOON.start_of("day")
    for hour in (1, 2, 3):
        emulator.insert_message(
            start.add(hours=hour), phone="0901888484", sms_type=2, campaign=f"run {hour}", send_status=5, send_result=0
        )
    emulator.insert_message(start.add(hours=4), phone="0912345678", sms_type=2, campaign="run 4")
    into = f"duckdb:///{tmp_path / 'esms.duckdb'}"
    assert run("pull", "--from", NOON.to_date_string(), "--types", "2", "--into", into).returncode == 0
    done = run("suppress", "import", into, "--dead", "3", "--json")
    assert json.loads(done.stdout) == {"added": 1, "phones": 1}, done.stderr
    entry = json.loads(run("suppress", "list", "--json").stdout)
    assert (entry["phone"], entry["source"]) == ("090*****84", "sent data")
    assert entry["expires_at"][:10] == NOON.in_timezone("UTC").add(days=180).to_date_string()
    assert "0 added, 1 were on it" in run("suppress", "import", into, "--dead", "3").stdout
    assert_one_clear_line(run("suppress", "import", "people.csv"), 2, "--reason")

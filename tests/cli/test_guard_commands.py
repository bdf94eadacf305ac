"""`esms guard show` and the feeds of the suppression list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import NOON, Run, assert_one_clear_line

from esms_connectors.emulator import DEMO_BRANDNAME, Emulator, VirtualClock
from esms_connectors.ledger import Ledger


def test_guard_show_does_not_interpret_markup_in_values(run: Run, tmp_path: Path) -> None:
    """A word in brackets is no mark-up."""
    settings = tmp_path / "[b]esms.toml"
    settings.write_text('[guard]\nopt_out_words = ["[bold]tu choi[/bold]", "[/x]"]\n', "utf-8")
    shown = run("guard", "show", "--settings", str(settings))
    assert shown.returncode == 0, shown.stderr
    assert "[bold]tu choi[/bold], [/x]" in shown.stdout
    assert "[b]esms.toml" in shown.stdout, [one for one in shown.stdout.splitlines() if "opt_out" in one]


@pytest.mark.in_turn
def test_import_of_undeliverable_phones_adds_them_to_the_suppression_list(
    run: Run, emulator: Emulator, tmp_path: Path
) -> None:
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


def test_import_of_an_opt_out_file_adds_each_phone_once(run: Run, tmp_path: Path) -> None:
    """Each phone once, in any spelling; rows without one are counted, and the second time nobody is new."""
    refused = tmp_path / "từ chối.csv"
    refused.write_text("số máy,tên\n0901000001,A\n+84 901 000 001,A\n84901000002,B\nkhông rõ,C\n", encoding="utf-8")
    command = ("suppress", "import", str(refused), "--phone-column", "số máy", "--reason", "từ chối qua tổng đài")
    assert run(*command).stdout == "2 added, 0 were on it, 1 row has no valid phone\n"
    again = json.loads(run(*command, "--json").stdout)
    assert again == {"added": 0, "phones": 2, "rows_that_are_no_phone": 1}
    listed = [json.loads(line) for line in run("suppress", "list", "--json").stdout.splitlines()]
    assert {(one["phone"], one["reason"]) for one in listed} == {
        (f"090*****0{last}", "từ chối qua tổng đài") for last in (1, 2)
    }
    assert_one_clear_line(run(*command[:3], "--reason", "x"), 2, "has no column phone")


ADVERTISING = ("send-sms", *(part for n in range(30) for part in ("--to", f"09018884{n:02d}")), "--advertising")
GIVEN = (*ADVERTISING, "--brandname", DEMO_BRANDNAME, "--text")
LABELLED = "[QC] Giam gia. Tu choi: soan TC gui 1234"


@pytest.fixture
def clock() -> VirtualClock:
    """It is noon, until it is moved."""
    return VirtualClock(NOON)


@pytest.mark.in_turn
def test_single_sends_respect_the_guard_rules(run: Run, emulator: Emulator, clock: VirtualClock) -> None:
    """Label, list, stop, cap and hours, each in one line; nobody is written to."""
    assert_one_clear_line(run(*GIVEN, "Giam gia"), 2, "[QC]")
    assert_one_clear_line(run("send-sms", "--to", "0901888400", *GIVEN[-3:], "x" * 900), 2, "segments")
    run("suppress", "add", "0901888405", "--reason", "refused")
    assert_one_clear_line(run(*GIVEN, LABELLED), 2, "1 of 30 phones", "suppression list")
    run("suppress", "remove", "0901888405")
    run("stop", "--all", "--reason", "the brandname is suspended")
    assert_one_clear_line(run(*GIVEN, LABELLED), 7, "the brandname is suspended")
    run("resume", "--all")
    assert emulator.call_count("send_advertising_sms") == 0
    for number in (1, 2, 3, 3):
        # A repeat under the same id counts once.
        done = run(*GIVEN, LABELLED, "--request-id", f"sale-{number}")
        assert done.returncode == 0, done.stderr
    assert_one_clear_line(run(*GIVEN, LABELLED), 2, "30 of 30 phones", "at most the allowed number of messages")
    assert set(emulator.deliveries_by_phone().values()) == {3}
    clock.advance(hours=35)  # 23:00
    assert_one_clear_line(run(*GIVEN, LABELLED), 2, "23:00")
    done = run(*GIVEN, LABELLED, "--hours", "reschedule")
    assert done.returncode == 0, done.stderr
    opening = NOON.add(days=2).start_of("day").add(hours=7)
    assert max(one.send_at_ms for one in emulator.messages()) == opening.timestamp() * 1000


def test_empty_suppression_list_is_reported_on_stderr_only(run: Run, tmp_path: Path) -> None:
    """Programs get no line, people one that is no entry; where there is no ledger, that is said."""
    assert_one_clear_line(run("suppress", "list"), 2, "There is no ledger at")
    Ledger.open(tmp_path / "ledger.sqlite").close()
    told = run("suppress", "list")
    assert (told.stdout, told.stderr) == ("", "the list is empty\n")
    read = run("suppress", "list", "--json")
    assert (read.stdout, read.stderr) == ("", "")


def test_rule_override_for_one_send_is_recorded_in_the_ledger(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    """The ledger keeps who and why, also where there was none before."""
    aside = ("--override", "label", "--override", "opt_out", "--override-reason", "agreed with all")
    done = run(*GIVEN, "Giam gia", *aside, "--request-id", "sale")
    assert done.returncode == 0, done.stderr
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        kept = [(one["rule"], one["reason"]) for one in ledger.guard.overrides.of_run("sale")]
    assert kept == [("label", "agreed with all"), ("opt_out", "agreed with all")]


@pytest.mark.in_turn
def test_rejected_sends_do_not_count_towards_the_cap(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    Ledger.open(tmp_path / "ledger.sqlite").close()
    for number in range(4):
        refused = run(*GIVEN, LABELLED, "--callback-url", "ftp://x", "--request-id", f"no-{number}")
        assert_one_clear_line(refused, 2, "http or https")
    assert run(*GIVEN, LABELLED).returncode == 0


@pytest.mark.parametrize(
    "command",
    [
        "ledger runs",
        "ledger show march",
        "reconcile march",
        "resend march --rows held --reason x",
        "stop march --reason x",
        "resume march",
        "suppress remove 0901888484",
        "erase --phone 0901888484 --yes",
    ],
)
def test_wrong_ledger_path_gives_one_line_error_without_creating_a_file(run: Run, tmp_path: Path, command: str) -> None:
    """Else nobody is stopped, erased or listed, and all looks well."""
    done = run(*command.split(), "--ledger", str(tmp_path / "slip.sqlite"))
    assert_one_clear_line(done, 2, "There is no ledger at")
    assert not (tmp_path / "slip.sqlite").exists()


def test_stop_of_an_unknown_run_key_gives_a_warning(run: Run, tmp_path: Path) -> None:
    """It may begin later, so it is stopped; or the key was mistyped."""
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.begin_run("march", "zns", {})
    assert run("stop", "march", "--reason", "x").stderr == ""
    done = run("stop", "mrach", "--reason", "x")
    assert (done.returncode, done.stdout) == (0, "stopped: workers stop before their next call\n")
    assert "No run with this key has started here" in done.stderr

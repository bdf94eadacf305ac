"""`esms send-zns` and what belongs to it: plan, resume, ledger, reconcile, resend."""

import csv
import json
from pathlib import Path

import pytest
from running import Run, assert_one_clear_line

from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.faults import code, drop_after

HEADER = "phone,customer_name,service,code,date"


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    """1 200 good rows and three bad ones."""
    rows = [f"0901{number:06d},Chị Hương {number},Gội đầu,KH{number},19/03/2025" for number in range(1200)]
    rows[10:10] = ["0283812345,Ai đó,Gội đầu,KH,19/03/2025", "0901999999,Ai đó,Gội đầu,,19/03/2025", rows[3]]
    path = tmp_path / "khách hàng.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8-sig")
    return path


def zns(run: Run, source: object, *more: str, run_key: str = "march", **changes: str | None):
    return run(
        *("send-zns", str(source), "--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--run-key", run_key),
        # The list has two rows that cannot be sent.
        *("--params", HEADER.removeprefix("phone,"), "--at-least", "0.99", *more),
        **changes,
    )


OWN_NUMBER = "0908888888"


def try_the_account(run: Run) -> None:
    """As a user does: only then is a call that may have been taken repeated."""
    params = (part for value in "ABCD" for part in ("--param", value))
    done = run(
        *("check", "--probe-ids", "--to", OWN_NUMBER, "--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID), *params
    )
    assert done.returncode == 0, done.stderr


def customers_reached(emulator: Emulator) -> dict[str, int]:
    """Messages by phone, without that of the test of the account."""
    return {phone: count for phone, count in emulator.deliveries_by_phone().items() if phone != OWN_NUMBER}


def test_valid_rows_are_sent_once_and_rerun_resumes(run: Run, emulator: Emulator, customers: Path) -> None:
    """The same command twice: 1 200 messages, none twice, and no call for the second."""
    done = zns(run, customers, "--json")
    assert done.returncode == 0, done.stderr
    calls = emulator.call_count("send_zns_bulk")
    again = zns(run, customers, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(done.stdout)["run"]["accepted"] == json.loads(again.stdout)["run"]["accepted"] == 1200
    assert set(emulator.deliveries_by_phone().values()) == {1}
    assert len(emulator.deliveries_by_phone()) == 1200
    assert emulator.call_count("send_zns_bulk") == calls


def test_plan_reports_rows_and_cost_without_sending(run: Run, emulator: Emulator, customers: Path) -> None:
    """Recipients, rejects by reason, calls, cost and what is left; the gateway saw no send."""
    plan = json.loads(zns(run, customers, "--plan", "--price", "300", "--json").stdout)
    assert (plan["recipients"], plan["rows"]["rejected"], plan["rows"]["duplicates"]) == (1200, 2, 1)
    assert (plan["chunks"], float(plan["cost_vnd"])) == (3, 360_000)
    assert float(plan["left_vnd"]) == float(plan["balance_vnd"]) - 360_000
    assert emulator.call_count("send_zns_bulk") == 0


@pytest.mark.in_turn
def test_repaired_rejects_file_can_be_sent(run: Run, emulator: Emulator, customers: Path, tmp_path: Path) -> None:
    """The rejects file is a source of its own once the cell is repaired."""
    rejects = tmp_path / "rejects.csv"
    assert zns(run, customers, "--rejects", str(rejects)).returncode == 0
    rejects.write_text(
        rejects.read_text(encoding="utf-8-sig").replace("Gội đầu,,", "Gội đầu,KH7,"), encoding="utf-8-sig"
    )
    assert zns(run, rejects, "--at-least", "0").returncode == 0
    assert emulator.deliveries_by_phone()["0901999999"] == 1
    assert sum(emulator.deliveries_by_phone().values()) == 1201


@pytest.mark.in_turn
def test_run_stopped_by_low_balance_resumes_after_top_up(run: Run, emulator: Emulator, customers: Path) -> None:
    """103 half-way stops the run with its own exit code; the same command later sends the rest, nobody twice."""
    try_the_account(run)
    emulator.faults.add("send_zns_bulk", code("103"), calls=[4])
    stopped = zns(run, customers, "--threads", "1")
    assert_one_clear_line(stopped, 3, "103", "500 accepted")
    resumed = zns(run, customers)
    assert resumed.returncode == 0, resumed.stderr
    assert set(customers_reached(emulator).values()) == {1}
    assert len(customers_reached(emulator)) == 1200


def test_reconcile_settles_rows_with_lost_answers(run: Run, emulator: Emulator, customers: Path) -> None:
    """Every answer is lost: the rows are unknown, reconcile finds all of them, nothing is sent again."""
    try_the_account(run)
    emulator.faults.add("send_zns_bulk", drop_after(), probability=1.0)
    lost = zns(run, customers)
    assert lost.returncode == 5, lost.stderr
    unknown = run("ledger", "unknown", "march", "--json").stdout.splitlines()
    assert "0901" not in "".join(json.loads(line)["phone"][3:] for line in unknown)
    emulator.faults.clear()
    found = json.loads(run("reconcile", "march", "--json").stdout)
    delivered = len(customers_reached(emulator))
    assert found["run"]["accepted"] == delivered > 0
    assert set(customers_reached(emulator).values()) == {1}
    # What was never tried is sent by the same command, what was found is not.
    assert zns(run, customers).returncode == 0
    assert set(customers_reached(emulator).values()) == {1}
    assert len(customers_reached(emulator)) == 1200


@pytest.mark.in_turn
def test_resend_with_a_reason_releases_only_the_selected_rows(run: Run, emulator: Emulator, customers: Path) -> None:
    """Only the rows named, only with a reason, and by the next send command."""
    assert zns(run, customers).returncode == 0
    assert_one_clear_line(run("resend", "march", "--rows", "2", "--even-accepted", "--reason", " "), 2, "Give a reason")
    again = ("resend", "march", "--rows", "2-3", "--reason", "the template was wrong")
    assert_one_clear_line(run(*again), 2, "accepted")
    assert run(*again, "--even-accepted").returncode == 0
    assert zns(run, customers).returncode == 0
    twice = [phone for phone, count in emulator.deliveries_by_phone().items() if count == 2]
    assert twice == ["0901000000", "0901000001"]


@pytest.mark.in_turn
def test_resend_by_line_is_rejected_when_the_run_read_two_lists(
    run: Run, emulator: Emulator, customers: Path, tmp_path: Path
) -> None:
    """Line 2 of the repaired rejects is somebody else than line 2 of the list: lines are refused, a phone is not."""
    rejects = tmp_path / "rejects.csv"
    assert zns(run, customers, "--rejects", str(rejects)).returncode == 0
    repaired = rejects.read_text("utf-8-sig").replace("0283812345", "0901999998").replace("đầu,,", "đầu,KH7,")
    rejects.write_text(repaired, "utf-8-sig")
    assert zns(run, rejects).returncode == 0
    again = ("resend", "march", "--reason", "asked for", "--even-accepted")
    for rows in ("2", "40", "2-3"):
        assert_one_clear_line(run(*again, "--rows", rows), 2, "read more than one list", "--phone")
    done = run(*again, "--phone", "+84 901 999 998", "--key", "0901000000")
    assert done.returncode == 0, done.stderr
    assert "0901999998" not in done.stdout
    assert "line 2 (090*****98)" in done.stdout
    assert zns(run, customers).returncode == 4  # one of the two is of the other list
    assert zns(run, rejects).returncode == 0
    twice = sorted(phone for phone, count in emulator.deliveries_by_phone().items() if count == 2)
    assert twice == ["0901000000", "0901999998"]


def test_resend_of_a_phone_with_two_rows_requires_the_row_key(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    """With a key column a person may have two messages in a run."""
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEADER},order\n0901888484,A,s,c,d,A1\n0901888484,A,s,c,d,A2\n", "utf-8")
    assert zns(run, path, "--key-column", "order").returncode == 0
    again = ("resend", "march", "--reason", "asked for", "--even-accepted")
    assert_one_clear_line(run(*again, "--phone", "0901888484"), 2, "have the same phone", "--key")
    assert run(*again, "--key", "A2").returncode == 0
    assert zns(run, path, "--key-column", "order").returncode == 0
    assert emulator.deliveries_by_phone() == {"0901888484": 3}


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("--phone", "0901777777"), "no row with the phone 090*****77"),
        (("--key", "0901777777"), "no row with the row key"),
        (("--rows", "9999"), "no row of line 9999"),
        (("--rows", "9990-9999"), "no row of line 9990-9999"),
        (("--rows", "2,0" + "a" * 39), "no row with the request id"),
        (("--phone", "12"), "only 2 digits"),
        (("--rows", "20-15"), "no row of line"),
        (("--rows", "half"), "not a line, span"),
        (("--rows", "1" * 30), "not a line, span"),
        ((), "Say which rows"),
    ],
)
def test_resend_with_an_unmatched_or_invalid_selector_releases_no_row(
    run: Run, emulator: Emulator, customers: Path, names: tuple[str, ...], words: str
) -> None:
    """A slip in one name, and the others are not released either."""
    assert zns(run, customers).returncode == 0
    again = ("resend", "march", "--reason", "asked for", "--even-accepted", "--phone", "0901000001", *names)
    assert_one_clear_line(run(*(again if names else again[:-2])), 2, words)
    assert zns(run, customers).returncode == 0
    assert set(emulator.deliveries_by_phone().values()) == {1}


@pytest.mark.in_turn
def test_resend_by_phone_works_in_a_ledger_with_hashed_phones(run: Run, emulator: Emulator, customers: Path) -> None:
    """By its hash; with another secret nobody is found, and it says why."""
    assert zns(run, customers, ESMS_LEDGER_SECRET="a long secret").returncode == 0
    again = ("resend", "march", "--reason", "asked for", "--even-accepted", "--phone", "0901000001")
    assert_one_clear_line(run(*again), 2, "another secret")
    assert run(*again, ESMS_LEDGER_SECRET="a long secret").returncode == 0
    assert zns(run, customers, ESMS_LEDGER_SECRET="a long secret").returncode == 0
    assert emulator.deliveries_by_phone()["0901000001"] == 2


@pytest.mark.in_turn
def test_ledger_export_lists_every_message_id(run: Run, emulator: Emulator, customers: Path) -> None:
    """One line a row, with the message id that the gateway has."""
    assert zns(run, customers).returncode == 0
    rows = list(csv.DictReader(run("ledger", "export", "march").stdout.splitlines()))
    assert {row["message_id"] for row in rows} == {message.message_id for message in emulator.messages()}
    assert json.loads(run("ledger", "show", "march", "--json").stdout)["accepted"] == 1200
    assert [run_["run_key"] for run_ in json.loads(run("ledger", "runs", "--json").stdout)] == ["march"]


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("more", "fragment"),
    [
        (("--params", "customer_name,service"), "4 params"),
        (("--params", "customer_name,service,code,datum"), "date"),
        (("--template", "999"), "789"),
        (("--run-key", ""), "run_key"),
        (("--ledger", "mysql://x"), "ledger"),
        (("--price", "much"), "price"),
    ],
)
def test_invalid_campaign_options_give_one_line_error_without_sending(
    run: Run, emulator: Emulator, customers: Path, more: tuple[str, ...], fragment: str
) -> None:
    """Wrong columns, template, run key or ledger are alerted before the first message."""
    done = zns(run, customers, *more)
    assert_one_clear_line(done, 3 if fragment == "789" else 2, fragment)
    assert list(emulator.messages()) == []


@pytest.mark.in_turn
def test_changed_content_under_the_same_row_key_is_rejected(run: Run, emulator: Emulator, customers: Path) -> None:
    """A changed row is an error that names its line, and not a second message."""
    assert zns(run, customers).returncode == 0
    customers.write_text(
        customers.read_text(encoding="utf-8-sig").replace("Chị Hương 7,", "Chị Lan 7,"), encoding="utf-8"
    )
    assert_one_clear_line(zns(run, customers), 2, "line 9", "other content")
    assert sum(emulator.deliveries_by_phone().values()) == 1200


@pytest.mark.in_turn
def test_sandbox_run_has_its_own_run_key_and_does_not_block_the_real_run(
    run: Run, emulator: Emulator, customers: Path
) -> None:
    """Checked by the gateway, delivered to nobody, and under a run key of its own in the ledger."""
    checked = json.loads(zns(run, customers, "--json", ESMS_SANDBOX="1").stdout)
    assert (checked["sandbox"], checked["run_key"]) == (True, "sandbox/march")
    assert emulator.deliveries_by_phone() == {}
    assert zns(run, customers).returncode == 0
    assert sum(emulator.deliveries_by_phone().values()) == 1200


@pytest.mark.in_turn
def test_ledger_secret_keeps_phones_out_of_the_ledger_file(
    run: Run, emulator: Emulator, customers: Path, tmp_path: Path
) -> None:
    """With ESMS_LEDGER_SECRET no phone stands in the file, resuming works, and another secret is noticed."""
    assert zns(run, customers, ESMS_LEDGER_SECRET="a long secret").returncode == 0
    for file in tmp_path.glob("ledger.sqlite*"):
        assert b"0901000" not in file.read_bytes()
    assert zns(run, customers, ESMS_LEDGER_SECRET="a long secret").returncode == 0
    assert_one_clear_line(zns(run, customers), 2, "another secret")
    assert sum(emulator.deliveries_by_phone().values()) == 1200


def test_changed_key_column_under_the_same_run_key_is_rejected(run: Run, emulator: Emulator, customers: Path) -> None:
    """The same rows under other keys would be sent again."""
    assert zns(run, customers).returncode == 0
    assert_one_clear_line(zns(run, customers, "--key-column", "code"), 2, "another key_column")
    assert sum(emulator.deliveries_by_phone().values()) == 1200


@pytest.mark.in_turn
def test_run_keys_are_unicode_normalised(run: Run, emulator: Emulator, customers: Path) -> None:
    """Composed and decomposed letters are the same key; blanks at the ends are refused."""
    assert zns(run, customers, run_key="th\u00e1ng-3").returncode == 0
    assert zns(run, customers, run_key="tha\u0301ng-3").returncode == 0
    assert_one_clear_line(zns(run, customers, run_key="th\u00e1ng-3 "), 2, "spaces")
    assert sum(emulator.deliveries_by_phone().values()) == 1200


@pytest.mark.in_turn
def test_at_least_sets_the_required_share_of_valid_rows(run: Run, emulator: Emulator, customers: Path) -> None:
    """Two of 1 202 rows are bad: too many for all of them, which is what nobody said otherwise, enough for 0.99."""
    assert_one_clear_line(zns(run, customers, "--at-least", "1"), 2, "2 of 1,202 rows cannot be sent", "sent nothing")
    assert emulator.message_count == 0
    assert zns(run, customers, "--at-least", "0.99").returncode == 0


@pytest.mark.in_turn
def test_send_is_rejected_when_the_list_differs_from_the_saved_plan(
    run: Run, emulator: Emulator, customers: Path, tmp_path: Path
) -> None:
    """The list grows after the plan was approved: refused in a line that says so, and nothing is sent."""
    saved = tmp_path / "plan.json"
    assert zns(run, customers, "--plan", "--save-plan", str(saved)).returncode == 0
    assert "0901" not in saved.read_text("utf-8")
    text = customers.read_text("utf-8-sig")
    customers.write_text(text + "0902000000,Chị Mai,Gội đầu,KH,19/03/2025\n", "utf-8")
    refused = zns(run, customers, "--plan-file", str(saved))
    assert_one_clear_line(refused, 2, "1,201 rows would be sent to, the plan has 1200", "Nothing was sent")
    assert emulator.message_count == 0
    customers.write_text(text, "utf-8")
    assert zns(run, customers, "--plan-file", str(saved)).returncode == 0
    assert emulator.message_count == 1200
    assert_one_clear_line(zns(run, customers, "--plan-file", str(customers)), 2, "is not a plan")


@pytest.mark.in_turn
def test_past_send_time_is_rejected_for_a_new_run_and_ignored_on_resume(
    run: Run, emulator: Emulator, customers: Path
) -> None:
    """The same command with the same --at: a mistake where nothing was sent, else the rest goes out at once."""
    past = ("--at", "2020-01-01 08:00")
    assert_one_clear_line(zns(run, customers, *past), 2, "--at", "lies in the past")
    assert emulator.message_count == 0
    try_the_account(run)
    emulator.faults.add("send_zns_bulk", code("103"), calls=[4])
    assert zns(run, customers, "--threads", "1").returncode == 3
    resumed = zns(run, customers, *past)
    assert resumed.returncode == 0, resumed.stderr
    assert len(customers_reached(emulator)) == 1200


@pytest.mark.in_turn
def test_changed_row_stops_the_run_unless_conflicts_are_skipped(
    run: Run, emulator: Emulator, customers: Path, tmp_path: Path
) -> None:
    """Before anything is sent, though new rows stand before it; the plan counts it, the rejects have it."""
    assert zns(run, customers).returncode == 0
    lines = customers.read_text(encoding="utf-8-sig").splitlines()
    new = [f"0902{number:06d},Chị Mai,Gội đầu,KH,19/03/2025" for number in range(500)]
    lines[1:] = [*new, *(line.replace("Chị Hương 7,", "Chị Lan 7,") for line in lines[1:])]
    customers.write_text("\n".join(lines) + "\n", encoding="utf-8")
    planned = json.loads(zns(run, customers, "--plan", "--json").stdout)
    assert (planned["already_settled"], planned["conflicts"], planned["to_send"]) == (1199, 1, 500)
    rejects = tmp_path / "rejects.csv"
    refused = zns(run, customers, "--rejects", str(rejects))
    assert_one_clear_line(refused, 2, "line 509", "other content", "This call sent nothing")
    assert "Chị Lan 7," in rejects.read_text(encoding="utf-8-sig")
    assert sum(emulator.deliveries_by_phone().values()) == 1200
    done = zns(run, customers, "--conflicts", "skip")
    assert done.returncode == 0, done.stderr
    assert "1 row was sent as something else" in done.stderr
    assert set(emulator.deliveries_by_phone().values()) == {1}
    assert len(emulator.deliveries_by_phone()) == 1700


def test_empty_source_is_an_error_unless_on_empty_is_skip(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    """An error unless it was expected."""
    path = tmp_path / "quiet.csv"
    path.write_text(HEADER + "\n", "utf-8")
    assert_one_clear_line(zns(run, path), 2, "it is empty", "on_empty=skip")
    done = zns(run, path, "--on-empty", "skip")
    assert (done.returncode, emulator.call_count("send_zns_bulk")) == (0, 0)
    assert "0 accepted" in done.stdout


@pytest.mark.parametrize("moment", ["01/02/2027", "12/2026", "10", "2026", "2020-01-01 08:00"])
def test_ambiguous_or_past_send_time_is_rejected(run: Run, emulator: Emulator, customers: Path, moment: str) -> None:
    """ISO only, and not in the past."""
    assert_one_clear_line(zns(run, customers, "--at", moment), 2, "--at")
    assert list(emulator.messages()) == []


def sms(run: Run, source: object, *more: str, text: str = "Chào {CUSTOMER_name}, mã {code}"):
    given = ("--run-key", "march", "--brandname", DEMO_BRANDNAME, "--text", text, "--at-least", "0.99")
    return run("send", "sms", str(source), *given, *more)


@pytest.mark.in_turn
def test_send_sms_channel_supports_plan_send_and_resume(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    """Plan, send, resume and ledger as of a ZNS; the plan shows a message and what makes it dear."""
    path = tmp_path / "people.csv"
    rows = [f"09018884{n},Chị Hương {n},KH{n}" for n in range(10, 40)]
    path.write_text("\n".join(("phone,customer_name,code", *rows)), "utf-8")
    plan = sms(run, path, "--plan")
    assert "Chào Chị Hương 10, mã KH10" in plan.stdout, plan.stderr
    assert "as Unicode" in plan.stdout
    planned = json.loads(sms(run, path, "--plan", "--json").stdout)
    assert (planned["channel"], planned["segments"], emulator.message_count) == ("sms", 30, 0)
    assert "Hương" not in json.dumps(planned, ensure_ascii=False)
    done = json.loads(sms(run, path, "--json").stdout)
    assert (done["channel"], done["accepted"], done["sent_by_this_try"]) == ("sms", 30, 30)
    assert json.loads(sms(run, path, "--json").stdout)["sent_by_this_try"] == 0
    assert set(emulator.deliveries_by_phone().values()) == {1}
    assert_one_clear_line(sms(run, path, text="Chao {ten}"), 2, "not a column of the source")
    assert_one_clear_line(sms(run, path, text="Chao {code"), 2, "belongs to no")


def test_send_sms_short_form_and_advertising_accept_a_list(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    """`send-sms SOURCE` is `send sms SOURCE`, plain on request; advertising is one text for all."""
    path = tmp_path / "people.csv"
    path.write_text("\n".join(("phone,ten", *(f"09018884{n},Hà {n}" for n in range(10, 45)))), "utf-8")
    given = ("--brandname", DEMO_BRANDNAME, "--text", "Chào {ten}")
    done = run("send-sms", str(path), *given, "--run-key", "short", "--plain")
    assert done.returncode == 0, done.stderr
    assert "Chao Ha 10" in {message.content for message in emulator.messages()}
    given = ("--brandname", DEMO_BRANDNAME, "--text", "[QC] Khuyen mai. Tu choi: soan TC gui 1234")
    done = run("send", "advertising", str(path), *given, "--run-key", "sale")
    assert done.returncode == 0, done.stderr
    assert set(emulator.deliveries_by_phone().values()) == {2}


def test_guard_rules_can_be_overridden_with_a_reason(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    """Policies and rules in lower case, as everywhere; what is refused goes out where it is overridden, on record."""
    path = tmp_path / "people.csv"
    path.write_text("\n".join(("phone", *(f"09018884{n}" for n in range(10, 45)))), "utf-8")
    given = (
        "send",
        "advertising",
        str(path),
        "--brandname",
        DEMO_BRANDNAME,
        "--text",
        "Khuyen mai",
        "--run-key",
        "sale",
    )
    assert_one_clear_line(run(*given, "--hours", "defer"), 2, "[QC]")
    rules = ("--override", "label", "--override", "opt_out")
    assert_one_clear_line(run(*given, *rules), 2, "--override and --override-reason go together")
    assert emulator.deliveries_by_phone() == {}
    done = run(*given, *rules, "--hours", "defer", "--override-reason", "agreed with everybody on the list")
    assert done.returncode == 0, done.stderr
    assert set(emulator.deliveries_by_phone().values()) == {1}
    unknown = run(*given, "--override", "stop", "--override-reason", "x")
    assert (unknown.returncode, "is not one of" in unknown.stderr) == (2, True)

"""`esms send … --else CHANNEL … --after 15m`: one command, a person once a step."""

import json
from pathlib import Path
from typing import Any

import pytest
from running import Run, assert_one_clear_line

from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator, EmulatorConfig, Progress
from esms_connectors.emulator.progress import RealClock

ZNS, SMS = "send_zns_bulk", "send_customer_care_sms"
ROWS = [f"090100000{number},Lan {number},Goi dau,M{number},15/05/2024" for number in range(3)]


@pytest.fixture
def emulator(clock: RealClock) -> Emulator:
    """Nothing that is sent ever arrives."""
    never = Progress(0, 0, never_final_share=1, queue_seconds=(0.1, 0.1))
    return Emulator(EmulatorConfig(progress=never), clock=clock)


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    path.write_text("\n".join(["phone,customer_name,service,code,date", *ROWS]) + "\n", encoding="utf-8")
    return path


def chain(run: Run, source: Path, *more: str, after: str = "1s"):
    return run(
        *("send", "zns", str(source), "--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--run-key", "evening"),
        *("--params", "customer_name,service,code,date"),
        *("--else", "sms", "--brandname", DEMO_BRANDNAME, "--text", "Chao {customer_name}", "--after", after),
        *more,
    )


@pytest.mark.in_turn
def test_chain_sends_each_step_once_and_rerun_sends_nothing(run: Run, emulator: Emulator, customers: Path) -> None:
    """Options of the campaign may stand behind a step; the JSON has people and steps; again sends nothing."""
    done = chain(run, customers, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["people"]["sent"], told["chain_complete"], told["accepted"]) == (3, True, 3)
    assert [(step["channel"], step["run_key"], step["accepted"]) for step in told["steps"]] == [
        ("zns", "evening", 3),
        ("sms", "evening#2", 3),
    ]
    assert told["steps"][1]["reasons"] == {"not delivered within 1 seconds": 3}
    again = chain(run, customers)
    assert again.returncode == 0, again.stderr
    assert "3 sent" in again.stdout
    assert set(emulator.deliveries_by_phone().values()) == {2}
    # One person is one, whichever step they came to.
    status = json.loads(run("status", "evening", "--json").stdout)
    assert (status["expected"], status["sent"], status["people"]["sent"]) == (3, 3, 3)
    assert [(step["handed_on"], step["delivered"], step["late"]) for step in status["steps"]] == [(3, 0, 0), (3, 0, 0)]
    assert status["steps"][1]["reasons"] == {"not delivered within 1 seconds": 3}
    listed = json.loads(run("ledger", "runs", "--json").stdout)
    assert [(one["run_key"], one["journey"], one["step"]) for one in listed] == [
        ("evening#2", "evening", 2),
        ("evening", None, None),
    ]
    assert "evening#2  step 2 of evening" in run("ledger", "runs").stdout
    shown = run("ledger", "show", "evening").stdout
    assert "step 2  sms, evening#2: 3 accepted (3 not delivered within 1 seconds)" in shown


@pytest.mark.in_turn
def test_wait_and_outcomes_show_one_journey_per_person(run: Run, emulator: Emulator, customers: Path) -> None:
    """Which step each person came to and why, and what was delivered after the fallback; nobody's number."""
    assert chain(run, customers).returncode == 0
    late = next(one.message_id for one in emulator.messages() if one.phone == "0901000000")
    for message in emulator.messages():
        if message.message_id == late or message.function == "send_customer_care_sms":
            emulator.set_status(message.message_id, 5, 1)
    done = run("wait", "evening", "--json")
    assert done.returncode == 0, done.stderr
    waited = json.loads(done.stdout)
    assert (waited["expected"], waited["delivered"], waited["people"]["delivered"]) == (3, 3, 3)
    assert [(step["delivered"], step["late"]) for step in waited["steps"]] == [(1, 1), (3, 0)]
    assert "1. zns: 3 people, 1 delivered (1 after the next step was sent)" in run("status", "evening").stdout
    listed = [json.loads(line) for line in run("outcomes", "evening", "--json").stdout.splitlines()]
    assert [(one["step"], one["channel"]) for one in listed] == [(1, "zns"), (2, "sms")] * 3
    assert [one["late"] for one in listed] == [True, False, False, False, False, False]
    assert [one["because"] for one in listed[:2]] == ["", "not delivered within 1 seconds"]
    assert "0901000" not in run("outcomes", "evening").stdout


def test_chain_plan_shows_each_step_without_sending(run: Run, emulator: Emulator, customers: Path) -> None:
    """It has a line for each step."""
    done = chain(run, customers, "--plan")
    assert "step 2  sms to at most 3 people" in done.stdout, done.stderr
    assert emulator.message_count == 0


@pytest.mark.in_turn
def test_undelivered_recipients_of_a_run_are_a_source(run: Run, emulator: Emulator, customers: Path) -> None:
    """By the key of the first list; of a chain whom no step reached; again under its run key sends nothing."""
    assert chain(run, customers).returncode == 0
    for message in emulator.messages():
        # The first is reached by SMS, the second by ZNS.
        if (message.phone, message.function) in {("0901000000", SMS), ("0901000001", ZNS)}:
            emulator.set_status(message.message_id, 5, 1)
    words = ("send", "viber", "--brandname", DEMO_BRANDNAME, "--text", "Goi lai: {reason}", "--run-key", "last-call")
    asked = (*words, "--from-undelivered", "evening")
    for sent in (1, 0):
        done = run(*asked, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["sent_by_this_try"] == sent
    assert [(one.phone, one.content) for one in emulator.messages() if one.function == "send_viber"] == [
        ("0901000002", "Goi lai: not delivered")
    ]
    early = run(
        *words[:-1], "later", "--from-undelivered", "evening", "--undelivered-after", "2h", "--on-empty", "skip"
    )
    assert early.returncode == 0, early.stderr
    assert len([one for one in emulator.messages() if one.function == "send_viber"]) == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((), "Give SOURCE, or --from-undelivered"),
        (("customers.csv", "--from-undelivered", "evening"), "Give SOURCE, or --from-undelivered"),
        (("customers.csv", "--undelivered-after", "2h"), "goes with --from-undelivered"),
        (("--from-undelivered", "evening", "--undelivered-after", "soon"), "not a time span"),
        (("--from-undelivered", "nobody"), "nobody"),
    ],
)
def test_invalid_source_options_give_one_line_error(
    run: Run, emulator: Emulator, more: tuple[str, ...], words: str
) -> None:
    """Nothing was sent."""
    done = run("send", "viber", "--brandname", DEMO_BRANDNAME, "--text", "x", "--run-key", "k", *more)
    assert_one_clear_line(done, 2, words)
    assert emulator.message_count == 0


def test_alert_ladder_respects_the_guard_settings_file(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("[guard]\nmax_segments = 1\n", encoding="utf-8")
    words = ("alert", "--text", "Het cho. " * 30, "--brandname", DEMO_BRANDNAME, "--run-key", "disk")
    done = run(*words, "--ladder", "0901000001", ESMS_SETTINGS=str(tmp_path / "rules.toml"))
    assert_one_clear_line(done, 2, "2 segments")
    assert emulator.message_count == 0


def test_alert_ladder_stops_at_the_first_delivered_phone(run: Run, emulator: Emulator) -> None:
    """In their order, until one is delivered; again under the same key nobody; a mistake is one line."""

    def fate(call: Any) -> None:
        """The first does not get it."""
        for message in list(emulator.messages()):
            emulator.set_status(message.message_id, 5, int(message.phone != "0901000001"))

    emulator.on_call("get_balance", fate)
    words = ("alert", "--text", "Het cho {}", "--brandname", DEMO_BRANDNAME, "--run-key", "disk", "--after", "5m")
    for _ in range(2):
        done = run(*words, "--ladder", "0901 000 001,0901000002,0901000003")
        assert (done.returncode, done.stdout.splitlines()[0]) == (0, "1 delivered"), done.stderr
    assert [(one.phone, one.content) for one in emulator.messages()] == [
        ("0901000001", "Het cho {}"),
        ("0901000002", "Het cho {}"),
    ]
    assert_one_clear_line(run(*words, "--ladder", "nobody"), 2, "Nobody can be alerted")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--else", "fax", "--after", "1s"), "no channel 'fax'"),
        (("--else", "viber", "--text", "x"), "needs --after"),
        (("--else",), "--else needs a channel"),
        (("--else", "call", "--after", "1s"), "call needs template_id"),
        (("--else", "sms", "--brandname", DEMO_BRANDNAME, "--text", "{ten}", "--after", "1s"), "{ten}"),
    ],
)
def test_invalid_chain_step_gives_one_line_error_without_sending(
    run: Run, emulator: Emulator, customers: Path, more: tuple[str, ...], words: str
) -> None:
    """Before the first message."""
    assert_one_clear_line(chain(run, customers, *more), 2, words)
    assert emulator.message_count == 0

"""`esms send … --else CHANNEL … --after 15m`: one command, a person once a step."""

import json
from pathlib import Path

import pytest
from running import Run, assert_one_clear_line

from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator, EmulatorConfig, Progress
from esms_connectors.emulator.progress import RealClock

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


def test_a_chain_sends_each_step_once_and_again_goes_on(run: Run, emulator: Emulator, customers: Path) -> None:
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
    shown = run("ledger", "show", "evening").stdout
    assert "step 2  sms, evening#2: 3 accepted (3 not delivered within 1 seconds)" in shown


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


def test_the_plan_of_a_chain_sends_nothing(run: Run, emulator: Emulator, customers: Path) -> None:
    """It has a line for each step."""
    done = chain(run, customers, "--plan")
    assert "step 2  sms to 3 people at most" in done.stdout, done.stderr
    assert emulator.message_count == 0


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
def test_a_mistake_in_a_step_is_one_line(
    run: Run, emulator: Emulator, customers: Path, more: tuple[str, ...], words: str
) -> None:
    """Before the first message."""
    assert_one_clear_line(chain(run, customers, *more), 2, words)
    assert emulator.message_count == 0

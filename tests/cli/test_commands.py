"""`esms` as a user calls it: a process of its own, a real socket to the emulator, exit codes and one clear line."""

import json
import socket
import unicodedata
from pathlib import Path

import pytest
from answering_server import Answer, answering
from esms_processes import Esms
from running import Run, assert_one_clear_line

from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorServer,
)
from esms_connectors.emulator.faults import code, drop_after


def send(run: Run, *more: str, to: str = "0901888484", text: str = "Xin chào", **changes: str | None):
    return run("send-sms", "--to", to, "--text", text, "--brandname", DEMO_BRANDNAME, *more, **changes)


def test_send_sms_accepts_one_message(run: Run, emulator: Emulator) -> None:
    """The message of the command line stands in the gateway, diacritics and all."""
    done = send(run, "--json", "--campaign", "Chiến dịch 1", to="+84 90 188 84 84")
    assert done.returncode == 0, done.stderr
    sent = json.loads(done.stdout)
    [message] = emulator.messages()
    assert (message.message_id, message.content, message.campaign) == (sent["message_id"], "Xin chào", "Chiến dịch 1")


@pytest.mark.in_turn
def test_send_sms_reads_the_text_from_standard_input(run: Run, emulator: Emulator) -> None:
    """A text with a line end survives the pipe, in a C locale too."""
    done = run(
        *("send-sms", "--to", "0901888484", "--text", "-", "--brandname", DEMO_BRANDNAME),
        stdin="Dòng một\nDòng hai\n",
        LC_ALL="C",
    )
    assert done.returncode == 0, done.stderr
    assert [message.content for message in emulator.messages()] == ["Dòng một\nDòng hai"]


def test_send_sms_composes_accents_and_rejects_control_characters_and_mojibake(run: Run, emulator: Emulator) -> None:
    """A text that was typed on macOS costs as much as any other."""
    done = send(run, text=unicodedata.normalize("NFD", "Chào chị Hương"))
    assert done.returncode == 0, done.stderr
    assert [message.content for message in emulator.messages()] == ["Chào chị Hương"]
    assert_one_clear_line(send(run, text="Xin\x1b[0m chao"), 2, "control character")
    assert_one_clear_line(send(run, text="Xin chÃ o quÃ½ khÃ¡ch"), 2, "another encoding")
    assert len(list(emulator.messages())) == 1


def test_repeated_request_id_is_sent_once(run: Run, emulator: Emulator) -> None:
    """A script that runs twice says so and sends once."""
    assert send(run, "--request-id", "nightly-1").returncode == 0
    again = send(run, "--request-id", "nightly-1")
    assert again.returncode == 0
    assert "not sent again" in again.stdout
    assert len(list(emulator.messages())) == 1


def test_sandbox_variable_sends_without_storing_a_message(run: Run, emulator: Emulator) -> None:
    """The environment switches the sandbox on."""
    done = send(run, ESMS_SANDBOX="1")
    assert done.returncode == 0, done.stderr
    assert "sandbox" in done.stdout
    assert list(emulator.messages()) == []


LABELLED = "[QC] Khuyen mai. Tu choi: soan TC gui 1234"


def test_advertising_is_sent_to_all_phones(run: Run, emulator: Emulator) -> None:
    """30 numbers make one advertising batch."""
    phones = [part for number in range(30) for part in ("--to", f"09018884{number:02d}")]
    done = run("send-sms", *phones, "--text", LABELLED, "--brandname", DEMO_BRANDNAME, "--advertising")
    assert done.returncode == 0, done.stderr
    assert sum(emulator.deliveries_by_phone().values()) == 30


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ({"to": "02838123456"}, "028******56"),
        ({"to": "0901"}, "only 4 digits"),
        ({"text": "  "}, "text is empty"),
    ],
)
def test_invalid_phone_or_text_gives_one_line_error_without_sending(
    run: Run, emulator: Emulator, arguments: dict[str, str], fragment: str
) -> None:
    """Phone and text are checked before anything leaves."""
    assert_one_clear_line(send(run, **arguments), 2, fragment)
    assert emulator.call_count("send_customer_care_sms") == 0


@pytest.mark.parametrize(
    ("more", "fragment"),
    [
        (("--request-id", "x" * 51), "51 characters"),
        (("--advertising", "--text", LABELLED), "30 to 5000"),
        (("--at", "someday"), "is not a valid time"),
        (("--at", "tomorrow"), "'tomorrow' is not a valid time. Give '2026-11-21 08:30', 'tomorrow 08:30', +2h"),
        (("--at", "yesterday 08:30"), "lies in the past"),
        (("--callback-url", "ftp://x"), "http or https"),
    ],
)
def test_invalid_send_sms_options_give_one_line_error_without_sending(
    run: Run, emulator: Emulator, more: tuple[str, ...], fragment: str
) -> None:
    """So are request id, list length, time and callback address."""
    assert_one_clear_line(send(run, *more), 2, fragment)
    assert list(emulator.messages()) == []


@pytest.mark.parametrize(
    ("changes", "exit_code", "fragment"),
    [
        ({"ESMS_API_KEY": None}, 2, "ESMS_API_KEY"),
        ({"ESMS_SECRET_KEY": ""}, 2, "ESMS_SECRET_KEY"),
        ({"ESMS_API_KEY": DEMO_API_KEY + "\n"}, 2, "space or line break"),
        ({"ESMS_API_KEY": "{{ApiKey}}"}, 2, "placeholder"),
        ({"ESMS_API_KEY": "WRONG-KEY-0001"}, 3, "101"),
        ({"ESMS_SANDBOX": "maybe"}, 2, "ESMS_SANDBOX"),
        ({"ESMS_BASE_URL": "http://esms.example", "ESMS_API_KEY": "A1B2C3D4E5F6"}, 2, "Use https"),
        ({"ESMS_BASE_URL": "rest.esms.vn"}, 2, "scheme and a host"),
        ({"ESMS_BASE_URL": "https://no-such-host.invalid"}, 4, "not sent"),
    ],
)
def test_invalid_settings_give_one_line_error(
    run: Run, emulator: Emulator, changes: dict[str, str | None], exit_code: int, fragment: str
) -> None:
    """Missing, malformed, placeholder and wrong keys; an unsafe, unreadable or unreachable base URL."""
    assert_one_clear_line(send(run, **changes), exit_code, fragment)
    assert list(emulator.messages()) == []


def test_unreachable_host_gives_connection_refused_error(run: Run) -> None:
    """Nobody listens: certainly not sent."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert_one_clear_line(run("balance", ESMS_BASE_URL=url), 4, "refused")


def test_web_page_at_the_base_url_gives_unknown_outcome_with_hint(run: Run) -> None:
    """The wrong address answers with a page: outcome unknown for a send, and a hint at the address."""
    with answering(lambda *_: Answer(200, b"<!DOCTYPE html><title>Welcome</title>")) as address:
        done = send(run, ESMS_BASE_URL=address)
    assert_one_clear_line(done, 5, "web page", "base URL", "Request id: ")


def test_lost_answer_is_retried_without_a_second_message(run: Run, emulator: Emulator) -> None:
    """The gateway took it, the answer was lost: the repeat finds it, and nobody gets two."""
    emulator.faults.add("send_customer_care_sms", drop_after(), calls=[1])
    done = send(run)
    assert done.returncode == 0, done.stderr
    assert emulator.deliveries_by_phone() == {"0901888484": 1}


def test_check_passes_for_a_valid_setup(run: Run) -> None:
    """A good set-up passes every check, in JSON too."""
    report = json.loads(run("check", "--json").stdout)
    assert report["ok"] is True
    assert {finding["check"] for finding in report["checks"]} == {
        "mode",
        "connection",
        "keys",
        "address",
        "balance",
        "clock",
    }


@pytest.mark.parametrize(
    ("refusal", "check", "word"), [("101", "keys", "account.esms.vn"), ("140", "address", "eSMS sales")]
)
def test_check_reports_account_refusals_with_advice(
    run: Run, emulator: Emulator, refusal: str, check: str, word: str
) -> None:
    """Refused keys and an address that is not listed are told apart."""
    emulator.faults.add("get_balance", code(refusal))
    done = run("check", "--json")
    assert done.returncode == 3
    [wrong] = [finding for finding in json.loads(done.stdout)["checks"] if finding["ok"] is False]
    assert wrong["check"] == check
    assert word in wrong["text"]


@pytest.mark.parametrize(
    ("options", "check", "ok", "word"),
    [
        (("--brandname", DEMO_BRANDNAME), "brandname", True, "customer care"),
        (("--brandname", DEMO_BRANDNAME.lower()), "brandname", False, "write it like that"),
        (("--brandname", "Nobody"), "brandname", False, "is not registered"),
        (("--oa", DEMO_OA_ID), "OA quota", True, "left today"),
        (("--oa", "1"), "OA", False, "is not connected"),
        (("--oa", DEMO_OA_ID, "--template", DEMO_TEMPLATE_ID), "template", True, "ENABLE"),
        (("--oa", DEMO_OA_ID, "--template", "999"), "template", False, "789"),
        (("--template", DEMO_TEMPLATE_ID), "template", None, "give its OA"),
    ],
)
def test_check_verifies_the_given_brandname_oa_and_template(
    run: Run, options: tuple[str, ...], check: str, ok: bool | None, word: str
) -> None:
    """As the account has them; nothing is sent."""
    done = run("check", "--json", *options)
    found = {finding["check"]: finding for finding in json.loads(done.stdout)["checks"]}
    assert (found[check]["ok"], word in found[check]["text"]) == (ok, True), found
    assert done.returncode == (1 if ok is False else 0)


def test_balance_is_shown_in_dong_and_as_a_json_number(run: Run) -> None:
    """People read dong with points, machines get a number."""
    assert run("balance").stdout.strip().endswith(" đ")
    assert float(json.loads(run("balance", "--json").stdout)["balance_vnd"]) > 0


def test_explain_gives_both_languages_without_keys(run: Run) -> None:
    """`esms explain` needs no keys."""
    told = json.loads(run("explain", "124", "--json", ESMS_API_KEY=None).stdout)
    assert told["error"] == "DuplicateRequestError"
    assert "Trùng RequestId" in told["vietnamese"]
    assert_one_clear_line(run("explain", "999"), 2, "not a documented code")


def test_errors_are_json_with_the_json_option(run: Run) -> None:
    """With --json a refusal is an object with its code, and the exit code still tells."""
    done = send(run, "--json", ESMS_API_KEY="WRONG-KEY-0001")
    assert done.returncode == 3
    assert json.loads(done.stdout)["code"] == "101"


def test_occupied_emulator_port_gives_one_line_error(run: Run) -> None:
    """The emulator does not start twice on a port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("emulator", "--port", str(taken.getsockname()[1]))
    assert_one_clear_line(done, 2, "is taken")


@pytest.mark.parametrize(
    "command", [(), ("emulator",), ("check",), ("send-sms",), ("balance",), ("explain",), ("demo",)]
)
def test_every_command_shows_help_with_an_example(run: Run, command: tuple[str, ...]) -> None:
    """Every command explains itself with an example."""
    done = run(*command, "--help")
    assert done.returncode == 0
    assert "Usage:" in done.stdout
    assert not command or "esms " + command[0] in done.stdout.split("Example", 1)[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--encoding", "utf-16"], "does not begin with the byte order mark"),
        (["--encoding", "base64"], "not an encoding that Python knows"),
        (["--encoding", "undefined"], "not an encoding that Python knows"),
        (["--price", "1e400"], "not an amount of VND"),
        (["--price", "-1"], "not an amount of VND"),
    ],
)
def test_invalid_encodings_and_prices_give_one_line_error(
    esms: Esms, server: EmulatorServer, tmp_path: Path, arguments: list[str], words: str
) -> None:
    """Wrong encodings and prices: no traceback, and nothing was sent."""
    (tmp_path / "e.csv").write_text("phone,customer_name,service,code,date\n0900000001,A,S,1,d\n", encoding="utf-8")
    common = ["--template", DEMO_TEMPLATE_ID, "--oa", DEMO_OA_ID, "--params", "customer_name,service,code,date"]
    ledger = ["--run-key", "x", "--ledger", str(tmp_path / "l.sqlite"), "--plan"]
    done = esms.start(server.base_url, "send-zns", str(tmp_path / "e.csv"), *common, *ledger, *arguments).finish()
    done.assert_one_clear_line(2, words)


@pytest.mark.parametrize(
    "arguments",
    [
        ("erase", "0901888484"),
        ("suppress", "list", "0901888484"),
        ("pull", "--threads", "+84 901 888 484"),
        ("0901888484",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("more", [(), ("--json",)], ids=["", "json"])
def test_misplaced_phone_is_masked_in_the_error(run: Run, arguments: tuple[str, ...], more: tuple[str, ...]) -> None:
    """What was typed stands in the message about it, and that in the log of whoever called."""
    done = run(*arguments, *more)
    assert done.returncode == 2
    said = done.stdout + done.stderr
    assert "84" in said
    assert "0901888484" not in said
    assert "901 888" not in said

"""`esms call`: any function of the gateway by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from running import Run

from esms_connectors.cli.commands import esms
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.gateway.endpoints import ENDPOINTS


def test_call_runs_a_read_and_a_send(run: Run, emulator: Emulator) -> None:
    """Arguments as words; the answer as JSON or as lines."""
    template = run("call", "get_zns_template", f"template_id={DEMO_TEMPLATE_ID}", f"oa_id={DEMO_OA_ID}", "--json")
    assert template.returncode == 0, template.stderr
    names = [param["name"] for param in json.loads(template.stdout)["params"]]

    values = [f"template_params.{name}=x" for name in names]
    target = ["phone=0901888484", f"template_id={DEMO_TEMPLATE_ID}", f"oa_id={DEMO_OA_ID}"]
    sent = run("call", "send_zns", *target, *values, "request_id=r-1")
    assert sent.returncode == 0, sent.stderr
    assert [message.phone for message in emulator.messages()] == ["0901888484"]
    assert "request_id  r-1" in sent.stdout


def test_repeated_argument_makes_a_list_and_at_sign_reads_a_file(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    """`name=value` twice makes a list; `name=@file` takes what the file holds."""
    text = tmp_path / "text.txt"
    text.write_text("Giam gia 10%\n", encoding="utf-8")
    phones = [f"phones=09018884{number:02}" for number in range(30)]
    sent = run("call", "send_advertising_sms", *phones, f"content=@{text}", f"brandname={DEMO_BRANDNAME}")
    assert sent.returncode == 0, sent.stderr
    assert {message.content for message in emulator.messages()} == {"Giam gia 10%"}
    assert emulator.message_count == 30


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["send_vibr"], "Did you mean send_viber?"),
        (["get_oa_quota", "oaid=3"], "Did you mean oa_id?"),
        (["get_oa_quota", "oa_id"], "Arguments are written name=value"),
        (["get_oa_quota"], "get_oa_quota needs oa_id."),
        (["send_customer_care_sms", "content=@/no/such/file"], "cannot be read"),
        (["check_code", "phone=0901888484", "code=123456"], "add --yes"),
    ],
)
def test_invalid_call_gives_one_line_error_without_calling_the_gateway(
    run: Run, emulator: Emulator, arguments: list[str], words: str
) -> None:
    """Exit code 2: nothing was sent."""
    done = run("call", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(emulator.calls)


def test_every_operation_has_shell_completion() -> None:
    """Made from the catalogue, so none can be left out."""
    shell = ShellComplete(esms, {}, "esms", "_ESMS_COMPLETE")
    assert {one.value for one in shell.get_completions(["call"], "")} == set(ENDPOINTS)
    assert {one.value for one in shell.get_completions(["call", "no_such"], "")} == set(ENDPOINTS)
    assert [one.value for one in shell.get_completions(["call", "get_oa_quota"], "")] == ["oa_id="]
    assert [one.value for one in shell.get_completions(["call", "send_viber", "phones=1"], "button_")] == [
        "button_url=",
        "button_label=",
    ]

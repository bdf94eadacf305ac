"""What the shell offers, and that each command's help shows how it is written."""

from __future__ import annotations

import inspect
import re
import subprocess

import pytest
from documentation.commands_page import commands
from running import Run

from esms_connectors.cli.commands import esms


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("esms exa", ["plain,examples"]),
        ("esms send zns-n", ["plain,zns-name"]),
        ("esms send-zns --plan-", ["plain,--plan-file"]),
        ("esms examples copy dags/first", ["plain,dags/first_campaign"]),
        ("esms send-zns customers.c", ["file,customers.c"]),  # bash completes it with the files there are
    ],
)
def test_commands_options_examples_and_files_are_completed(run: Run, words: str, offered: list[str]) -> None:
    last = str(len(words.split()) - 1)
    done = run(_ESMS_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=last)
    assert done.stdout.split() == offered


def test_completion_script_is_valid_in_bash(run: Run) -> None:
    script = run(_ESMS_COMPLETE="bash_source").stdout
    done = subprocess.run(["bash", "-c", f"{script}\ncomplete -p esms"], capture_output=True, text=True, check=True)
    assert "_esms_completion esms" in done.stdout


def test_every_command_help_shows_an_example() -> None:
    """Groups too: their help is what people read first."""
    for names, command in commands(esms, ["esms"]):
        # `esms send zns` is `esms send-zns` by another name.
        words = ["send-zns"] if names[-1] == "zns" else names[1:]
        written = re.escape(" ".join(["esms", *words]))
        assert re.search(rf"\n  {written}\b", inspect.cleandoc(command.help or "")), names

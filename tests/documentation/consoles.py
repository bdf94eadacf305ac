"""Runs the commands of `console` blocks as a reader would, in a shell, and compares outputs where one is shown."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from documentation.code_blocks import ROOT, Block

# What stands for something of the reader's own: `export ESMS_API_KEY=…`.
YOURS = "…"
_SERVERS = re.compile(r"esms emulator\b")


@dataclass(frozen=True, slots=True)
class Command:
    """`output` is what the page shows below it, "" for nothing shown."""

    text: str
    output: str


def commands_of(text: str) -> list[Command]:
    """The lines behind `$ ` with their continuations; what follows is output. Without any prompt all are commands."""
    if not re.search(r"(?m)^\$ ", text):
        return [Command(line, "") for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    commands: list[Command] = []
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while not _is_whole(command):
                command += "\n" + next(lines)
            commands.append(Command(command, ""))
        else:
            assert commands, f"a console block begins with $ , not with {line!r}"
            commands[-1] = Command(commands[-1].text, commands[-1].output + line + "\n")
    return commands


def _is_whole(command: str) -> bool:
    """Whether a shell would begin to run it: no line, quotation or here-document goes on."""
    lines = command.splitlines()
    if (document := re.search(r"<<'(\w+)'", lines[0])) is not None:
        return lines[-1] == document.group(1)
    if lines[-1].endswith("\\"):
        return False
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


def assert_shown(shown: str, said: str, where: str) -> None:
    """Whether what was printed is what the page shows; `…` stands for anything, blanks count as one."""
    parts = [re.escape(" ".join(part.split())) for part in shown.split("…")]
    pattern = r"\s*.*?\s*".join(parts)
    assert re.search(pattern, " ".join(said.split()), re.S), f"{where} shows\n{shown}\nbut it printed\n{said}"


@dataclass
class Console:
    """
    A shell that remembers what was exported.

    Args:
        yours: what a reader puts in for names on the pages, such as a database.
    """

    folder: Path
    environment: dict[str, str]
    yours: Mapping[str, str] = field(default_factory=dict)
    _servers: list[subprocess.Popen[str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.send_signal(signal.SIGINT)
        for server in self._servers:
            assert server.wait(240) == 0, "a server that is ended by Ctrl-C ends well"
            assert server.stdout is not None
            server.stdout.close()

    def filled_in(self, text: str) -> str:
        """With the reader's own names."""
        for name, value in self.yours.items():
            text = text.replace(name, value)
        return text

    def run(self, block: Block) -> None:
        for command in commands_of(self.filled_in(block.text)):
            if re.match(r"make\b", command.text):
                _check_make(command.text)
            elif re.match(r"pip install\b", command.text):
                check_extras(command.text)
            elif _SERVERS.match(command.text):
                self._serve(command, block.where)
            else:
                self._run(command, block.where)

    def _serve(self, command: Command, where: str) -> None:
        server = subprocess.Popen(
            ["bash", "-c", f"exec {command.text}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._servers.append(server)
        assert server.stdout is not None
        first = server.stdout.readline()
        assert "http://127.0.0.1:" in first, f"{where}: {first}{server.stdout.read()}"
        if command.output:
            said = first + "".join(server.stdout.readline() for _ in command.output.splitlines()[1:])
            assert_shown(command.output, said, where)

    def _run(self, command: Command, where: str) -> None:
        kept = self.folder / ".exported"
        script = f"set -e\n{command.text}\nenv -0 > {shlex.quote(str(kept))}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, f"{where}: $ {command.text}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, f"{where}: {done.stderr}"
        if command.output:
            assert_shown(command.output, done.stdout + done.stderr, where)
        for line in filter(None, kept.read_text(encoding="utf-8").split("\0")):
            name, _, value = line.partition("=")
            if YOURS not in value and name not in ("_", "SHLVL", "PWD", "OLDPWD"):
                self.environment[name] = value


def _check_make(command: str) -> None:
    """That there is such a target, and every file it needs; the targets themselves are what runs the tests."""
    target = command.partition("#")[0]
    done = subprocess.run(
        ["bash", "-c", f"{target} --dry-run"], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"


def check_extras(command: str) -> None:
    """That the extras exist; installing is what made this environment."""
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (names,) = re.findall(r"esms-connectors\[([\w,-]+)\]", command)
    assert set(names.split(",")) <= set(known), command


def environment_of(folder: Path, **more: str) -> dict[str, str]:
    """What a reader's shell has: this environment's programs, a home of its own, warnings as errors."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "COLUMNS": "120",
        "NO_PROXY": "127.0.0.1",
        **more,
    }

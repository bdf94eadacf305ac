"""`esms` as processes that cost a fork each; see `esms_child.py` for what may be done to them."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fork_server import ForkServer

from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY


@dataclass(frozen=True)
class Done:
    """What became of a process; `peak_kb` of memory."""

    code: int
    out: str
    err: str
    peak_kb: int

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.out))

    def assert_one_clear_line(self, code: int, *fragments: str) -> None:
        assert self.code == code, self.err
        assert "Traceback" not in self.err
        [line] = [line for line in self.err.splitlines() if line.startswith("esms: ")]
        # Warnings may stand before it, nothing behind it.
        assert self.err.rstrip().endswith(line)
        for fragment in fragments:
            assert fragment in line, self.err


class Esms(ForkServer):
    """Runs `esms` in forks of one process that has imported everything."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Path(__file__).with_name("esms_child.py"), "-W", "error")
        self._folder = folder
        self._numbers = itertools.count()

    def start(
        self, base_url: str, *arguments: str, environment: dict[str, str | None] | None = None, **job: Any
    ) -> Process:
        output = str(self._folder / f"esms-{next(self._numbers)}")
        settings: dict[str, str | None] = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "ESMS_API_KEY": DEMO_API_KEY,
            "ESMS_SECRET_KEY": DEMO_SECRET_KEY,
            "ESMS_BASE_URL": base_url,
            **(environment or {}),
        }
        given = {name: value for name, value in settings.items() if value is not None}
        job |= {"arguments": list(arguments), "environment": given, "output": output}
        return Process(self, self.fork(json.dumps(job)), output)


@dataclass(frozen=True)
class Process:
    esms: Esms
    pid: int
    output: str

    def finish(self, seconds: float = 240) -> Done:
        # Asked again and again, so that others can ask as well.
        for _ in range(int(seconds / 0.2)):
            ended = self.esms.ended(self.pid, 0.2)
            if ended is not None:
                said = [Path(f"{self.output}.{name}").read_text(encoding="utf-8") for name in ("out", "err")]
                return Done(ended[0], *said, ended[1])
        raise AssertionError("esms goes on and on")

    def send(self, signal_number: int) -> None:
        os.kill(self.pid, signal_number)

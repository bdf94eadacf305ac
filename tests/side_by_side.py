"""
Runs the parts of `make test` beside each other, because some of them mostly wait.

    python tests/side_by_side.py MAKE [NAME=VALUE ...] -- PART ...

Three parts run at a time; the next in order begins when one of them ends, so give the long ones first. What a part says
goes into a file; of parts that fail it is shown, with what to do. Exits with 1 when any of them failed.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

LOGS = Path(".build", "tests")
_PERCENT = re.compile(rb"\[ *([0-9]+%)\]")
_CLOSING_LINE = re.compile(r"^=*\s*(.*?\b\d+ passed\b.*?)\s*=*$", re.MULTILINE)
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_AT_A_TIME = 3
_LINES_SHOWN = 150
_TESTS_NAMED = 5
_GRACE_SECONDS = 20.0
_CLEAR = "\r\033[K" if sys.stdout.isatty() else ""


@dataclass
class Part:
    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0  # of itself and of the children that it waited for
    code: int | None = None
    guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def log(self) -> Path:
        return LOGS / f"{self.name}.log"

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.code is None

    def run(self, stopping: threading.Event) -> None:
        # Of the make that started us: each part is a make of its own.
        environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
        self.began = time.monotonic()
        with self.log.open("wb") as output:
            with self.guard:
                if stopping.is_set():
                    return
                self.process = subprocess.Popen(
                    [*self.command, self.name],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,  # ended as a whole, with the servers that it has started
                )
            _, status, usage = os.wait4(self.process.pid, 0)
        self.seconds = time.monotonic() - self.began
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.code = self.process.returncode = os.waitstatus_to_exitcode(status)

    def signal(self, number: int) -> None:
        with self.guard:
            if self.process is not None and self.code is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, number)

    def progress(self) -> str:
        """`core 45%`, as far as pytest has told."""
        try:
            with self.log.open("rb") as said:
                said.seek(max(0, self.log.stat().st_size - 4096))
                found = _PERCENT.findall(said.read())
        except OSError:
            found = []
        return f"{self.name} {found[-1].decode()}" if found else self.name


def main(arguments: Sequence[str]) -> int:
    command, names = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    parts = [Part(name, command) for name in names]
    waiting = deque(parts)
    LOGS.mkdir(parents=True, exist_ok=True)
    stopping = threading.Event()
    threads = [threading.Thread(target=_run, args=(waiting, stopping)) for _ in range(_AT_A_TIME)]

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # and not nohup
        signal.signal(signal.SIGHUP, stop)
    try:
        for thread in threads:
            thread.start()
        _watch(threads, parts)
    except KeyboardInterrupt:
        print("\nStopping all parts.", flush=True)
        _end(stopping, threads, parts)
        return 130
    return _tell(parts)


def _run(waiting: deque[Part], stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            part = waiting.popleft()
        except IndexError:
            return
        part.run(stopping)
        if not stopping.is_set():
            state = _closing_line(part) or "passed" if part.code == 0 else f"FAILED, see {part.log}"
            # The end of the line with it: parts may end at the same moment.
            times = f"{_minutes(part.seconds)}  CPU {_minutes(part.cpu_seconds)}"
            print(f"{_CLEAR}{part.name:<14} {times}  {state}\n", end="", flush=True)


def _closing_line(part: Part) -> str:
    """How many tests it ran, and of `test-elsewhere` where; "" of parts that run none."""
    found = _CLOSING_LINE.findall(_output_of(part))
    return found[-1] if found else ""


def _output_of(part: Part) -> str:
    return part.log.read_text(encoding="utf-8", errors="replace")


def _watch(threads: Sequence[threading.Thread], parts: Sequence[Part]) -> None:
    for thread in threads:
        while thread.is_alive():
            thread.join(1.0)
            if _CLEAR and any(part.is_running for part in parts):
                running = ", ".join(part.progress() for part in parts if part.is_running)
                print(f"{_CLEAR}running: {running}", end="", flush=True)


def _end(stopping: threading.Event, threads: Sequence[threading.Thread], parts: Sequence[Part]) -> None:
    stopping.set()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for part in parts:
            part.signal(number)
        until = time.monotonic() + _GRACE_SECONDS
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))


def _tell(parts: Sequence[Part]) -> int:
    failed = [part for part in parts if part.code != 0]
    for part in failed:
        lines = _output_of(part).splitlines()
        print(f"\n{'=' * 20} {part.name} failed; the end of {part.log}:\n")
        print("\n".join(lines[-_LINES_SHOWN:]))
    if failed:
        print("\nWhat to do:")
    for part in failed:
        print(f"  read {part.log}, and run that part by itself: make {part.name}{_again(part)}")
    return 1 if failed else 0


def _again(part: Part) -> str:
    tests = list(dict.fromkeys(_FAILED.findall(_output_of(part))))
    if not tests:
        return ""
    more = f" and {len(tests) - _TESTS_NAMED} more" if len(tests) > _TESTS_NAMED else ""
    return "\n    failed: " + "\n            ".join(tests[:_TESTS_NAMED]) + more


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

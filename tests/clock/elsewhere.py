"""
Runs tests elsewhere: at another time, in another zone or locale, as another user. No result may depend on those.

    python tests/clock/elsewhere.py [SETTING ...] -- COMMAND [-- COMMAND ...]

Without a setting in all of them, one after the other; `of-the-day` is one of them, another one each day. Each command
is one of pytest. A setting for which something is missing here (root, a C compiler, unshare) is left out with a line.

The time of day is changed for everything that a command starts, databases too: `shifted_clock.c` is loaded into each
program by an `/etc/ld.so.preload` that only a mount namespace of the command's own has.
"""

from __future__ import annotations

import os
import pwd
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
VIETNAM = timezone(timedelta(hours=7))
OF_THE_DAY = "of-the-day"
# Made here, and not a part of the project.
_NOT_COPIED = (".git", ".venvs", ".uv", ".build", "dist", "demo-output", "__pycache__", ".*_cache", ".hypothesis")
_CLOSING_LINE = re.compile(rb"=*\s*((?:\d+ \w+,? )+in [\d.]+s.*?)\s*=*")


@dataclass(frozen=True)
class Setting:
    """
    Where tests run.

    Attributes:
        begins: what time it is then; None for the machine's time.
        as_guest: as a user who is not root, in a copy of the project whose path has blanks and Vietnamese letters.
        in_background: without a terminal, and with Ctrl-C ignored, as shells start what stands before `&`.
        shuffled: files in a random order.
    """

    name: str
    about: str
    begins: datetime | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    as_guest: bool = False
    in_background: bool = False
    shuffled: bool = False

    def missing(self) -> str:
        """What it takes and this machine does not have; "" for nothing."""
        needed = []
        if (self.begins or self.as_guest) and os.geteuid() != 0:
            needed.append("root")
        if self.begins:
            needed += [name for name in ("gcc", "unshare") if shutil.which(name) is None]
            if not needed and _in_a_namespace("/etc", ["true"], check=False).returncode != 0:
                needed.append("the right to mount")
        if self.as_guest and not needed and not _guest_can_run(sys.executable):
            needed.append("a Python that other users may run")
        return ", ".join(needed)


def settings(now: datetime) -> list[Setting]:
    """All there are."""
    here = now.astimezone(VIETNAM)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    leap_year = next(year for year in range(here.year, here.year + 9) if _leap_day(year) > here)
    return [
        Setting("before-midnight", "one minute before midnight in Vietnam", midnight - timedelta(minutes=1)),
        Setting("after-midnight", "one minute after midnight in Vietnam", midnight + timedelta(minutes=1)),
        Setting("new-year", "31 December, 23:58 in Vietnam", datetime(here.year, 12, 31, 23, 58, tzinfo=VIETNAM)),
        Setting("leap-day", f"29 February {leap_year}", _leap_day(leap_year)),
        Setting("two-years-ahead", "two years ahead", now + timedelta(days=731)),
        Setting("new-york", "TZ=America/New_York", environment={"TZ": "America/New_York"}),
        Setting("c-locale", "LC_ALL=C", environment={"LC_ALL": "C"}),
        Setting("guest", "as an ordinary user, in a folder with blanks and Vietnamese letters", as_guest=True),
        Setting("background", "in the background, with SIGINT ignored", in_background=True),
        Setting("shuffled", "files in random order", shuffled=True),
    ]


def _leap_day(year: int) -> datetime:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return datetime(year, 2, 29, 8, tzinfo=VIETNAM) if leap else datetime.min.replace(tzinfo=UTC)


def chosen(names: Sequence[str], now: datetime) -> list[Setting]:
    """Those of these names; of the day is one that can run here, so that something is run each day."""
    every = settings(now)
    if OF_THE_DAY in names:
        possible = [setting for setting in every if not setting.missing()]
        return [possible[now.toordinal() % len(possible)]]
    unknown = set(names) - {setting.name for setting in every}
    if unknown:
        known = ", ".join([*(setting.name for setting in every), OF_THE_DAY])
        raise SystemExit(f"There is no setting {', '.join(sorted(unknown))}. Known: {known}.")
    return [setting for setting in every if not names or setting.name in names]


# --- another time ----------------------------------------------------------------------------------------------------


def _in_a_namespace(etc: str, command: Sequence[str], *, check: bool) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(_with_etc(etc, command), capture_output=True, check=check)


def _with_etc(etc: str, command: Sequence[str]) -> list[str]:
    """For the command and what it starts, this folder is /etc."""
    bound = ["sh", "-c", 'mount --bind "$0" /etc && exec "$@"', etc]
    return ["unshare", "--mount", "--propagation", "private", *bound, *command]


def _etc_of(begins: datetime, folder: Path) -> str:
    """A copy of /etc that loads the shifted clock into every program."""
    now = datetime.now(UTC)
    library = folder / "shifted_clock.so"
    seconds = (f"-DSHIFT={round((begins - now).total_seconds())}L", f"-DSINCE={round(now.timestamp()) - 5}L")
    subprocess.run(
        ["gcc", "-O2", "-shared", "-fPIC", *seconds, "-o", library, HERE / "shifted_clock.c", "-ldl"], check=True
    )
    etc = folder / "etc"
    subprocess.run(["cp", "-a", "/etc", etc], check=True)
    (etc / "ld.so.preload").write_text(f"{library}\n", encoding="utf-8")
    told = int(_in_a_namespace(str(etc), ["date", "+%s"], check=True).stdout)
    if abs(told - begins.timestamp()) > 60:
        raise SystemExit(f"It should be {begins}, and is {datetime.fromtimestamp(told, UTC)}: is date not dynamic?")
    return str(etc)


# --- another user ----------------------------------------------------------------------------------------------------


def _guest() -> pwd.struct_passwd:
    """PostgreSQL wants a user who is known; this one is everywhere."""
    return pwd.getpwnam("nobody")


def _guest_can_run(program: str) -> bool:
    done = subprocess.run([program, "-c", ""], user=_guest().pw_uid, capture_output=True, check=False, cwd="/")
    return done.returncode == 0


def _home_of_guest(folder: Path) -> tuple[Path, dict[str, str]]:
    """Where the guest's copy of the project is, and the guest's environment."""
    home = folder / "nhà của khách"
    copy, temporary = home / "esms của tôi", home / "tạm"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    (copy / ".venvs").symlink_to(ROOT / ".venvs")
    temporary.mkdir()
    for place, folders, files in os.walk(home):
        for name in ("", *folders, *files):
            shutil.chown(os.path.join(place, name), _guest().pw_uid, _guest().pw_gid) if not os.path.islink(
                os.path.join(place, name)
            ) else None
    places = {"HOME": home, "TMPDIR": temporary, "PYTEST_DEBUG_TEMPROOT": temporary, "PYTHONPATH": copy}
    return copy, {"USER": "nobody", "LOGNAME": "nobody", **{name: str(place) for name, place in places.items()}}


# --- running ---------------------------------------------------------------------------------------------------------


@contextmanager
def _world(setting: Setting) -> Iterator[Callable[[Sequence[str]], subprocess.Popen[bytes]]]:
    """What starts commands there."""
    environment = {**os.environ, **setting.environment}
    options: dict[str, object] = {"cwd": ROOT}
    with tempfile.TemporaryDirectory(prefix="esms-elsewhere-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        etc = None if setting.begins is None else _etc_of(setting.begins, folder)
        if setting.as_guest:
            copy, places = _home_of_guest(folder)
            environment |= places
            options = {"cwd": copy, "user": _guest().pw_uid, "group": _guest().pw_gid, "extra_groups": []}
        if setting.in_background:
            options |= {"preexec_fn": _ignore_interrupts, "start_new_session": True}
        more = []
        if setting.shuffled:
            environment |= {"PYTHONPATH": str(HERE), "SHUFFLED_FILES_SEED": str(random.randrange(10_000))}
            more = ["-p", "shuffled_files"]
            print(f"The order is that of SHUFFLED_FILES_SEED={environment['SHUFFLED_FILES_SEED']}.", flush=True)

        def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
            whole = [str(Path(command[0]).absolute()), *command[1:], *more]
            return subprocess.Popen(
                whole if etc is None else _with_etc(etc, whole),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                **options,  # type: ignore[call-overload]
            )

        yield start


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run(setting: Setting, commands: Sequence[Sequence[str]]) -> list[tuple[int, str]]:
    """Exit code and closing line of each command."""
    outcomes = []
    with _world(setting) as start:
        for command in commands:
            closing = "no test was run"
            with start(command) as process:
                try:
                    for line in process.stdout or ():
                        sys.stdout.buffer.write(line)
                        sys.stdout.buffer.flush()
                        if (found := _CLOSING_LINE.fullmatch(line.strip())) is not None:
                            closing = found[1].decode()
                except KeyboardInterrupt:
                    process.terminate()
                    raise
            outcomes.append((process.returncode, closing))
    return outcomes


def main(arguments: Sequence[str]) -> int:
    groups: list[list[str]] = [[]]
    for word in arguments:
        groups.append([]) if word == "--" else groups[-1].append(word)
    names, *commands = groups
    told, failed = [], False
    for setting in chosen(names, datetime.now(UTC)):
        missing = setting.missing()
        if missing:
            told.append(f"{setting.name:<16} left out: it needs {missing}")
            continue
        print(f"\n--- {setting.name}: {setting.about} ---", flush=True)
        for code, closing in run(setting, commands):
            failed = failed or code != 0
            told.append(f"{setting.name:<16} {'passed' if code == 0 else 'FAILED'}: {closing}")
    print("\n" + "\n".join(told))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

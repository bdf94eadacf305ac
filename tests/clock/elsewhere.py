"""
Runs tests elsewhere: at another time, in another zone or locale, as another user. No result may depend on those.

    python tests/clock/elsewhere.py [SETTING ...] -- COMMAND [-- COMMAND ...]

Without a setting in all of them, one after the other; `of-the-day` is one of them, another one each day. Each command
is one of pytest; without any the settings are only named. A setting for which something is missing here (root, a C
compiler, unshare) is left out with a line.

The time of day is changed for everything that a command starts, databases too: `shifted_clock.c` is loaded into each
program by an `/etc/ld.so.preload` that only a mount namespace of the command's own has.
"""

from __future__ import annotations

import math
import os
import pwd
import random
import re
import shutil
import signal
import stat
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
        in_background: without a terminal, with Ctrl-C and the end of the terminal ignored, as after `nohup ... &`.
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
        if not (self.begins or self.as_guest):
            return ""
        programs = ["unshare", "setpriv" if self.as_guest else "gcc"]
        needed = [] if os.geteuid() == 0 else ["root"]
        needed += [name for name in programs if shutil.which(name) is None]
        if not needed and subprocess.run(_mounted([("/etc", "/etc")], ["true"]), capture_output=True).returncode != 0:
            needed.append("the right to mount")
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
        Setting("background", "in the background, with SIGINT and SIGHUP ignored", in_background=True),
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


# --- a namespace of its own ------------------------------------------------------------------------------------------


def _mounted(mounts: Sequence[tuple[Path | str, Path | str]], command: Sequence[str]) -> list[str]:
    """For the command and what it starts, the first folder of each pair stands in place of the second."""
    script = 'while [ "$1" != -- ]; do mount --rbind "$1" "$2" || exit 1; shift 2; done; shift; exec "$@"'
    pairs = [str(folder) for pair in mounts for folder in pair]
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *pairs, "--", *command]


def _etc_at(begins: datetime, box: Path) -> Path:
    """A copy of /etc that loads the shifted clock into every program."""
    now = datetime.now(UTC)
    # Whole seconds, rounded up: nothing there may see a time before `begins`.
    library, etc = box / "shifted_clock.so", box / "etc"
    seconds = (f"-DSHIFT={math.ceil((begins - now).total_seconds())}L", f"-DSINCE={round(now.timestamp()) - 5}L")
    source = HERE / "shifted_clock.c"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", *seconds, "-o", library, source, "-ldl"], check=True)
    subprocess.run(["cp", "-a", "/etc", etc], check=True)
    (etc / "ld.so.preload").write_text(f"{library}\n", encoding="utf-8")
    done = subprocess.run(_mounted([(etc, "/etc")], ["date", "+%s"]), capture_output=True, check=True)
    if done.stderr or abs(int(done.stdout) - begins.timestamp()) > 60:
        raise SystemExit(f"It should be {begins}, and date says {done.stdout!r}, {done.stderr!r}.")
    return etc


def _guest() -> pwd.struct_passwd:
    """PostgreSQL wants a user who is known; this one is everywhere."""
    return pwd.getpwnam("nobody")


def _way_to(needed: Path, box: Path) -> list[tuple[Path, Path]]:
    """What to mount so that others may go to a folder, where a folder above it is closed to them, as /root is."""
    closed = [folder for folder in reversed(needed.parents) if not folder.stat().st_mode & stat.S_IXOTH]
    if not closed:
        return []
    opened = box / "opened"
    inside = opened / needed.relative_to(closed[0])
    inside.mkdir(parents=True)
    return [(needed, inside), (opened, closed[0])]


def _home_of_guest(box: Path) -> tuple[Path, dict[str, str]]:
    """Where the guest's copy of the project is, and the guest's environment."""
    home = box / "nhà của khách"
    copy, temporary = home / "esms của tôi", home / "tạm"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    (copy / ".venvs").symlink_to(ROOT / ".venvs")
    temporary.mkdir()
    for place in (home, *home.rglob("*")):
        os.chown(place, _guest().pw_uid, _guest().pw_gid, follow_symlinks=False)
    places = {"HOME": home, "TMPDIR": temporary, "PYTEST_DEBUG_TEMPROOT": temporary, "PYTHONPATH": copy}
    return copy, {"USER": "nobody", "LOGNAME": "nobody", **{name: str(place) for name, place in places.items()}}


# --- running ---------------------------------------------------------------------------------------------------------


@contextmanager
def _world(setting: Setting) -> Iterator[Callable[[Sequence[str]], subprocess.Popen[bytes]]]:
    """What starts commands there."""
    environment = {**os.environ, **setting.environment}
    folder, user, more = ROOT, [], []
    mounts: list[tuple[Path | str, Path | str]] = []
    with tempfile.TemporaryDirectory(prefix="esms-elsewhere-", ignore_cleanup_errors=True) as name:
        box = Path(name)
        box.chmod(0o755)
        # Two years ahead, the locks of all other runs are too old for pytest, which then takes their folders away.
        (box / "pytest").mkdir()
        environment["PYTEST_DEBUG_TEMPROOT"] = str(box / "pytest")
        if setting.begins is not None:
            mounts.append((_etc_at(setting.begins, box), "/etc"))
        if setting.as_guest:
            folder, places = _home_of_guest(box)
            environment |= places
            mounts += _way_to(Path(sys.base_prefix), box)
            user = ["setpriv", f"--reuid={_guest().pw_uid}", f"--regid={_guest().pw_gid}", "--clear-groups"]
        if setting.shuffled:
            environment |= {"PYTHONPATH": str(HERE), "SHUFFLED_FILES_SEED": str(random.randrange(10_000))}
            more = ["-p", "shuffled_files"]
            print(f"The order is that of SHUFFLED_FILES_SEED={environment['SHUFFLED_FILES_SEED']}.", flush=True)

        def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
            whole = [*user, str(Path(command[0]).absolute()), *command[1:], *more]
            return subprocess.Popen(
                _mounted(mounts, whole) if mounts or user else whole,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                preexec_fn=_ignore_interrupts if setting.in_background else None,
                start_new_session=setting.in_background,
            )

        yield start


def _ignore_interrupts() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


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
    if not commands:
        print("\n".join(setting.name for setting in chosen(names, datetime.now(UTC))))
        return 0
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

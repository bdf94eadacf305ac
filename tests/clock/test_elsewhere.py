"""The settings of `make test-clock` are what they say they are, for a program and for what that starts."""

from __future__ import annotations

import getpass
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from elsewhere import OF_THE_DAY, Setting, chosen, run, settings

NOW = datetime.now(UTC)
# Ends with 0 where it finds itself in the setting of this name.
PROBE = """
import os, signal, subprocess, sys, time
from datetime import UTC, datetime, timedelta, timezone
setting, begins = sys.argv[1], float(sys.argv[2])
child = float(subprocess.run(["date", "+%s"], capture_output=True, check=True).stdout)
is_so = {
    "new-york": time.tzname[0] == "EST",
    "c-locale": os.environ["LC_ALL"] == "C" if "LC_ALL" in os.environ else False,
    "guest": os.geteuid() != 0 and " " in os.getcwd() and not os.getcwd().isascii() and os.access(".", os.W_OK),
    "background": {signal.getsignal(one) for one in (signal.SIGINT, signal.SIGHUP)} == {signal.SIG_IGN},
    "shuffled": sys.argv[3:] == ["-p", "shuffled_files"],
}
print(setting, begins, time.time(), child, os.getcwd(), sys.argv)
sys.exit(not is_so.get(setting, all(0 <= seconds - begins < 1800 for seconds in (time.time(), child))))
"""


def test_every_available_setting_is_assigned_to_one_day() -> None:
    """Of those that can run here."""
    possible = [setting.name for setting in settings(NOW) if not setting.missing()]
    of_days = [chosen([OF_THE_DAY], NOW + timedelta(days=day))[0].name for day in range(len(possible))]
    assert sorted(of_days) == sorted(possible)


def test_unknown_setting_gives_one_line_error() -> None:
    """With those that do."""
    with pytest.raises(SystemExit, match=r"^There is no setting next-year\. Known: before-midnight, .*of-the-day\.$"):
        chosen(["next-year"], NOW)


@pytest.mark.in_turn
@pytest.mark.slow
# Another time is made in one way, whichever it is.
@pytest.mark.parametrize("name", ["before-midnight", "new-york", "c-locale", "guest", "background", "shuffled"])
def test_program_and_its_children_run_in_the_setting(name: str) -> None:
    """So does what it starts. Where something is missing, it says what."""
    [setting] = chosen([name], datetime.now(UTC))
    if setting.missing():
        assert setting.begins or setting.as_guest
        return
    begins = setting.begins.timestamp() if setting.begins else 0
    assert run(setting, [[sys.executable, "-c", PROBE, name, str(begins)]]) == [(0, "no test was run")]


@pytest.mark.in_turn
@pytest.mark.slow
def test_temporary_folders_of_other_runs_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their locks are two years old there."""
    [setting] = chosen(["two-years-ahead"], datetime.now(UTC))
    if setting.missing():
        return
    monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", str(tmp_path))
    folders = [tmp_path / f"pytest-of-{getpass.getuser()}" / f"pytest-{number}" for number in range(4)]
    a_minute_ago = time.time() - 60
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True)
        folder.parent.chmod(0o700)
        (folder / ".lock").write_text("1", encoding="utf-8")
        os.utime(folder / ".lock", (a_minute_ago, a_minute_ago))
    file = tmp_path / "test_there.py"
    file.write_text("def test_there(tmp_path):\n    assert tmp_path.is_dir()\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(file)]
    [(code, _)] = run(setting, [command])
    assert code == 0
    assert [folder.name for folder in folders if not folder.is_dir()] == []


def test_setting_reports_its_missing_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the programs it takes."""
    monkeypatch.setattr("elsewhere.shutil.which", lambda name: None)
    assert "unshare, gcc" in Setting("later", "another time", begins=NOW).missing()
    assert "unshare, setpriv" in Setting("guest", "another user", as_guest=True).missing()
    assert Setting("c-locale", "another locale").missing() == ""

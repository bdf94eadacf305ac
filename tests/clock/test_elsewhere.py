"""The settings of `make test-clock` are what they say they are, for a program and for what that starts."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

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


def test_each_day_has_its_setting_and_each_setting_its_day() -> None:
    """Of those that can run here."""
    possible = [setting.name for setting in settings(NOW) if not setting.missing()]
    of_days = [chosen([OF_THE_DAY], NOW + timedelta(days=day))[0].name for day in range(len(possible))]
    assert sorted(of_days) == sorted(possible)


def test_a_setting_that_does_not_exist_is_one_line() -> None:
    """With those that do."""
    with pytest.raises(SystemExit, match=r"^There is no setting next-year\. Known: before-midnight, .*of-the-day\.$"):
        chosen(["next-year"], NOW)


@pytest.mark.in_turn
@pytest.mark.slow
# Another time is made in one way, whichever it is.
@pytest.mark.parametrize("name", ["before-midnight", "new-york", "c-locale", "guest", "background", "shuffled"])
def test_a_program_finds_itself_there(name: str) -> None:
    """So does what it starts. Where something is missing, it says what."""
    [setting] = chosen([name], datetime.now(UTC))
    if setting.missing():
        assert setting.begins or setting.as_guest
        return
    begins = setting.begins.timestamp() if setting.begins else 0
    assert run(setting, [[sys.executable, "-c", PROBE, name, str(begins)]]) == [(0, "no test was run")]


def test_what_can_run_nowhere_is_left_out_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the programs it takes."""
    monkeypatch.setattr("elsewhere.shutil.which", lambda name: None)
    assert "unshare, gcc" in Setting("later", "another time", begins=NOW).missing()
    assert "unshare, setpriv" in Setting("guest", "another user", as_guest=True).missing()
    assert Setting("c-locale", "another locale").missing() == ""

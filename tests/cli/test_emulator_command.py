"""`esms emulator`: its settings, and what it says of wrong ones."""

from __future__ import annotations

import pytest
from running import Run, assert_one_clear_line


def test_emulator_settings_are_listed_with_default_and_choices(run: Run) -> None:
    """A line each, with the default and what it takes."""
    done = run("emulator", "--list-settings")
    assert done.returncode == 0
    assert "quirks.night_zns=accepted  (accepted | refused | failed | held)" in done.stdout.splitlines()


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "night_zn=held"], "--set: There is no setting 'night_zn'. Did you mean 'night_zns'?"),
        (["--set", "failed_share=2"], "--set: failed_share=2: it takes a number from 0 to 1."),
        (["--virtual-clock", "tomorrow"], "--virtual-clock 'tomorrow' is not a valid time."),
        (["--host", "203.0.113.9"], "Nothing can listen on 203.0.113.9"),
    ],
)
def test_invalid_emulator_settings_give_one_line_error(run: Run, arguments: list[str], words: str) -> None:
    """Nothing is served."""
    assert_one_clear_line(run("emulator", "--port", "0", *arguments), 2, words)

"""The crash matrix: each of its combinations is played, and must give its line of docs/crash-matrix.md."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bulk_bench import Bench
from crash_matrix import BLOCKED_EVERY, FAULTS, KILLS, PAGE, Combination, combinations, page_head, play


def wanted(combination: Combination) -> str:
    """The line that keeps the promise."""
    rows = combination.rows
    blocked = 0 if combination.channel == "advertising" else len(range(BLOCKED_EVERY // 2, rows, BLOCKED_EVERY))
    said = "not sent" if combination.fault.startswith("rejects") else "rejected" if blocked else "-"
    return (
        f"| {combination.channel} | {combination.kill} | {combination.database} | {combination.threads} "
        f"| {combination.fault} | 1 | {rows - blocked} of {rows - blocked} | 0 of {blocked} | {said} | {rows} |"
    )


@pytest.mark.in_turn
@pytest.mark.parametrize("combination", combinations(), ids=str)
def test_each_combination_delivers_once_and_accounts_for_every_row(
    combination: Combination, new_ledger_url: Callable[[str], str], make_bench: Callable[..., Bench]
) -> None:
    """Whatever the moment of the kill and the fault: one message for each valid recipient, none for the others."""
    line = play(make_bench(new_ledger_url(combination.database)), combination)
    assert line == wanted(combination)


def test_committed_page_matches_all_combinations() -> None:
    """The committed page is what these runs gave: its lines are those that the test above finds, in this order."""
    assert PAGE.read_text(encoding="utf-8") == page_head() + "".join(wanted(one) + "\n" for one in combinations())


def test_combinations_cover_faults_kill_moments_and_databases() -> None:
    """The choice of combinations leaves out no fault, moment or database."""
    for fault in FAULTS:
        of_fault = [one for one in combinations() if one.fault == fault]
        assert len({one.database for one in of_fault if one.kill in KILLS}) == 2
        assert len({one.kill for one in of_fault}) == 3
    for kill in KILLS:
        assert len({one.fault for one in combinations() if one.kill == kill}) > len(FAULTS) // 3

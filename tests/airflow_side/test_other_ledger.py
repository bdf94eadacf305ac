"""A try that finds another ledger than the try before, or an empty one, sends nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from task_runs import Runs
from to_one import KINDS, PHONE, of_a_campaign, of_one_sms

from esms_connectors.emulator import Emulator
from esms_connectors.gateway.errors import EsmsError


@pytest.mark.parametrize("made", KINDS)
def test_a_ledger_that_was_lost_is_refused(
    connect: Callable[..., None], runs: Runs, gateway: Emulator, tmp_path: Path, made: Callable[..., Any]
) -> None:
    """On another worker, in another container: the next day not even the gateway knows the message."""
    connect({"ledger_url": f"sqlite:///{tmp_path}/one.sqlite"})
    runs(made())
    gateway.advance(minutes=24 * 60)
    connect({"ledger_url": f"sqlite:///{tmp_path}/two.sqlite"})
    for _ in range(2):
        with pytest.raises(EsmsError, match=r"does not have: it is another ledger, or it was lost") as error:
            runs(made())
        assert not error.value.retryable
    assert gateway.deliveries_by_phone() == {PHONE: 1}
    connect({"ledger_url": f"sqlite:///{tmp_path}/one.sqlite"})
    runs(made())
    assert gateway.deliveries_by_phone() == {PHONE: 1}


def test_a_try_that_ended_before_its_ledger_was_needed_may_use_another(
    connect: Callable[..., None], runs: Runs, gateway: Emulator, tmp_path: Path
) -> None:
    """Nothing can have been sent."""
    connect({"ledger_url": f"sqlite:///{tmp_path}/one.sqlite"})
    with pytest.raises(EsmsError, match="budget"):
        runs(of_a_campaign(max_cost_vnd=1))
    connect({"ledger_url": f"sqlite:///{tmp_path}/two.sqlite"})
    runs(of_a_campaign())
    assert gateway.deliveries_by_phone() == {PHONE: 1}


def test_a_run_is_remembered_once(connect: Callable[..., None], runs: Runs, ledger_url: str) -> None:
    """Not at each try: a write takes a call to the API server."""
    connect({"ledger_url": ledger_url})
    for _ in range(2):
        runs(of_one_sms(run_key="march"))
    assert runs.store is not None
    assert (runs.store.writes, runs.store.get("esms_runs")) == (1, ["march"])

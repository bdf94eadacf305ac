"""The examples as their first lines say, served on this machine; those for a worker are in `test_process_worker.py`."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pendulum
import pytest
from deployed_runs import approve, completed, forget, run_scheduled_for, stop
from documentation.code_blocks import ROOT
from documentation.reader import phone_of, write_customers
from prefect.automations import Automation

from esms_connectors.emulator import Emulator, EmulatorConfig, Progress
from esms_connectors.prefect import EsmsLedger, EsmsWarehouse

EXAMPLES = ROOT / "flows_examples"
DAYS = [pendulum.today("Asia/Ho_Chi_Minh").subtract(days=days) for days in (2, 1)]
# Half a dozen processes of Prefect's, each of some seconds of processor time.
pytestmark = [pytest.mark.timeout(400), pytest.mark.in_turn(on=13)]


@dataclass
class Served:
    """What `blocks.py` made, and the examples that are served in the same folder."""

    folder: Path
    gateway: Emulator

    def told(self) -> str:
        """The last words of the processes."""
        return "".join(log.read_text()[-2000:] for log in self.folder.glob("*.log"))


@pytest.fixture(scope="module")
def served(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    gateway = Emulator(EmulatorConfig(progress=Progress(failed_share=0.0, rejected_share=0.0)))
    # Other rows than those of the process worker: Prefect keeps the receipts of both.
    write_customers(folder / "customers.csv", DAYS[1], one_bad=False)
    with gateway.serve() as server, contextlib.ExitStack() as stack:
        stack.callback(forget, "zns-campaign/evening", "daily-sent-messages-export/morning")
        command = [sys.executable, str(EXAMPLES / "blocks.py"), server.base_url]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=200)
        for name, *arguments in (("nightly_campaign", "customers.csv"), ("daily_export",)):
            with (folder / f"{name}.log").open("w") as log:
                process = subprocess.Popen(
                    [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                )
            stack.callback(stop, process)
        yield Served(folder, gateway)


def test_served_examples_send_and_export_on_two_days(served: Served) -> None:
    """Each evening everybody gets its message after a person agreed; each morning the day before is loaded."""
    for day in DAYS:
        served.gateway.populate(20, start=day.subtract(days=1), end=day, sms_type=2)
    for number, day in enumerate(DAYS, 1):
        morning = run_scheduled_for("daily-sent-messages-export/morning", day.add(hours=5, minutes=30))
        evening = run_scheduled_for("zns-campaign/evening", day.add(hours=18))
        approve(evening, served.told)
        for run in (morning, evening):
            completed(run, served.told)
        delivered = served.gateway.deliveries_by_phone()
        assert [delivered[phone_of(customer)] for customer in range(1, 61)] == [number] * 60
    with EsmsLedger.load("default").open() as ledger:
        assert {key for key, _ in ledger.runs()} == {f"evening-{day.to_date_string()}" for day in DAYS}
        assert ledger.name == str(served.folder / "demo-output" / "ledger.sqlite")
    with EsmsWarehouse.load("default").open() as warehouse:
        loaded = [load for load in warehouse.loads() if load.row_count]
    assert [load.window.start for load in loaded] == [day.subtract(days=1) for day in DAYS]


def test_each_failing_example_run_sends_one_sms(served: Served) -> None:
    """Two failing runs, two SMS."""
    for _ in DAYS:
        subprocess.run(
            [sys.executable, str(EXAMPLES / "failure_alert.py")], capture_output=True, timeout=200, check=True
        )
    told = [message.content for message in served.gateway.messages() if message.content.startswith("Prefect: ")]
    assert len(set(told)) == len(told) == 2
    assert all(text.startswith("Prefect: nightly-books failed, run ") for text in told)


def test_quota_example_fails_when_the_quota_is_too_low(served: Served) -> None:
    """Enough is left, or the flow fails."""
    for needed, code in (("10", 0), ("100000000", 1)):
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / "watch_quota.py"), needed], capture_output=True, text=True, timeout=200
        )
        assert done.returncode == code, done.stderr[-2000:]
    assert served.gateway.call_count("get_oa_quota") >= 2


def test_example_automations_can_be_created_and_read(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """And read back."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from automation_on_event import by_deployment, create_automations

    made = create_automations()
    try:
        assert [Automation.read(id=one.id).name for one in made] == [one.name for one in made]
        assert by_deployment("00000000-0000-0000-0000-000000000000").parameters
    finally:
        for one in made:
            one.delete()

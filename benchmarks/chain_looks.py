"""
One status check of a campaign with a fallback: seconds, and memory above that of the interpreter and its libraries.

    python benchmarks/chain_looks.py [--people 10000,100000]

The gateway is the emulator in a separate process. A check reads all of the sent data, and every row of the ledger.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bulk_sends import recipients
from processes import emulator, memory_mb

from esms_connectors import Credentials, EsmsClient
from esms_connectors.emulator import DEMO_API_KEY, DEMO_OA_ID, DEMO_SECRET_KEY, DEMO_TEMPLATE_ID
from esms_connectors.ledger import Ledger
from esms_connectors.ledger.journeys import StepLink
from esms_connectors.recipients import Recipients
from esms_connectors.sending.bulk import send_bulk
from esms_connectors.sending.channels import ZnsChannel
from esms_connectors.sending.steps.people import people_of

RUN_KEY = "looked-at"


def send(base_url: str, count: int, ledger_path: str) -> None:
    with (
        EsmsClient(Credentials(DEMO_API_KEY, DEMO_SECRET_KEY), base_url) as client,
        Ledger.open(ledger_path) as ledger,
    ):
        links = [StepLink(1, RUN_KEY, "zns", 0), StepLink(2, f"{RUN_KEY}#2", "sms", 900)]
        ledger.journeys.register(RUN_KEY, links)
        channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID)
        send_bulk(channel, Recipients(lambda: recipients(count)), ledger=ledger, run_key=RUN_KEY)


def look(base_url: str, ledger_path: str) -> None:
    with (
        EsmsClient(Credentials(DEMO_API_KEY, DEMO_SECRET_KEY), base_url) as client,
        Ledger.open(ledger_path) as ledger,
    ):
        client.get_balance()
        before = memory_mb()
        began = time.perf_counter()
        people = people_of(client, ledger, RUN_KEY).counts().total()
        seconds = time.perf_counter() - began
    print(json.dumps({"people": people, "seconds": seconds, "mb": memory_mb() - before}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", default="10000,100000")
    parser.add_argument("--look", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.look:
        look(*options.look)
        return
    print(f"{'people':>8} {'seconds':>8} {'MB over base':>13} {'bytes a person':>15}")
    for count in map(int, options.people.split(",")):
        with emulator() as base_url, tempfile.TemporaryDirectory() as folder:
            ledger = str(Path(folder) / "ledger.sqlite")
            send(base_url, count, ledger)
            command = [sys.executable, __file__, "--look", base_url, ledger]
            found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            assert found["people"] == count
            print(f"{count:>8,} {found['seconds']:>8.1f} {found['mb']:>13.0f} {found['mb'] * 2**20 / count:>15,.0f}")


if __name__ == "__main__":
    main()

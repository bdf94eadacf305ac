"""
The pictures of docs/pictures: a campaign with a fallback against an emulator, as the command line shows it.

    make pictures

What is printed is recorded as SVG. The clock is the emulator's, so that fifteen minutes pass at once.
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pendulum
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from esms_connectors import Credentials, EsmsClient
from esms_connectors.cli.sending import _show_plan, print_chain
from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorConfig,
    Progress,
    VirtualClock,
)
from esms_connectors.gateway import machine_clock
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Columns
from esms_connectors.reports import make_report
from esms_connectors.reports.language import get_language
from esms_connectors.reports.text import print_report
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels import CareSmsChannel, ZnsChannel
from esms_connectors.sending.steps import Journey, JourneyResult, Step
from esms_connectors.warehouse import load_sent_messages, open_warehouse

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
NOON = pendulum.datetime(2026, 11, 21, 9, tz="Asia/Ho_Chi_Minh")
PEOPLE = 60
ZNS = "send_zns_bulk"
WIDTH = 112
# Pictures fetch nothing: the font is whatever the reader has.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*|<!--.*?-->\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def picture(name: str, title: str, text: str) -> str:
    """What a terminal shows, as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in text.rstrip().splitlines():
        console.print(Text(line.rstrip()), soft_wrap=False)
    svg = console.export_svg(title=title, unique_id=name, code_format=_FORMAT)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


@contextlib.contextmanager
def printed() -> Iterator[io.StringIO]:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        yield text


def customers(folder: Path) -> Path:
    path = folder / "customers.csv"
    rows = [f"090{1_000_000 + one},Khách {one},Gội đầu,M{one},21/11/2026" for one in range(PEOPLE)]
    path.write_text("\n".join(["phone,customer_name,service,code,date", *rows]) + "\n", encoding="utf-8")
    return path


def fates(gateway: Emulator) -> None:
    """One ZNS in ten fails, one in ten is on its way for twenty minutes; all else arrives."""
    begun = NOON.add(minutes=20).timestamp() * 1000
    for message in list(gateway.messages()):
        last, by_zns = message.phone[-1], message.function == ZNS
        if by_zns and last == "7":
            gateway.set_status(message.message_id, 5, 0)
        elif by_zns and last == "3" and gateway.clock.now.timestamp() * 1000 < begun:
            gateway.set_status(message.message_id, 7, 2)
        else:
            gateway.set_status(message.message_id, 5, 1)


def make(folder: Path) -> dict[str, str]:
    """The pictures by name; what they are of is kept in `folder`. The machine's clock is then that of the emulator."""
    gateway = Emulator(EmulatorConfig(progress=Progress(0, 0)), clock=VirtualClock(NOON))
    gateway.on_call("get_balance", lambda call: fates(gateway))
    machine_clock.source = lambda: gateway.clock.now
    with (
        gateway.serve() as server,
        EsmsClient(Credentials(DEMO_API_KEY, DEMO_SECRET_KEY), server.base_url, now=machine_clock.now) as client,
        Ledger.open(folder / "ledger.sqlite") as ledger,
        open_warehouse(f"duckdb:///{folder / 'esms.duckdb'}") as warehouse,
    ):
        columns = Columns(params=("customer_name", "service", "code", "date"))
        first = Campaign(
            ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID),
            customers(folder),
            columns,
            ledger=ledger,
            run_key="morning",
        )
        sms = CareSmsChannel(client, "Hen gap {customer_name} ngay {date}", DEMO_BRANDNAME, plain=True)
        journey = Journey(first, [Step(sms, "15m")], poll_seconds=60)
        with printed() as text:
            plan, *later = journey.plan()
            _show_plan(plan, None, later, as_json=False)
        planned, log = text.getvalue(), log_of(journey, gateway)
        gateway.advance(minutes=30)
        client.get_balance()
        start = NOON.start_of("day")
        load_sent_messages(client, warehouse, start, start.add(days=1), sms_types=[2, 25], now=machine_clock.now)
        report = make_report(warehouse, start, machine_clock.now(), ledger=ledger, now=machine_clock.now())
    tables = {name: table for name, table in report.tables.items() if name in ("types", "chains", "handed_on")}
    shown = replace(report, tables=tables, notes=(), sources=("duckdb:///esms.duckdb", "ledger"))
    file = io.StringIO()
    print_report(shown, get_language("en"), Console(width=WIDTH, file=file))
    return {
        "fallback-plan": picture("plan", "esms send zns customers.csv … --else sms --after 15m --plan", planned),
        "fallback-log": picture("log", "esms send zns customers.csv … --else sms --after 15m", log),
        "fallback-report": picture("report", "esms report --from today --to now --ledger … --into …", file.getvalue()),
    }


def log_of(journey: Journey, gateway: Emulator) -> str:
    """What the command says while it waits, each time that something has changed, with the time."""
    lines: list[str] = []

    def tell(result: JourneyResult) -> None:
        words = str(result).split("; ")
        told = [f"{gateway.clock.now:%H:%M}  {words[0]}", *(f"       {one}" for one in words[1:])]
        if told[1:] != lines[-len(told) + 1 :]:
            lines.extend(told)

    result = journey.run(sleep=gateway.advance, told=tell)
    with printed() as text:
        print_chain(result, as_json=False)
    return "\n".join([*lines, "", text.getvalue()])


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, svg in make(Path(folder)).items():
            (FOLDER / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()

"""
Run a complete campaign on a real Airflow and another one on a real Prefect, and print the results.

    python -m demo [--airflow PYTHON] [--prefect PYTHON] [--output FOLDER] [--recipients N] [--stay] [--json]

`make demo` calls it from the root of the project, with the interpreters of both environments.
"""

from __future__ import annotations

import dataclasses
import signal
import threading
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo.interpreters import check_interpreter
from demo.journey import Journey, JourneyResult
from esms_connectors.cli.output import EsmsGroup, json_option, print_json
from esms_connectors.gateway.errors import ConfigurationError


@click.group(
    cls=EsmsGroup,
    invoke_without_command=True,
    subcommand_metavar="",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--output",
    "folder",
    default="demo-output",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the files that it creates.",
)
@click.option("--airflow", metavar="PYTHON", help="The Python of an environment with Airflow.")
@click.option("--prefect", metavar="PYTHON", help="The Python of an environment with Prefect.")
@click.option("--recipients", default=5_000, show_default=True, type=click.IntRange(1, 1_000_000), help="Of each.")
@click.option("--stay", is_flag=True, help="Leave Airflow, Prefect and the emulator running until Ctrl-C.")
@json_option
def show_journey(
    folder: Path, airflow: str | None, prefect: str | None, recipients: int, stay: bool, as_json: bool
) -> None:
    """
    A campaign through a real Airflow, another through a real Prefect, and a report; nobody gets a message.

    Servers are started and ended here. The gateway is the emulator.
    """
    if not (airflow or prefect):
        raise click.UsageError("Give --airflow, --prefect or both. `esms demo` needs neither.")
    if airflow:
        airflow = check_interpreter("--airflow", airflow, "airflow")
    if prefect:
        prefect = check_interpreter("--prefect", prefect, "prefect")
    console = Console(stderr=as_json)
    console.print("The gateway is a stand-in on this machine: nobody gets a message.", highlight=False)
    _let_signals_end_the_servers()
    failure: Exception | None = None
    try:
        with _Bars(console) as bars, Journey(folder, recipients=recipients, tell=bars.tell) as journey:
            addresses = {"Emulator": journey.server.base_url}
            if airflow:
                addresses["Airflow"] = journey.run_airflow(airflow).url
            if prefect:
                addresses["Prefect"] = journey.run_prefect(prefect).url
            result = journey.finish()
            bars.stop()
            if as_json:
                print_json(dataclasses.asdict(result))
            else:
                _print(console, result)
            if stay:
                _wait(console, addresses)
    except (OSError, RuntimeError) as error:
        failure = error
    if failure is not None:
        raise ConfigurationError(f"The demo stopped: {failure}")


def _let_signals_end_the_servers() -> None:
    # Let SIGTERM stop the servers too, and Ctrl-C even if the shell ignores it for background processes.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    # The same for a closed terminal, unless run with nohup.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.default_int_handler)


def _wait(console: Console, addresses: dict[str, str]) -> None:
    console.print()
    for name, address in addresses.items():
        console.print(f"  {name:<9} {address}", highlight=False)
    console.print("Ctrl-C ends them.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("Stopping.")


class _Bars:
    """Progress bars on a terminal; otherwise one line per finished step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tasks: dict[str, TaskID] = {}
        self._ended: set[str] = set()
        self._bars = Progress(
            TextColumn("{task.description:<52}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> _Bars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def stop(self) -> None:
        self._bars.stop()

    def tell(self, step: str, done: int, total: int) -> None:
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step, total=total)
        self._bars.update(self._tasks[step], completed=done)
        if done >= total and step not in self._ended:
            self._ended.add(step)
            if not self._console.is_terminal:
                self._console.print(f"{step}: {done:,} of {total:,}", highlight=False)


def _print(console: Console, result: JourneyResult) -> None:
    table = Table("", *(one.orchestrator for one in result.campaigns), box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for column in table.columns[1:]:
        column.justify = "right"
    campaigns = result.campaigns
    table.add_row("customers in the file", *(f"{one.recipients:,}" for one in campaigns))
    table.add_row("accepted by the gateway", *(f"{one.messages:,}" for one in campaigns))
    for state in dict.fromkeys(state for one in campaigns for state in one.states):
        table.add_row(f"  {state}", *(f"{one.states.get(state, 0):,}" for one in campaigns))
    table.add_row("from start to table", *(f"{one.seconds:.0f} s" for one in campaigns))
    console.print()
    console.print(table)
    console.print(f"\nMost messages to one phone: {result.most_per_phone}. Rows loaded: {result.rows_loaded:,}.")
    console.print(f"Look inside: {result.database}", highlight=False, soft_wrap=True)
    for report in result.reports:
        console.print(f"Report: {report.as_uri()}", highlight=False, soft_wrap=True)
    console.print(f"Done in {result.seconds:.0f} s.", highlight=False)


if __name__ == "__main__":
    show_journey(prog_name="python -m demo")

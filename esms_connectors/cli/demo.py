"""The output of `esms demo`."""

from __future__ import annotations

from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from esms_connectors.cli.console import Console
from esms_connectors.cli.language import tr
from esms_connectors.cli.output import print_json
from esms_connectors.demo.campaign import DemoResult, run_demo
from esms_connectors.gateway.codes import explain
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.gateway.wire import vnd

_SHOWN_REJECTS = 12


def show_demo(folder: str, *, as_json: bool) -> None:
    console = Console(stderr=as_json)
    console.print("Stand-in gateway on this machine; nobody gets a message.", highlight=False)
    tasks: dict[str, TaskID] = {}
    failure: OSError | None = None
    result = DemoResult()
    with Progress(
        TextColumn("{task.description:<29}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as bars:

        def progress(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(tr(step), total=total)
            bars.update(tasks[step], completed=done)

        try:
            result = run_demo(Path(folder), progress=progress)
        except OSError as error:
            failure = error
    if failure is not None:
        raise ConfigurationError(f"The folder {folder} cannot be written to ({failure.strerror}); choose --output.")
    if as_json:
        print_json(_as_dict(result))
    else:
        _print(console, result)


def _print(console: Console, result: DemoResult) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))

    def row(*cells: str) -> None:
        table.add_row(*map(tr, cells))

    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    row("rows in the file", f"{result.report.rows:,}", "customers.csv")
    row("rejected before sending", f"{result.report.rejected:,}", str(result.rejects_file))
    row("merged, same phone twice", f"{result.report.duplicates:,}", "")
    row("accepted by the gateway", f"{result.accepted:,}", "which does not mean delivered")
    if result.duplicates:
        row(
            "  of these answered 124",
            f"{result.duplicates:,}",
            "their first answer was lost on purpose; no second message",
        )
    for code, count in result.refused.items():
        row("refused by the gateway", f"{count:,}", f"code {code}: {explain(code)}")
    if result.unsettled:
        row("not settled", f"{result.unsettled:,}", f"see {result.ledger}")
    accepted_sms = sum(outcome == "accepted" for outcome, _ in result.sms)
    refused_sms = "; ".join(reason for outcome, reason in result.sms if outcome != "accepted")
    row("SMS accepted", f"{accepted_sms} of {len(result.sms)}", refused_sms)
    for state, count in sorted(result.states.items(), key=lambda item: -item[1]):
        row(state, f"{count:,}", "")
        if state == "failed":
            for reason, failed in result.failure_reasons.most_common():
                row("", f"{failed:,}", reason)
    row("cost of all rows", vnd(result.cost_vnd), f"the balance went down by {vnd(result.charged_vnd)}")
    row("most messages to one phone", f"{result.most_per_phone}", "")
    row("rows loaded", f"{result.rows_loaded:,}", f"{result.database} (esms_sent_messages)")
    row("status changes seen", f"{result.changes_seen:,}", f"in {counted(result.loads, 'load')} (esms_status_history)")
    console.print()
    console.print(table)
    console.print()
    rejects = Table(
        *map(tr, ("line", "field", "why")), title=tr("Rejected rows"), title_justify="left", box=None, pad_edge=False
    )
    for reject in result.report.first_rejects[:_SHOWN_REJECTS]:
        rejects.add_row(str(reject.line), reject.column, tr(reject.text))
    if result.report.rejected > _SHOWN_REJECTS:
        rejects.add_row("…", "", tr(f"{result.report.rejected - _SHOWN_REJECTS} more in {result.rejects_file}"))
    console.print(rejects)
    console.print(f"\nDone in {result.seconds:.1f} s. Look inside: {result.database}", highlight=False)


def _as_dict(result: DemoResult) -> dict[str, object]:
    return {
        "rows": result.report.as_dict(),
        "accepted": result.accepted,
        "duplicates": result.duplicates,
        "refused": result.refused,
        "unsettled": result.unsettled,
        "sms": [{"outcome": outcome, "reason": reason} for outcome, reason in result.sms],
        "states": result.states,
        "failure_reasons": dict(result.failure_reasons),
        "rows_loaded": result.rows_loaded,
        "loads": result.loads,
        "changes_seen": result.changes_seen,
        "cost_vnd": result.cost_vnd,
        "charged_vnd": result.charged_vnd,
        "most_per_phone": result.most_per_phone,
        "database": result.database,
        "ledger": result.ledger,
        "rejects_file": result.rejects_file,
        "seconds": round(result.seconds, 2),
    }

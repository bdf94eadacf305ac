"""
`esms` in processes that cost a fork each, and that may be told to die at a chosen moment.

    python tests/esms_child.py

Each line on standard input is a job (see `work`); fork_server.py has the answers.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import pendulum
import psycopg
from fork_server import serve

from esms_connectors.cli.commands import esms
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.sent_data.fetching import PageQueue
from esms_connectors.sent_data.reader import SentDataReader
from esms_connectors.warehouse.load_summary import LoadCounts
from esms_connectors.warehouse.spool import WindowSpool

# What the commands import when they are at work, once for all of them.
for name in (
    *("babel.dates", "babel.numbers", "duckdb", "jinja2", "pendulum.locales.en.locale", "platformdirs.unix"),
    *("rich._emoji_codes", "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite", "vl_convert"),
    *(f"esms_connectors.ledger.{module}" for module in ("engines", "guard_database", "schema")),
    "esms_connectors.reports.text",
    *(f"esms_connectors.warehouse.{module}" for module in ("duckdb_file", "files", "postgresql")),
):
    importlib.import_module(name)


def die_at(moment: str, number: int, signal_number: int) -> None:
    """Send this process a signal when the moment comes for the `number`th time."""
    left = iter(range(number - 1))

    def strike() -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal_number)

    def before(owner: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def struck(*arguments: Any, **settings: Any) -> Any:
            strike()
            return original(*arguments, **settings)

        setattr(owner, name, struck)

    match moment:
        case "planned":
            before(SentDataReader, "__enter__")
        case "statement":
            before(psycopg.Connection, "execute")
        case "page":
            before(PageQueue, "_page")
        case "merged":
            before(LoadCounts, "add")
        case "finalizing":

            class Finalized:
                def __del__(self) -> None:
                    strike()

            close = EsmsClient.close

            def struck(client: EsmsClient) -> None:
                close(client)
                Finalized()

            EsmsClient.close = struck
        case "merging":
            batches = WindowSpool.__iter__

            def struck_batches(spool: WindowSpool) -> Iterator[Any]:
                for place, batch in enumerate(batches(spool)):
                    if place == 1:
                        strike()
                    yield batch

            WindowSpool.__iter__ = struck_batches
        case _:
            raise ValueError(moment)


def work(
    arguments: list[str],
    environment: dict[str, str],
    output: str,
    die: tuple[str, int, int] | None = None,
    file_limit: int | None = None,
    debug: bool = False,
    stdin: str = "",
    now: str | None = None,
    may_leave_sockets: bool = False,
    hangup: bool = True,
) -> int:
    """
    Args:
        output: files `output`.out and `output`.err get what is said.
        die: moment, how many times it must come, signal.
        file_limit: bytes that no file may exceed, as on a full disk.
        debug: log everything that anybody logs.
        stdin: what can be read there.
        now: the time that it is when it starts, if not this machine's; time goes on from there.
        hangup: the end of a terminal is its end; False, as under nohup, whatever the tests themselves run under.
        may_leave_sockets: interrupted while urllib3 connects, nobody but the collector can close that socket.
    """
    signal.signal(signal.SIGHUP, signal.SIG_DFL if hangup else signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(environment)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{output}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    Path(f"{output}.in").write_text(stdin, encoding="utf-8")
    os.dup2(os.open(f"{output}.in", os.O_RDONLY), 0)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.argv = ["esms", *arguments]
    if debug:
        logging.basicConfig(level=logging.DEBUG)
    if now is not None:
        ahead = pendulum.instance(datetime.fromisoformat(now)) - machine_clock.machine_time()
        machine_clock.source = lambda: machine_clock.machine_time() + ahead
    if may_leave_sockets:
        warnings.filterwarnings("ignore", r"unclosed <socket\.socket", ResourceWarning)
    if die is not None:
        die_at(*die)
    if file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    try:
        esms(prog_name="esms")
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:  # a fork must not return into the loop of the server
        sys.excepthook(*sys.exc_info())
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command is over, and this is not of it
        gc.collect()  # as at the end of an interpreter: what was left open is told of
    return 0


if __name__ == "__main__":
    for command in esms.list_commands(click.Context(esms)):
        esms.get_command(click.Context(esms), command)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    serve(lambda line: work(**json.loads(line)))

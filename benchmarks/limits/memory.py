"""Peak memory of a load and of a campaign, each in a separate process: `python -m limits.memory TARGET ROWS`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from processes import forget_peak, memory_mb

from .pairs import Figure

TARGETS = ("duckdb", "parquet", "postgresql")
_LIBRARIES = {
    "duckdb": "import duckdb, pyarrow, esms_connectors.warehouse.duckdb_file",
    "parquet": "import duckdb, pyarrow.parquet, fsspec, esms_connectors.warehouse.files",
    "postgresql": "import psycopg, pyarrow, pyarrow.csv, esms_connectors.warehouse.postgresql",
    "recipients": "import pyarrow.compute, pyarrow.parquet, sqlalchemy, esms_connectors.sending.bulk",
}


def child(target: str, rows: int, address: str) -> None:
    exec(_LIBRARIES[target])
    if target == "recipients":
        work = _campaign(rows, Path(address))
    else:
        from esms_connectors.warehouse import open_warehouse
        from esms_connectors.warehouse.loading import load_windows

        from .loads import WINDOW
        from .stand_in import Pages, client_of

        def work() -> None:
            with client_of(Pages(rows)) as client, open_warehouse(address) as warehouse:
                assert load_windows(client, warehouse, [WINDOW], resume=False).rows == rows

    forget_peak()
    base = memory_mb("VmRSS")
    work()
    print(json.dumps({"base_mb": base, "peak_mb": memory_mb() - base}))


def _campaign(count: int, folder: Path) -> Callable[[], None]:
    from bulk_sends import write_parquet

    from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID
    from esms_connectors.ledger import Ledger
    from esms_connectors.recipients import Columns, read_recipients
    from esms_connectors.sending.bulk import send_bulk
    from esms_connectors.sending.channels import ZnsChannel

    from .sends import noon
    from .stand_in import AnyZns, client_of

    def work() -> None:
        columns = Columns(params=["customer_name", "service", "code", "date"])
        with client_of(AnyZns(), now=noon) as client, Ledger.open(folder / "ledger.sqlite") as ledger:
            channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID)
            recipients = read_recipients(str(folder / "customers.parquet"), columns)
            assert send_bulk(channel, recipients, ledger=ledger, run_key="memory").run.accepted == count

    if not (folder / "customers.parquet").exists():
        write_parquet(folder / "customers.parquet", count)
    return work


def run_child(target: str, rows: int, address: str) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "limits.memory", target, str(rows), address],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr[-3000:]
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mb"])


def peak_memory(rows: Sequence[int] = (1_000_000, 3_000_000), targets: Sequence[str] = TARGETS) -> Iterator[Figure]:
    for count in rows:
        # A larger window into PostgreSQL takes its server minutes and no memory here.
        for target in targets if count == rows[0] else targets[:2]:
            yield _peak(target, count)
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as folder:
        # The list is written by another process, so that its memory does not count.
        import multiprocessing

        writing = multiprocessing.get_context("spawn").Process(target=_campaign, args=(rows[0], Path(folder)))
        writing.start()
        writing.join()
        yield Figure(
            f"peak memory, a campaign of {rows[0]:,}", run_child("recipients", rows[0], folder), "MB", 60, noise=3,
            floor="over the interpreter with its libraries",
        )  # fmt: skip


def _peak(target: str, rows: int) -> Figure:
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as folder:
        server = None
        if target == "postgresql":
            sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
            from postgres_server import PostgresServer

            server = PostgresServer()
            address = server.uri
        else:
            address = f"duckdb:///{folder}/day.duckdb" if target == "duckdb" else folder
        try:
            peak = run_child(target, rows, address)
        finally:
            if server is not None:
                server.close()
    return Figure(
        f"peak memory, {rows:,} rows into {target}", peak, "MB", 150, noise=10,
        floor="over the interpreter with its libraries",
    )  # fmt: skip


if __name__ == "__main__":
    child(sys.argv[1], int(sys.argv[2]), sys.argv[3])

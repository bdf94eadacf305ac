"""A report over a month in DuckDB: time for two sizes, extrapolated to a hundred million messages."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .pairs import Figure

LARGE = 100_000_000


def report(sizes: tuple[int, int] = (500_000, 2_000_000)) -> Iterator[Figure]:
    import duckdb
    import report as one

    from esms_connectors.warehouse import open_warehouse

    found = []
    for rows in sizes:
        with tempfile.TemporaryDirectory(prefix="bench-report-") as folder:
            path = Path(folder, "esms.duckdb")
            with open_warehouse(f"duckdb:///{path}") as warehouse:
                warehouse.prepare()
            with duckdb.connect(str(path)) as connection:
                connection.execute("SET TimeZone = 'Asia/Ho_Chi_Minh'")
                one.fill(connection.execute, "range({count}) AS numbers (i)", rows)
            command = [sys.executable, one.__file__, "--make", f"duckdb:///{path}", folder]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        told = json.loads(done.stdout)
        found.append((rows, told["seconds"]["numbers"], told["peak_mb"] - told["began_mb"]))
    (few, quick, low), (many, slow, high) = found
    growth = (slow - quick) / (many - few)
    yield Figure(
        "a report over 100 M messages in DuckDB", slow + growth * (LARGE - many), "s", 10, noise=1.0,
        floor=f"by the clock; drawn on from {few / 1e6:g} M ({quick:.1f} s) and {many / 1e6:g} M ({slow:.1f} s)",
    )  # fmt: skip
    yield Figure(
        f"peak memory of a report, {many / 1e6:g} M over {few / 1e6:g} M messages", high - low, "MB", 50, noise=10,
        floor=f"{low:.0f} MB for the smaller",
    )  # fmt: skip

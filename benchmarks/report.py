"""
Time and memory of a monthly report: `python benchmarks/report.py [rows] [postgresql://…]`.

The rows are generated inside the database, and only the report is measured, in a separate process: the numbers, then
each file format. Peak memory is that of the whole process, including interpreter and libraries.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pendulum
from processes import memory_mb

START, END = (
    pendulum.datetime(2026, 11, 1, tz="Asia/Ho_Chi_Minh"),
    pendulum.datetime(2026, 12, 1, tz="Asia/Ho_Chi_Minh"),
)
SUFFIXES = (".md", ".json", ".csv", ".parquet", ".html", ".xlsx")

# Two months, so that the report has a previous period: 85 % delivered after one hour, 10 % failed, 2 % open. One load
# a day.
_ROWS = """
INSERT INTO esms_sent_messages
SELECT 'm' || i || ':0' || (900000000 + i), 'm' || i, '0' || (900000000 + i % 99999999),
    CASE WHEN i % 4 = 0 THEN 2 ELSE 25 END, 'Chien dich ' || (i % 200), 'Xin chao khach hang so ' || i, 300.5,
    CASE WHEN i % 100 < 95 THEN 5 WHEN i % 100 < 98 THEN 4 ELSE 2 END,
    CASE WHEN i % 100 < 85 THEN 1 WHEN i % 100 < 95 THEN 0 ELSE 2 END, NULL,
    CASE WHEN i % 100 < 85 THEN 'delivered' WHEN i % 100 < 95 THEN 'failed' WHEN i % 100 < 98 THEN 'rejected'
        ELSE 'pending' END,
    sent, '1', date_trunc('day', sent), date_trunc('day', sent) + INTERVAL '1 day', sent + INTERVAL '1 minute',
    sent + INTERVAL '1 hour', NULL, 1 + floor(i * {step} / 86400000)
FROM (SELECT i, TIMESTAMPTZ '2026-09-30 17:00:00+00' + (i * {step}) * INTERVAL '1 millisecond' AS sent
    FROM {series}) AS numbers
"""
_HISTORY = """
INSERT INTO esms_status_history
SELECT row_key, changed_at + (i % 1800) * INTERVAL '1 second', 'sent', state, 7, 2, send_status, send_result, true,
    load_number
FROM (SELECT *, row_number() OVER () AS i FROM esms_sent_messages WHERE state <> 'pending') AS final
"""
_LOADS = """
INSERT INTO esms_loads
SELECT kind, day, day + INTERVAL '1 day', day, 1, 1, day + INTERVAL '2 days', day + INTERVAL '2 days', true, NULL, 1, 1,
    0, 1, 0, 0, '', 1, 'phone=plain content=kept'
FROM (SELECT TIMESTAMPTZ '2026-09-30 17:00:00+00' + i * INTERVAL '1 day' AS day FROM {days}) AS days,
    (SELECT 2 AS kind UNION ALL SELECT 25) AS kinds
"""


def fill(execute: Callable[[str], object], series: str, rows: int) -> int:
    """Insert `rows` rows in November and about as many in October; returns the total."""
    count = -(-rows * 61 // 30)
    execute(_ROWS.format(step=61 * 86_400_000 / count, series=series.format(count=count)))
    execute(_HISTORY)
    execute(_LOADS.format(days=series.format(count=61)))
    return count


def make(address: str, folder: str) -> None:
    """Run in a separate process."""
    from esms_connectors.reports import make_report, write_report
    from esms_connectors.warehouse import open_warehouse

    began_mb = memory_mb()
    began = time.perf_counter()
    with open_warehouse(address) as warehouse:
        report = make_report(warehouse, START, END, now=END.add(days=5))
    seconds = {"numbers": time.perf_counter() - began}
    for suffix in SUFFIXES:
        began = time.perf_counter()
        write_report(report, f"{folder}/report{suffix}")
        seconds[suffix] = time.perf_counter() - began
    messages = report.headline[0].value
    print(json.dumps({"messages": messages, "seconds": seconds, "peak_mb": memory_mb(), "began_mb": began_mb}))


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 2:
            import psycopg

            from esms_connectors.warehouse import open_warehouse

            address = sys.argv[2]
            with open_warehouse(address) as warehouse:
                warehouse.prepare()
            with psycopg.connect(address, autocommit=True) as server:
                server.execute("SET TIME ZONE 'Asia/Ho_Chi_Minh'")
                stored = fill(
                    lambda text: server.execute(text.encode()), "generate_series(0, {count} - 1) AS numbers (i)", rows
                )
                server.execute("ANALYZE")
        else:
            from esms_connectors.warehouse import open_warehouse

            path = Path(folder) / "esms.duckdb"
            address = f"duckdb:///{path}"
            with open_warehouse(address) as warehouse:
                warehouse.prepare()
            with duckdb.connect(str(path)) as connection:
                connection.execute("SET TimeZone = 'Asia/Ho_Chi_Minh'")
                stored = fill(connection.execute, "range({count}) AS numbers (i)", rows)
        done = subprocess.run(
            [sys.executable, __file__, "--make", address, folder], stdout=subprocess.PIPE, text=True, check=True
        )
        found = json.loads(done.stdout)
        print(f"{found['messages']:,} messages of a month, {stored:,} in the warehouse")
        for name, seconds in found["seconds"].items():
            print(f"  {name:<10}{seconds:>8.2f} s")
        print(f"  in all    {sum(found['seconds'].values()):>8.2f} s")
        print(f"  peak      {found['peak_mb']:>8.0f} MB, of which {found['began_mb']:.0f} MB before the first question")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(*sys.argv[2:])
    else:
        main()

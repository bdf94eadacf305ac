"""
Speed and memory of turning rows into recipients.

Rates are rows per second of CPU time of one core, the best of several runs, together with a fixed loop that shows the
current speed of the core. Memory is the peak growth of the process, measured in a separate process for each size.

    python benchmarks/recipients.py --rows 200000 --sizes 10000,100000,1000000
"""

from __future__ import annotations

import argparse
import csv
import importlib
import random
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from processes import memory_mb

from esms_connectors.gateway.models import ZnsTemplate, ZnsTemplateParam
from esms_connectors.gateway.phones import match_common_spelling, normalise_phone
from esms_connectors.recipients import Columns, ReadReport, read_recipients
from esms_connectors.recipients.phones import clean_phone
from esms_connectors.recipients.sources import open_rows

PARAMS = ("name", "service", "code", "date")
TEMPLATE = ZnsTemplate(
    *("1", "t", None, tuple(ZnsTemplateParam(name, True, False, 1, 50, None) for name in PARAMS)), *(None,) * 5
)
# All prefixes, so that the map of seen phones is as full as possible.
HEADS = [f"{head:03}" for head in range(100) if all(match_common_spelling(f"{head:03}{n}000000") for n in range(10))]


def phones(count: int, spellings: str = "mixed") -> Iterator[str]:
    """Random mobile numbers: all as 0…, or alternating 0…, 84…, +84… and nine digits."""
    dice = random.Random(1)
    for position in range(count):
        nine = dice.choice(HEADS)[1:] + f"{dice.randrange(10**7):07}"
        yield ("0", "84", "+84", "")[position % 4 if spellings == "mixed" else 0] + nine


def make_files(folder: Path, count: int) -> None:
    """`a.csv` and `a.parquet` with the same rows: a phone, four values, row groups of 100 000."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in ("phone", *PARAMS)])
    numbers = phones(count)
    with (folder / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(schema.names)
        with pq.ParquetWriter(folder / "a.parquet", schema) as parquet:
            for first in range(0, count, 100_000):
                rows = [
                    (next(numbers), f"Anh Nguyễn Văn {row % 997}", "Chăm sóc da mặt", f"KH{row:07}", "08/12/2026")
                    for row in range(first, min(first + 100_000, count))
                ]
                writer.writerows(rows)
                parquet.write_table(pa.table(list(zip(*rows, strict=True)), schema=schema))


def best_rate(work: Callable[[], object], count: int, runs: int = 5) -> float:
    """Best rate in rows per second of CPU time."""
    seconds = []
    for _ in range(runs):
        begun = time.process_time()
        work()
        seconds.append(time.process_time() - begun)
    return count / min(seconds)


def rates(folder: Path, count: int) -> None:
    print(f"this core: sum(range(1000)) in {1e6 / best_rate(lambda: sum(range(1000)), 1, 2_000):.1f} µs\n")
    print("phones, one core                                million/s")
    for spellings in ("plain", "mixed"):
        numbers = list(phones(count, spellings))
        for function in (match_common_spelling, normalise_phone, clean_phone):
            rate = best_rate(lambda function=function, numbers=numbers: [function(one) for one in numbers], count)
            print(f"  {function.__name__:<28}{spellings:<18}{rate / 1e6:9.2f}")
    spaced = [f"{one[:4]} {one[4:7]} {one[7:]}" for one in numbers]
    print(
        f"  {'normalise_phone':<28}{'with blanks':<18}"
        f"{best_rate(lambda: [*map(normalise_phone, spaced)], count) / 1e6:9.2f}"
    )

    print("\nrows with four values, one core                 thousand/s")

    def floor() -> None:
        with (folder / "a.csv").open(newline="", encoding="utf-8") as file:
            deque(csv.reader(file), 0)

    print(f"  {'csv.reader alone':<46}{best_rate(floor, count) / 1e3:9.0f}")
    for name in ("a.csv", "a.parquet"):

        def rows_only(name: str = name) -> None:
            with open_rows(folder / name) as rows:
                deque(rows, 0)

        print(f"  {name + ': open_rows':<46}{best_rate(rows_only, count) / 1e3:9.0f}")
        for what, template, key in (
            ("read_recipients", None, None),
            ("… and the template's rules", TEMPLATE, None),
            ("… and a row key", TEMPLATE, "code"),
        ):

            def read(name: str = name, template: ZnsTemplate | None = template, key: str | None = key) -> None:
                deque(read_recipients(folder / name, Columns(params=PARAMS, key_column=key), template=template), 0)

            print(f"  {name + ': ' + what:<46}{best_rate(read, count, 3) / 1e3:9.0f}")


def memory(path: Path, key: str | None) -> None:
    """Read everything, and print how much the peak of the process grew (Linux)."""

    if path.suffix == ".parquet":
        # Their 60 MB do not count as growth.
        importlib.import_module("pyarrow.compute")
        importlib.import_module("pyarrow.parquet")
    report, before = ReadReport(), memory_mb()
    deque(read_recipients(path, Columns(params=PARAMS, key_column=key), template=TEMPLATE, report=report), 0)
    print(f"{report.accepted:>12}{report.duplicates:>12}{memory_mb() - before:>12.1f}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=200_000, help="rows for the rates")
    options.add_argument("--sizes", default="10000,100000,1000000", help="rows for the memory, comma-separated")
    options.add_argument("--memory", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--key", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.memory:
        memory(given.memory, given.key)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder, given.rows)
        rates(folder, given.rows)
        print(f"\n{'memory':<34}{'accepted':>12}{'duplicates':>12}{'growth, MB':>12}")
        for size in map(int, given.sizes.split(",")):
            make_files(folder, size)
            for file, key in (("a.csv", None), ("a.parquet", None), ("a.csv", "code")):
                print(f"  {size:>9,} {file:<10}{'row key' if key else '':<12}", end="", flush=True)
                command = [sys.executable, __file__, "--memory", str(folder / file), *(("--key", key) if key else ())]
                subprocess.run(command, check=True)


if __name__ == "__main__":
    main()

"""
Pull and load a day of status rows, compared with dlt, a loop of requests and pandas, and the decoding and wire floors.

    python benchmarks/pull_and_load.py [--rows 1000000] [--latencies 0] [--targets duckdb,postgresql,mariadb,parquet]

Every figure is that of a new process, from start to end, imports included. The day is first loaded into an empty
target; then a tenth of its rows change, and it is loaded again. The rows in the target are counted afterwards. With
latency, contestants that request pages sequentially get a shorter day (`--rows-one-by-one`), because they mostly wait.
Ratios are portable, absolute figures are not; the machine should be idle otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rivals.contestants import CONTESTANTS, OURS, Contestant
from rivals.figures import HEAD, LOADS, Figures, Report, print_goals
from rivals.servers import Gateway, MariaDb, Postgres, gateway

from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY

RIVALS = Path(__file__).parent / "rivals"
SMS_TYPE = 2
TARGETS = ("duckdb", "postgresql", "parquet")  # and mariadb, if Debian's mariadb-server-core is installed


class Bench:
    """Shared settings and servers of all runs."""

    def __init__(
        self, options: argparse.Namespace, report: Report, folder: Path, servers: Mapping[str, Postgres | MariaDb]
    ) -> None:
        self.report = report
        self._threads = options.threads
        self._folder = folder
        self._servers = servers

    def run(
        self,
        served: Gateway,
        *,
        script: str,
        what: str,
        who: str,
        latency_ms: float,
        target: str,
        address: str = "",
        folder: str = "",
        file_format: str = "",
        threads: int | None = None,
    ) -> Figures:
        threads = threads or self._threads
        job = {
            "base_url": served.base_url,
            "api_key": DEMO_API_KEY,
            "secret_key": DEMO_SECRET_KEY,
            "sms_type": SMS_TYPE,
            "start": served.day["start"],
            "end": served.day["end"],
            "rows": served.day["rows"],
            "threads": threads,
            "target": target,
            "address": address,
            "folder": folder,
            "file_format": file_format,
        }
        database = self._servers.get(target)
        servers = [served.cpu_seconds, database.cpu_seconds if database else lambda: 0.0]
        before = [server() for server in servers]
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(RIVALS / script), json.dumps(job)],
            # No telemetry of dlt.
            env={**os.environ, "RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
        gateway_cpu, server_cpu = (server() - cpu for server, cpu in zip(servers, before, strict=True))
        if done.returncode:
            raise SystemExit(f"{script} into {target} failed:\n{done.stderr[-3000:]}")
        told = json.loads(done.stdout.strip().splitlines()[-1])
        return Figures(
            what=what,
            who=who,
            latency_ms=latency_ms,
            threads=threads,
            rows=told["rows"],
            seconds=seconds,
            cpu_seconds=told["cpu_seconds"],
            inner_seconds=told["inner_seconds"],
            inner_cpu_seconds=told["inner_cpu_seconds"],
            server_cpu_seconds=server_cpu,
            gateway_cpu_seconds=gateway_cpu,
            base_mb=told["base_mb"],
            peak_mb=told["peak_mb"] - told["base_mb"],
        )

    def load(self, served: Gateway, contestant: Contestant, target: str, latency_ms: float) -> None:
        """Load into an empty target, and again after a tenth of the rows has changed."""
        place = self._folder / f"{contestant.script.removesuffix('.py')}-{target}"
        place.mkdir()
        database = contestant.script.removesuffix(".py")
        if target in self._servers:
            address = self._servers[target].new_database(database)
        elif target == "duckdb":
            address = f"{'duckdb:///' if contestant is OURS else ''}{place / 'day.duckdb'}"
        else:
            address = str(place / "files")
        for edition, load in zip(("early", "final"), LOADS, strict=True):
            day = served.choose(edition=edition, latency_ms=latency_ms)
            figures = self.run(
                served,
                script=contestant.script,
                what=f"{target}, {load}",
                who=contestant.name,
                latency_ms=latency_ms,
                target=target,
                address=address,
                folder=str(place / "state"),
                file_format=contestant.file_format,
                threads=1 if contestant.one_by_one else None,
            )
            rows, waiting = self._stored(contestant, target, address)
            figures.right = (rows, waiting) == (day["rows"], day["awaiting"])
            if not figures.right:
                figures.note = f"{rows:,} rows in the target, {waiting:,} of them waiting"
                if target == "parquet" and not contestant.upserts_files:
                    figures.note += " (it only appends to files)"
            self.report.add(figures)
        shutil.rmtree(place)
        if target in self._servers:
            self._servers[target].query(f"DROP DATABASE {database}{' WITH (FORCE)' * (target == 'postgresql')}")

    def _stored(self, contestant: Contestant, target: str, address: str) -> tuple[int, int]:
        """(rows, rows still waiting for their report) of a target."""
        import duckdb

        ask = "SELECT count(*), coalesce(sum(CASE WHEN send_status = 7 THEN 1 END), 0) FROM "
        if target in self._servers:
            found = self._servers[target].query(ask + contestant.table, contestant.script.removesuffix(".py"))[0]
        elif target == "duckdb":
            with duckdb.connect(address.removeprefix("duckdb:///"), read_only=True) as connection:
                found = connection.execute(ask + contestant.table).fetchall()[0]
        else:
            with duckdb.connect() as connection:
                found = connection.execute(f"{ask} read_parquet('{address}/{contestant.files}')").fetchall()[0]
        return int(found[0]), int(found[1])


def about_machine(options: argparse.Namespace) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "rows": options.rows,
        "rows_one_by_one": options.rows_one_by_one,
        "threads": options.threads,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        **{name: version(name) for name in ("dlt", "duckdb", "pyarrow", "pandas", "msgspec", "psycopg", "sqlalchemy")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rows-one-by-one", type=int, default=100_000, help="of those who only wait, with latency")
    parser.add_argument("--latencies", default="0,200", help="milliseconds")
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--contestants", default="", help="parts of names, such as package,arrow; all by default")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--pull-threads", default="8,16,32", help="with latency, for pull alone")
    parser.add_argument(
        "--repeats", type=int, default=1, help="of what is ours and of the floors; the middle one counts"
    )
    parser.add_argument("--json", type=Path, help="write everything there as well")
    options = parser.parse_args()
    latencies = [float(latency) for latency in options.latencies.split(",")]
    targets = [target for target in options.targets.split(",") if target]
    names = [name.strip().lower() for name in options.contestants.split(",")]
    contestants = [one for one in CONTESTANTS if any(name in one.name.lower() for name in names)]
    pull_threads = [int(count) for count in options.pull_threads.split(",")]
    report = Report(about_machine(options))
    print(", ".join(f"{name} {value}" for name, value in report.about.items()))
    if report.about["load_average"] > 0.5:
        print("The machine is busy with something else: expect worse figures than it can give.")
    print("CPU is that of the process; server is the database's where it is the target, the gateway's elsewhere.\n")
    rows_served = {options.rows}
    if any(latencies):
        rows_served.add(min(options.rows, options.rows_one_by_one))
    with tempfile.TemporaryDirectory(prefix="esms-bench-") as folder:
        kinds: dict[str, type[Postgres | MariaDb]] = {"postgresql": Postgres, "mariadb": MariaDb}
        servers = {name: kinds[name]() for name in targets if name in kinds}
        try:
            bench = Bench(options, report, Path(folder), servers)
            with gateway(options.rows) as whole, gateway(min(rows_served)) as short:
                for latency in latencies:
                    print(f"latency {latency:.0f} ms\n{HEAD}")
                    whole.choose(edition="final", latency_ms=latency)
                    short.choose(edition="final", latency_ms=latency)
                    for _ in range(options.repeats):
                        run_floors(bench, whole, latency, pull_threads if latency else [options.threads])
                    for target in targets:
                        for contestant in (one for one in contestants if target in one.targets):
                            served = short if latency and contestant.one_by_one else whole
                            for _ in range(options.repeats if contestant is OURS else 1):
                                bench.load(served, contestant, target, latency)
        finally:
            for server in servers.values():
                server.close()
    print_goals(report, latencies, targets, pull_threads)
    if options.json:
        options.json.write_text(
            json.dumps(
                {
                    "about": report.about,
                    "goals": report.goals,
                    "runs": [
                        {
                            **asdict(run),
                            "rows_per_second": run.rows_per_second,
                            "inner_rows_per_second": run.inner_rows_per_second,
                        }
                        for run in report.runs
                    ],
                },
                indent=1,
            )
        )


def run_floors(bench: Bench, served: Gateway, latency: float, pull_threads: Sequence[int]) -> None:
    """Decoding alone, the wire alone, and this package's pull without loading; seconds without start and imports."""
    runs = [("pull alone", OURS.name, "connector.py", "pull", count) for count in pull_threads]
    if not latency:
        runs = [
            ("decode floor", "one core", "floors.py", "decode", 1),
            ("decode", "this package", "floors.py", "our decode", 1),
            ("wire floor", "requests", "floors.py", "wire", bench._threads),
            *runs,
        ]
    for what, who, script, target, threads in runs:
        figures = bench.run(
            served, script=script, what=what, who=who, latency_ms=latency, target=target, threads=threads
        )
        figures.seconds, figures.cpu_seconds = figures.inner_seconds, figures.inner_cpu_seconds
        figures.note = f"{threads} thread(s), without its start"
        bench.report.add(figures)


if __name__ == "__main__":
    main()

"""The measurements, and their comparison with the goals."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .contestants import DLT_ARROW, DLT_REST, DLT_REST_PARQUET, OURS, PANDAS

PAGE_SIZE = 500
LOADS = ("first load", "re-load")


@dataclass
class Figures:
    """
    One run.

    Attributes:
        seconds, cpu_seconds: of the whole process.
        inner_seconds, inner_cpu_seconds: without its start and its imports.
        server_cpu_seconds: of the database server during the run.
        gateway_cpu_seconds: of the gateway during the run.
        peak_mb: above the interpreter with its libraries, which take base_mb.
        right: None if nothing was loaded, else whether the target had every row exactly once with the gateway's values.
    """

    what: str
    who: str
    latency_ms: float
    threads: int
    rows: int
    seconds: float
    cpu_seconds: float
    inner_seconds: float
    inner_cpu_seconds: float
    server_cpu_seconds: float
    gateway_cpu_seconds: float
    base_mb: float
    peak_mb: float
    right: bool | None = None
    note: str = ""

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds

    @property
    def inner_rows_per_second(self) -> float:
        return self.rows / self.inner_seconds

    @property
    def all_cpu_seconds(self) -> float:
        return self.cpu_seconds + self.server_cpu_seconds


@dataclass
class Report:
    """All runs, and their comparison with the goals."""

    about: dict[str, Any]
    runs: list[Figures] = field(default_factory=list)
    goals: list[dict[str, Any]] = field(default_factory=list)

    def add(self, figures: Figures) -> None:
        self.runs.append(figures)
        print_line(figures)

    def of(self, what: str, who: str, latency_ms: float, threads: int | None = None) -> Figures | None:
        """The median run."""
        found = [
            run
            for run in self.runs
            if (run.what, run.who, run.latency_ms) == (what, who, latency_ms) and threads in (None, run.threads)
        ]
        if not found:
            return None
        middle = statistics.median_low([run.seconds for run in found])
        return next(run for run in found if run.seconds == middle)

    def goal(
        self, name: str, reached: float, wanted: float, *, at_most: bool = False, unit: str = "x", cpu: float = 0.0
    ) -> None:
        """Add a goal; `cpu`: the same by CPU seconds, which depend less on other load."""
        met = reached <= wanted if at_most else reached >= wanted
        line = {"goal": name, "reached": round(reached, 3), "wanted": wanted, "met": met}
        self.goals.append({**line, "reached_by_cpu": round(cpu, 3)} if cpu else line)
        shown = {"%": f"{reached:>8.0%} of {wanted:.0%}", "x": f"{reached:>8.2f} of {wanted:g}"}.get(unit)
        shown = shown or f"{reached:>8.0f} of at most {wanted:g} {unit}"
        by_cpu = "" if not cpu else f"   by CPU {cpu:.0%}" if unit == "%" else f"   by CPU {cpu:.2f}"
        print(f"  {'met ' if met else 'NOT '} {name:<66} {shown}{by_cpu}")

    def compare(self, name: str, mine: Figures, other: Figures | None, wanted: float) -> None:
        if other is not None:
            cpu = (mine.rows / mine.all_cpu_seconds) / (other.rows / other.all_cpu_seconds)
            self.goal(name, mine.rows_per_second / other.rows_per_second, wanted, cpu=cpu)


HEAD = (
    f"{'':<26} {'':<21} {'rows':>9} {'rows/s':>9} {'seconds':>8} {'CPU s':>7} {'server':>7} {'peak MB':>8} {'base':>6}"
)


def print_line(run: Figures) -> None:
    right = {None: "", True: "right", False: "WRONG: "}[run.right]
    print(
        f"{run.what:<26} {run.who:<21} {run.rows:>9,} {run.rows_per_second:>9,.0f} {run.seconds:>8.1f} "
        f"{run.cpu_seconds:>7.1f} {run.server_cpu_seconds or run.gateway_cpu_seconds:>7.1f} {run.peak_mb:>8.0f} "
        f"{run.base_mb:>6.0f}  {right}{run.note}",
        flush=True,
    )


def print_goals(report: Report, latencies: Sequence[float], targets: Sequence[str], threads: Sequence[int]) -> None:
    print("\nGoals")
    floor = report.of("decode floor", "one core", 0)
    ours = report.of("pull alone", OURS.name, 0)
    if floor is not None and ours is not None:
        one_core = ours.inner_rows_per_second / floor.inner_rows_per_second
        cpu = floor.inner_cpu_seconds / ours.inner_cpu_seconds
        report.goal("pull alone, 0 ms: of the decode floor on one core", one_core, 0.7, unit="%", cpu=cpu)
        if (wire := report.of("wire floor", "requests", 0)) is not None:
            both = floor.inner_seconds + wire.inner_seconds
            cpu = (floor.inner_cpu_seconds + wire.inner_cpu_seconds) / ours.inner_cpu_seconds
            print(
                f"       of decode floor and wire floor, one after the other: {both / ours.inner_seconds:.0%}, "
                f"by CPU {cpu:.0%}"
            )
    for latency in filter(None, latencies):
        for count in threads:
            run = report.of("pull alone", OURS.name, latency, count)
            if run is not None:
                reached = run.inner_rows_per_second / PAGE_SIZE / (count / (latency / 1000))
                name = f"pull alone, {latency:.0f} ms, {count} threads: of threads / latency"
                report.goal(name, reached, 0.9, unit="%")
    for latency in latencies:
        for what in (f"{target}, {load}" for target in targets for load in LOADS):
            mine = report.of(what, OURS.name, latency)
            if mine is None:
                continue
            at = f"{what}, {latency:.0f} ms"
            rest_api, arrow, pandas = (report.of(what, other.name, latency) for other in (DLT_REST, DLT_ARROW, PANDAS))
            if what.startswith("duckdb"):
                report.compare(f"{at}: times dlt rest_api", mine, rest_api, 5)
                rest_parquet = report.of(what, DLT_REST_PARQUET.name, latency)
                report.compare(f"{at}: times dlt rest_api told to load Parquet", mine, rest_parquet, 5)
                report.compare(f"{at}: times dlt with our Arrow", mine, arrow, 1)
            elif what.startswith("postgresql"):
                report.compare(f"{at}: times dlt rest_api", mine, rest_api, 4)
                report.compare(f"{at}: times executemany (pandas to_sql)", mine, pandas, 5)
            report.goal(f"{at}: peak memory over the libraries", mine.peak_mb, 300, at_most=True, unit="MB")

"""
Cost of each kind of work compared with its lower bound, and missed goals: `make bench`.

    python benchmarks/bench.py [--only pages,duckdb] [--json benchmarks/figures.json] [--quick]

The CPU time of this process is compared with that of a floor, which runs alternately; answers come from within the
process. Exits with an error if a goal is missed by more than the measured noise. `--page` writes the table of
docs/performance.md from the JSON of a run, without measuring anything.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FIGURES = Path(__file__).with_name("figures.json")
PAGE = ROOT / "docs/performance.md"
BEGIN, END = "<!-- figures of `make bench` -->", "<!-- end of figures -->"


def cells(quick: bool) -> Mapping[str, Callable[[], Iterator[Any]]]:
    from limits import loads, memory, reporting, sends, starts, waiting

    rows = (1_000_000,) if quick else (1_000_000, 3_000_000)
    return {
        "pages": loads.read_page,
        "duckdb": loads.into_duckdb,
        "parquet": loads.into_parquet,
        "postgresql": loads.into_postgresql,
        "zns": sends.chunk_of_zns,
        "ledger": sends.claim_and_settle_beside_sqlite,
        "large": sends.large_ledger,
        "waiting": waiting.with_latency,
        "imports": starts.imports,
        "first-byte": starts.first_byte,
        "sensor": starts.sensor_look,
        "memory": lambda: memory.peak_memory(rows),
        "report": reporting.report,
    }


def shown(value: float, unit: str) -> str:
    return f"{value:.2f} x" if unit == "x" else f"{value:,.0f} {unit}"


def goal_words(figure: Mapping[str, Any]) -> str:
    if figure["goal"] is None:
        return ""
    sign = "at least" if figure["at_least"] else "at most"
    return f"{sign} {figure['goal']:g} {figure['unit']}"


def verdict(figure: Mapping[str, Any]) -> str:
    """Whether a goal is reached or missed; a difference smaller than the noise is unclear."""
    if figure["goal"] is None:
        return ""
    room = figure["value"] - figure["goal"] if figure["at_least"] else figure["goal"] - figure["value"]
    reached = room >= figure["noise"]
    return "MISSED" if figure["missed"] else "reached" if reached else "unclear"


def table(told: Mapping[str, Any]) -> str:
    """The Markdown table of the page."""
    about = told["about"]
    machine = (
        f"{about['cores']} cores, load {about['load_average']:.1f} when it began, Python {about['python']}, DuckDB "
        f"{about['duckdb']}, pyarrow {about['pyarrow']}; {about['seconds'] / 60:.0f} minutes"
        + (f"; {about['note']}." if about.get("note") else ".")
    )
    lines = [
        machine,
        "",
        "| work | measured | noise | goal | | held against | CPU, ms: ours / floor |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in told["figures"]:
        both = [f"{one[name]:.2f}" for name in ("ours_ms", "floor_ms") if one[name] is not None]
        found = verdict(one).replace("MISSED", "**missed**")
        about_floor = one["floor"] + (f"; {one['note']}" if one["note"] else "")
        lines.append(
            f"| {one['work']} | {shown(one['value'], one['unit'])} | {shown(one['noise'], one['unit'])} | "
            f"{goal_words(one)} | {found} | {about_floor} | {' / '.join(both)} |"
        )
    return "\n".join(lines)


def page_with(text: str, told: Mapping[str, Any]) -> str:
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table(told)}\n\n{END}{rest.partition(END)[2]}"


def write_page() -> None:
    PAGE.write_text(page_with(PAGE.read_text(), json.loads(FIGURES.read_text())))


def measure(names: list[str], quick: bool, path: Path) -> dict[str, Any]:
    """Measure, and write the figures to `path` after each cell, so that an interrupted run is not lost."""
    began, figures = time.perf_counter(), []
    path.parent.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = {
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{name: version(name) for name in ("duckdb", "pyarrow", "msgspec", "requests", "sqlalchemy", "psycopg")},
    }
    if about["load_average"] > 0.5:
        print(f"Load {about['load_average']}: something else is running, expect noise.")
    for name, cell in cells(quick).items():
        if names and name not in names:
            continue
        for figure in cell():
            figures.append(figure.as_dict())
            print(
                f"{verdict(figures[-1]):<8}{figure.work:<52}{shown(figure.value, figure.unit):>11} ± "
                f"{shown(figure.noise, figure.unit):<9} {goal_words(figures[-1]):<18} {figure.floor}",
                flush=True,
            )
            if figure.note:
                print(f"{'':>8}  {figure.note}", flush=True)
        about["seconds"] = round(time.perf_counter() - began)
        path.write_text(json.dumps({"about": about, "figures": figures}, indent=1, ensure_ascii=False) + "\n")
    return {"about": about, "figures": figures}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="some of the cells, such as pages,duckdb")
    parser.add_argument("--quick", action="store_true", help="memory for 1 000 000 rows only")
    parser.add_argument("--json", type=Path, default=ROOT / ".build/bench.json", help="where figures are written")
    parser.add_argument("--page", action="store_true", help="write the table of docs/performance.md from figures.json")
    options = parser.parse_args()
    if options.page:
        write_page()
        return 0
    names = [one for one in options.only.split(",") if one]
    if unknown := [one for one in names if one not in cells(options.quick)]:
        parser.error(f"--only: there is no {unknown[0]!r}; there are {', '.join(cells(options.quick))}")
    told = measure(names, options.quick, options.json)
    missed = [one["work"] for one in told["figures"] if one["missed"]]
    print(f"\n{told['about']['seconds']} s; written to {options.json}")
    if missed:
        print(f"{len(missed)} GOALS MISSED by more than the noise: {'; '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

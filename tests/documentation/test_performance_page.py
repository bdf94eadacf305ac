"""The page about performance shows what the bench measured last, and calls no goal reached that was missed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "benchmarks/bench.py"


@pytest.fixture
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_of_the_page", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_performance_page_shows_the_figures_of_the_last_run(bench: ModuleType) -> None:
    """`python benchmarks/bench.py --page` writes them."""
    page = bench.PAGE.read_text(encoding="utf-8")
    told = json.loads(bench.FIGURES.read_text(encoding="utf-8"))
    assert page == bench.page_with(page, told)
    for one in told["figures"]:
        if one["goal"] is not None:
            sign = -1 if one["at_least"] else 1
            assert one["missed"] == (sign * (one["value"] - one["goal"]) > one["noise"]), one["work"]

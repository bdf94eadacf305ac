"""What a DAG file pays for importing us: schedulers read DAG files again and again."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

OURS = ["operators", "sensors", "triggers", "notifications", "transfers", "hooks", "retry", "callbacks"]
MODULES = [f"esms_connectors.airflow.{name}" for name in OURS]
# The measure is a module of the standard library that brings seventeen others; it takes some 13 ms of a processor, and
# more where others use the processor too, as ours do.
MEASURE, MOST_TIMES, MOST_MODULES, TRIES = "doctest", 2, 20, 6

# A DAG file's own imports come first, and once: each module is imported in a fork, which has them. The base of
# triggers is Airflow's, and every triggerer has it.
_PROGRAM = """
import gc, importlib, json, os, sys, time
import airflow.sdk, airflow.triggers.base
from airflow.sdk import Asset, BaseHook, BaseNotifier, BaseOperator, BaseSensorOperator, DAG, XComArg
gc.freeze()
for name in sys.argv[1:]:
    if os.fork():
        if os.wait()[1]:
            sys.exit(name + " cannot be imported")
        continue
    gc.disable()
    before = set(sys.modules)
    began = time.process_time()
    importlib.import_module(name)
    spent = time.process_time() - began
    os.write(1, json.dumps([name, spent * 1000, sorted(set(sys.modules) - before)]).encode() + bytes([10]))
    os._exit(0)
"""


@pytest.fixture(scope="module")
def measured() -> dict[str, list[tuple[float, list[str]]]]:
    """Milliseconds and modules of each, several times."""
    command = [sys.executable, "-c", _PROGRAM, *[MEASURE, *MODULES] * TRIES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=True)
    found: dict[str, list[tuple[float, list[str]]]] = {name: [] for name in [MEASURE, *MODULES]}
    for line in re.findall(r'(?m)^\["[\w.]+", .*$', done.stdout):  # Airflow has words of its own
        name, milliseconds, modules = json.loads(line)
        found[name].append((milliseconds, modules))
    return found


@pytest.mark.in_turn
@pytest.mark.parametrize("name", MODULES)
def test_importing_a_module_stays_within_time_and_module_limits(
    measured: dict[str, list[tuple[float, list[str]]]], name: str
) -> None:
    """At most twice the measure and 20 modules over airflow.sdk; the best of several, because machines are busy."""
    assert len(measured[name]) == TRIES
    for _, modules in measured[name]:
        assert name in modules
        assert len(modules) <= MOST_MODULES, modules
        assert not {"requests", "sqlalchemy", "pyarrow", "esms_connectors.gateway.client"} & set(modules)
    best, measure = (min(milliseconds for milliseconds, _ in measured[one]) for one in (name, MEASURE))
    assert best <= MOST_TIMES * measure

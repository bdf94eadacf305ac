"""What a DAG file pays for importing us: schedulers read DAG files again and again."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

MODULES = ["operators", "sensors", "triggers", "notifications", "transfers", "hooks", "retry", "callbacks"]
MOST_MILLISECONDS, MOST_MODULES, TRIES = 25, 20, 6

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
    importlib.import_module("esms_connectors.airflow." + name)
    spent = time.process_time() - began
    os.write(1, json.dumps([name, spent * 1000, sorted(set(sys.modules) - before)]).encode() + bytes([10]))
    os._exit(0)
"""


@pytest.fixture(scope="module")
def measured() -> dict[str, list[tuple[float, list[str]]]]:
    """Milliseconds and modules of each, several times."""
    command = [sys.executable, "-c", _PROGRAM, *MODULES * TRIES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=True)
    found: dict[str, list[tuple[float, list[str]]]] = {name: [] for name in MODULES}
    for line in re.findall(r'(?m)^\["\w+", .*$', done.stdout):  # Airflow has words of its own
        name, milliseconds, modules = json.loads(line)
        found[name].append((milliseconds, modules))
    return found


@pytest.mark.parametrize("name", MODULES)
def test_importing_a_module_is_cheap(measured: dict[str, list[tuple[float, list[str]]]], name: str) -> None:
    """At most 25 ms and 20 modules over airflow.sdk; the best of several, because machines are busy."""
    assert len(measured[name]) == TRIES
    for _, modules in measured[name]:
        assert f"esms_connectors.airflow.{name}" in modules
        assert len(modules) <= MOST_MODULES, modules
        assert not {"requests", "sqlalchemy", "pyarrow", "esms_connectors.gateway.client"} & set(modules)
    assert min(milliseconds for milliseconds, _ in measured[name]) <= MOST_MILLISECONDS

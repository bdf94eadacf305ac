"""
Runs the DAGs of documentation pages under `dag.test()`, one after the other in one process, because Airflow takes
seconds to start.

    python page_runner.py jobs.json

Each job has a file with a DAG, a folder to stand in and a time to run as of. For each, one line `RESULT {...}` with the
states of its tasks.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import pendulum
from airflow.sdk import DAG
from airflow.sdk.definitions._internal.contextmanager import DagContext


def dags_in(file: str) -> list[DAG]:
    """What Airflow finds in the file, in the way it does."""
    DagContext.autoregistered_dags.clear()
    DagContext.current_autoregister_module_name = Path(file).stem
    name = Path(file).stem
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = {dag.dag_id: dag for dag, _ in DagContext.autoregistered_dags}
    found |= {value.dag_id: value for value in vars(module).values() if isinstance(value, DAG)}
    return list(found.values())


def run(file: str, folder: str, as_of: str) -> dict[str, dict[str, str]]:
    os.chdir(folder)
    states = {}
    for dag in dags_in(file):
        done = dag.test(logical_date=pendulum.parse(as_of), run_after=pendulum.parse(as_of))
        states[dag.dag_id] = {ti.task_id: str(ti.state) for ti in done.get_task_instances()}
        states[dag.dag_id]["run"] = str(done.state)
    return states


if __name__ == "__main__":
    for job in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        try:
            told: object = run(**job)
        except Exception as error:  # the others go on
            told = f"{type(error).__name__}: {error}"
        print("RESULT " + json.dumps({"file": job["file"], "told": told}), flush=True)

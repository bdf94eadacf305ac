"""The DAGs in dags_examples: they are read without a warning, cheaply, and do what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "dags_examples"
EXAMPLES = sorted(file.stem for file in FOLDER.glob("*.py"))


def test_there_are_eight_example_dags() -> None:
    """The shortest one, alert, campaign, export, many workers, asset-driven, any function, a fallback."""
    assert len(EXAMPLES) == 8


@pytest.fixture(scope="module")
def dagbag(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What Airflow's own DagBag makes of the folder, in a process of its own and with warnings as errors."""
    program = (
        "import json, sys, warnings\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        "from airflow.serialization.serialized_objects import DagSerialization\n"
        "import airflow.providers.standard.operators.hitl\n"
        "warnings.simplefilter('error')\n"
        "bag = DagBag(sys.argv[1])\n"
        "print('RESULT', json.dumps({'errors': bag.import_errors, 'warnings': {k: list(v) for k, v in "
        "bag.captured_warnings.items()}, 'dags': {k: sorted(d.task_dict) for k, d in bag.dags.items()}, "
        "'catchup': [k for k, d in bag.dags.items() if d.catchup and d.schedule]}))\n"
        "for dag in bag.dags.values():\n"
        "    DagSerialization.to_dict(dag)\n"
        "print('SERIALIZED')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(FOLDER)],
        env={**os.environ, "AIRFLOW__SCHEDULER__CATCHUP_BY_DEFAULT": "True"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert "SERIALIZED" in done.stdout, done.stdout[-2000:] + done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    return dict(json.loads(line.removeprefix("RESULT")))


@pytest.mark.in_turn
def test_example_dags_import_and_serialize_without_warnings(dagbag: dict[str, dict[str, object]]) -> None:
    """No import error, no warning, and each can be serialized."""
    assert dagbag["errors"] == {}
    assert dagbag["warnings"] == {}
    assert sorted(dagbag["dags"]) == EXAMPLES


def test_only_the_export_example_enables_catchup(dagbag: dict[str, dict[str, object]]) -> None:
    """Where a deployment catches up by default, as Airflow 2 did: last week's people are told nothing today."""
    assert dagbag["catchup"] == ["daily_export"]


def test_nightly_campaign_example_has_the_expected_tasks(
    dagbag: dict[str, dict[str, object]],
) -> None:
    """As its first line says."""
    expected = ["approve", "load", "plan", "report", "send", "wait"]
    assert dagbag["dags"]["nightly_zns_campaign"] == expected


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_contains_no_phone_number_or_secret_key(name: str) -> None:
    """No phone and no key stands in a DAG file: Airflow shows its code."""
    from esms_connectors.gateway.redaction import mask_phones

    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    assert mask_phones(text) == text
    assert "SecretKey" not in text


def test_fallback_examples_have_fewer_than_25_lines() -> None:
    """The DAG and the flow that the page shows, imports included."""
    for file in (FOLDER / "zns_else_sms.py", FOLDER.parent / "flows_examples" / "zns_else_sms.py"):
        assert len(file.read_text(encoding="utf-8").splitlines()) < 25

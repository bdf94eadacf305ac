"""Without Airflow or Prefect, as in the environment of the core, their adapters name what to install."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest


@pytest.mark.parametrize("name", ["airflow.operators", "airflow.triggers", "prefect", "prefect.blocks"])
def test_missing_framework_error_names_the_extra(name: str) -> None:
    """In one line, whatever of it is imported."""
    with pytest.raises(ModuleNotFoundError) as error:
        importlib.import_module(f"esms_connectors.{name}")
    extra = name.partition(".")[0]
    assert str(error.value) == (
        f"esms_connectors.{extra} needs the extra [{extra}]: pip install 'esms-connectors[{extra}]'"
    )


def test_messages_of_a_person_are_found_without_the_extra_for_reports() -> None:
    """Only pages, workbooks and charts need it."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['babel', 'jinja2', 'xlsxwriter', 'vl_convert']))\n"
        "import esms_connectors.reports.finding, esms_connectors.reports.person, esms_connectors.reports.writing\n"
        "import esms_connectors.reports as reports\n"
        "try: reports.render_report(None, '.html')\n"
        "except Exception as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "Reports need the extra [reports]: pip install 'esms-connectors[reports]'\n"

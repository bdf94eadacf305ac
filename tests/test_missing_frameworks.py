"""Without Airflow or Prefect, as in the environment of the core, their adapters name what to install."""

from __future__ import annotations

import importlib

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

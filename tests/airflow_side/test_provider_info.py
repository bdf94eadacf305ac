"""The provider as Airflow discovers it. Airflow itself is real and installed."""

import json
import subprocess
import sys
from importlib import resources

import jsonschema
import pytest
from packaging.utils import canonicalize_name

from esms_connectors.airflow.provider_info import get_provider_info


def test_provider_info_is_valid_and_named_as_the_distribution() -> None:
    """A mistake here would make every Airflow command on the machine fail."""
    schema = json.loads((resources.files("airflow") / "provider_info.schema.json").read_text())
    info = get_provider_info()
    jsonschema.validate(info, schema)
    assert info["package-name"] == canonicalize_name("esms-connectors")


@pytest.fixture(scope="module")
def listed_providers(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `airflow providers list` prints in a home of its own."""
    home = tmp_path_factory.mktemp("airflow")
    command = [sys.executable, "-m", "airflow", "providers", "list", "--output", "json"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "AIRFLOW_HOME": str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "esms" not in done.stderr, done.stderr[-2000:]
    return done.stdout


def test_airflow_lists_the_provider(listed_providers: str) -> None:
    """Airflow finds the provider through the entry point of the installed distribution."""
    packages = {provider["package_name"] for provider in json.loads(listed_providers)}
    assert "esms-connectors" in packages

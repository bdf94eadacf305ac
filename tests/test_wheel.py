"""What is published: one package, and nothing that only this repository runs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_it_holds_one_package_and_what_esms_demo_needs(wheel: zipfile.ZipFile) -> None:
    """The servers of `make demo`, the tests and the examples stay here."""
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"esms_connectors"}
    of_the_demo = {name.rpartition("/")[2] for name in wheel.namelist() if name.startswith("esms_connectors/demo/")}
    assert of_the_demo == {"__init__.py", "campaign.py", "folder.py", "customers.csv"}

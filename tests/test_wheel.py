"""What is published: one package, a page that reads well on an index, and nothing that only this repository runs."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
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


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return message_from_bytes(wheel.read(name))


def test_wheel_contains_one_package_and_the_demo_files(wheel: zipfile.ZipFile) -> None:
    """The servers of `make demo` and the tests stay here."""
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"esms_connectors"}
    of_the_demo = {name.rpartition("/")[2] for name in wheel.namelist() if name.startswith("esms_connectors/demo/")}
    assert of_the_demo == {"__init__.py", "campaign.py", "folder.py", "customers.csv"}


def test_wheel_contains_the_examples(wheel: zipfile.ZipFile) -> None:
    """Each file that `esms examples` lists, beside the module that looks for them."""
    for kind, folder in {"dags": "dags_examples", "flows": "flows_examples"}.items():
        here = {path.name: path.read_bytes() for path in (ROOT / folder).glob("*.*")}
        packed = f"esms_connectors/examples/{kind}/"
        inside = {name.removeprefix(packed): wheel.read(name) for name in wheel.namelist() if name.startswith(packed)}
        assert inside == here


def test_package_page_has_only_absolute_links(metadata: Message) -> None:
    """On a package index a link that is relative leads nowhere."""
    page = metadata.get_payload()
    links = re.findall(r"\]\(([^)]+)\)", str(page))
    assert links
    assert [link for link in links if not link.startswith("https://")] == []


def test_metadata_has_author_licence_and_project_urls(metadata: Message) -> None:
    """Authors, licence, and the addresses an index shows beside the page."""
    addresses = dict(address.split(", ", 1) for address in metadata.get_all("Project-URL", []))
    assert set(addresses) >= {"Documentation", "Source", "Issues", "Changelog"}
    assert all(address.startswith("https://") for address in addresses.values())
    assert metadata["Author-email"]
    assert metadata["License-Expression"] == "Apache-2.0"

"""`esms examples`: what is listed is what is copied, unchanged, and nothing of a user's own is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from running import Run, assert_one_clear_line

ROOT = Path(__file__).parents[2]


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def in_repository() -> dict[str, bytes]:
    folders = {"dags": "dags_examples", "flows": "flows_examples"}
    return {
        f"{kind}/{path.name}": path.read_bytes()
        for kind, folder in folders.items()
        for path in (ROOT / folder).glob("*.*")
    }


@pytest.mark.in_turn
def test_all_examples_are_listed_and_copied_unchanged(run: Run, tmp_path: Path) -> None:
    listed = json.loads(run("examples", "--json").stdout)
    assert {one["name"] for one in listed} == {name.removesuffix(".py") for name in in_repository()}
    for one in listed:
        assert one["about"].endswith("."), f"{one['name']} does not begin with one sentence on one line"
        assert one["about"] in run("examples").stdout

    folder = tmp_path / "copies"
    assert run("examples", "copy", "--all", "--to", str(folder)).returncode == 0
    assert {name: (folder / name).read_bytes() for name in files_in(folder)} == in_repository()


@pytest.mark.parametrize(
    ("names", "copied"),
    [
        (["dags/first_campaign"], {"first_campaign.py"}),
        (["nightly_zns_campaign.py"], {"nightly_zns_campaign.py"}),
        (["flows/spread_over_dask"], {"spread_over_dask.py", "nightly_campaign.py"}),  # which it imports
        (["flows/"], {name.partition("/")[2] for name in in_repository() if name.startswith("flows/")}),
        (["dags/watch_quota", "flows/watch_quota"], {"dags/watch_quota.py", "flows/watch_quota.py"}),
    ],
)
def test_examples_are_copied_by_name(run: Run, tmp_path: Path, names: list[str], copied: set[str]) -> None:
    assert run("examples", "copy", *names, "--to", str(tmp_path / "new")).returncode == 0
    assert files_in(tmp_path / "new") == copied


def test_existing_files_are_overwritten_only_on_request(run: Run, tmp_path: Path) -> None:
    """Nor is anything else copied then."""
    mine = tmp_path / "first_campaign.py"
    mine.write_text("mine")
    done = run("examples", "copy", "dags", "--to", str(tmp_path))
    assert_one_clear_line(done, 2, "first_campaign.py already exists, nothing was copied")
    assert files_in(tmp_path) == {"first_campaign.py"}
    assert mine.read_text() == "mine"
    assert run("examples", "copy", "dags", "--to", str(tmp_path), "--overwrite").returncode == 0
    assert mine.read_bytes() == in_repository()["dags/first_campaign.py"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["first_campaign"], "give dags/first_campaign or flows/first_campaign"),
        (["nope"], "There is no example 'nope'"),
        ([], "Give the NAME of an example, or --all"),
        (["--all", "dags"], "Give the NAME of an example, or --all"),
        (["dags", "--to", os.devnull], f"{os.devnull} cannot be written to"),
    ],
)
def test_invalid_copy_arguments_give_one_line_error(run: Run, arguments: list[str], words: str) -> None:
    assert_one_clear_line(run("examples", "copy", *arguments), 2, words)

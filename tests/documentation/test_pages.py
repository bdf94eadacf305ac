"""What the pages say is so: links lead somewhere, the commands are those of the command line."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from documentation import commands_page, operations_page
from documentation.code_blocks import PAGES as CODE_PAGES
from documentation.code_blocks import ROOT, blocks_of
from documentation.pages import provider_info
from documentation.reference import PUBLIC
from markdown_it import MarkdownIt

with (ROOT / "pyproject.toml").open("rb") as _file:
    SOURCE = tomllib.load(_file)["project"]["urls"]["Source"]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]

# What a framework needs of a module, or we of a framework, is not for people; nor are places where the names of
# `esms_connectors.prefect` stand once more, for deployments.
FOR_FRAMEWORKS = {
    "esms_connectors.airflow.framework",
    "esms_connectors.prefect.async_twins",
    "esms_connectors.prefect.blocks",
    "esms_connectors.prefect.flows",
    "esms_connectors.prefect.tasks",
}


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_reference_covers_every_module_with_public_names() -> None:
    """And each that it shows is there."""
    files = {module_name(file): file for file in (ROOT / "esms_connectors").rglob("*.py")}
    offering = {name for name, file in files.items() if "\n__all__ = " in file.read_text(encoding="utf-8")}
    assert offering - FOR_FRAMEWORKS <= set(PUBLIC) <= set(files)


def test_reference_covers_every_module_of_the_airflow_provider() -> None:
    """Those have no `__all__`: Airflow's users import classes from where they are."""
    told = provider_info()
    kinds = ("operators", "sensors", "triggers", "hooks")
    modules = {module for kind in kinds for part in told[kind] for module in part["python-modules"]}
    modules |= {transfer["python-module"] for transfer in told["transfers"]}
    assert modules <= set(PUBLIC)


def private_names_in(code: str) -> list[str]:
    """What the code imports of the package that no page of the reference shows."""
    return [
        f"{node.module}.{name.name}"
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("esms_connectors")
        for name in node.names
        if name.name not in PUBLIC.get(node.module or "", ())
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_use_only_public_names(page: Path) -> None:
    """What stands on a page is copied."""
    for block in blocks_of(page) if page in CODE_PAGES else []:
        if block.language == "python":
            assert private_names_in(block.text) == [], block.where


@pytest.mark.parametrize("folder", ["dags_examples", "flows_examples"])
def test_examples_use_only_public_names(folder: str) -> None:
    """So is an example."""
    for file in (ROOT / folder).rglob("*.py"):
        assert private_names_in(file.read_text(encoding="utf-8")) == [], file


@pytest.mark.parametrize("written", [commands_page, operations_page], ids=["commands", "operations"])
def test_generated_pages_are_up_to_date(written: ModuleType) -> None:
    """`python tests/documentation/commands_page.py` writes it anew, `operations_page.py` the other."""
    assert written.PAGE.read_text(encoding="utf-8") == written.page()


def anchors_of(text: str) -> set[str]:
    """Those that GitHub makes of headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", heading.casefold()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_existing_files_and_headings(page: Path) -> None:
    """Files and headings, as GitHub reads them; the site checks its own when it is built."""
    links = [
        str(child.attrs["href"])
        for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
        for child in token.children or ()
        if child.type == "link_open"
    ]
    for link in links:
        here = link.removeprefix(f"{SOURCE}/blob/main/")
        if here.startswith(("https://", "http://")):
            continue
        path, _, anchor = here.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        if anchor:
            assert anchor in anchors_of(target.read_text(encoding="utf-8")), f"{link}: there is no such heading"


def test_environment_page_lists_every_variable_that_the_package_reads() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "esms_connectors").rglob("*.py"))
    names = set(re.findall(r"\bESMS_[A-Z_]+\b", source)) - {"ESMS_RETRY_POLICY"}
    page = (ROOT / "docs/reference/environment.md").read_text(encoding="utf-8")
    assert set(re.findall("`(ESMS_[A-Z_]+)`", page)) == names


def test_airflow_page_names_every_field_of_the_connection() -> None:
    """Where a connection is written as JSON, the names are needed; the form of the UI shows labels only."""
    ((connection,), page) = provider_info()["connection-types"], (ROOT / "docs/airflow.md").read_text(encoding="utf-8")
    table = page.partition("| in the extra |")[2].partition("\n\n")[0]
    named = {
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }
    assert named == set(connection["conn-fields"])


def test_every_page_is_reachable_from_the_index() -> None:
    """By links, not only by the menu of the site."""
    seen: set[Path] = set()
    waiting = [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        waiting += [(page.parent / link).resolve() for link in links if "://" not in link]
    assert set(ROOT.glob("docs/**/*.md")) - seen == set()

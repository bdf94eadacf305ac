"""A target of each kind, empty and prepared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_targets import DLT_FILE
from targets import ALL_TARGETS, MYSQL, RULES, TARGETS, Target

from esms_connectors.warehouse.dlt_destination import DltWarehouse


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # Tests of one target have a `target` of their own.
    if "target" in metafunc.fixturenames and not hasattr(metafunc.module, "target"):
        rules = RULES if metafunc.module.__name__ in ("test_warehouse_merge", "test_merge_refused") else {}
        test = metafunc.function.__name__
        if metafunc.config.getoption("mysql"):
            metafunc.parametrize("target", [MYSQL], indirect=True)
            return
        # Through dlt each of them takes seconds.
        marks = {"dlt": [pytest.mark.in_turn]}
        chosen = [pytest.param(one, marks=marks.get(one, ())) for one in TARGETS if test in rules.get(one, {test})]
        metafunc.parametrize("target", chosen, indirect=True)


@pytest.fixture(scope="session")
def dlt_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in which dlt has made the tables; it takes its time."""
    path = tmp_path_factory.mktemp("dlt") / DLT_FILE
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DESTINATION__DUCKDB__CREDENTIALS", f"duckdb:///{path}")
        with DltWarehouse("duckdb", "esms") as warehouse:
            warehouse.prepare()
    return path


def _open(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Target]:
    made = ALL_TARGETS[kind](request, folder)
    if kind == "dlt":
        shutil.copy(request.getfixturevalue("dlt_tables"), folder)
    made.warehouse.prepare()
    yield made
    made.warehouse.close()


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """Each target."""
    yield from _open(request.param, request, tmp_path)


@pytest.fixture(params=["duckdb", "postgresql", "parquet", MYSQL])
def large_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """One target for each way of merging: what is large or long need not be done by each of its file formats."""
    yield from _open(request.param, request, tmp_path)


@pytest.fixture(params=["duckdb", "postgresql"])
def sql_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """One target for each database that runs the merge."""
    yield from _open(request.param, request, tmp_path)


@pytest.fixture(params=["duckdb", "postgresql", "parquet", MYSQL])
def read_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """One target for each way of being read while a load writes."""
    yield from _open(request.param, request, tmp_path)


@pytest.fixture(params=["duckdb", "postgresql", MYSQL])
def forgetting_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """One target for each database that forgets by age."""
    yield from _open(request.param, request, tmp_path)


@pytest.fixture(params=["duckdb", "postgresql", "parquet", "dlt", MYSQL])
def shared_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """One target for each way of sharing one among processes: file formats differ in the bytes alone."""
    yield from _open(request.param, request, tmp_path)


@pytest.fixture(params=["duckdb", "postgresql", "parquet", "dlt", MYSQL])
def unprepared_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """The same, where there is nothing yet."""
    made = ALL_TARGETS[request.param](request, tmp_path)
    yield made
    made.warehouse.close()


@pytest.fixture
def dlt_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """dlt, with a DuckDB file behind it."""
    yield from _open("dlt", request, tmp_path)


@pytest.fixture
def duckdb_target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    return TARGETS["duckdb"](request, tmp_path)


@pytest.fixture
def postgresql_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    made = TARGETS["postgresql"](request, tmp_path)
    yield made
    made.warehouse.close()

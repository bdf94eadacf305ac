"""A target of each kind, empty and prepared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from targets import TARGETS, Target


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """Each target."""
    made = TARGETS[request.param](request, tmp_path)
    made.warehouse.prepare()
    yield made
    made.warehouse.close()


@pytest.fixture(params=["duckdb", "postgresql", "parquet"])
def large_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """One target for each way of merging: what is large or long need not be done by each of its file formats."""
    made = TARGETS[request.param](request, tmp_path)
    made.warehouse.prepare()
    yield made
    made.warehouse.close()


@pytest.fixture(params=TARGETS)
def unprepared_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """Each target, where there is nothing yet."""
    made = TARGETS[request.param](request, tmp_path)
    yield made
    made.warehouse.close()


@pytest.fixture
def duckdb_target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    return TARGETS["duckdb"](request, tmp_path)


@pytest.fixture
def postgresql_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    made = TARGETS["postgresql"](request, tmp_path)
    yield made
    made.warehouse.close()

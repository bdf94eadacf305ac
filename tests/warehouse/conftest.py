"""A target of each kind, empty and prepared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from targets import TARGETS, Target

# What comes from CSV, from JSONL and through dlt is merged in the same DuckDB as Parquet is; their own are the way
# there and back, and dlt's healing. Of the rules of the merge they get those that cross the way.
_MERGED_LIKE_PARQUET = {"csv", "jsonl", "dlt"}
_RULES_THAT_CROSS_THE_WAY = {
    "test_new_rows_are_stored_as_they_came",
    "test_a_second_load_of_the_same_changes_nothing",
    "test_a_status_that_changed_is_taken_and_noted",
    "test_a_return_from_going_back_takes_the_flag_away",
    "test_an_older_reading_changes_nothing_that_a_newer_one_changed",
    "test_what_a_load_leaves_about_its_window",
    "test_a_plan_keeps_what_was_loaded",
    "test_a_recount_is_noted_and_nothing_else",
    "test_the_order_of_loads_counts_and_not_their_clocks",
    "test_another_way_of_keeping_phones_is_refused",
    "test_a_source_that_breaks_off_leaves_nothing",
    "test_erasing_a_person_by_the_stored_phone",
    "test_erasing_a_person_by_the_keys",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # Tests of one target have a `target` of their own.
    if "target" in metafunc.fixturenames and not hasattr(metafunc.module, "target"):
        of_the_merge = metafunc.module.__name__ == "test_warehouse_merge"
        all_of_them = not of_the_merge or metafunc.function.__name__ in _RULES_THAT_CROSS_THE_WAY
        names = [name for name in TARGETS if all_of_them or name not in _MERGED_LIKE_PARQUET]
        metafunc.parametrize("target", names, indirect=True)


@pytest.fixture
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


@pytest.fixture(params=["duckdb", "postgresql", "parquet", "dlt"])
def shared_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """One target for each way of sharing one among processes: file formats differ in the bytes alone."""
    made = TARGETS[request.param](request, tmp_path)
    made.warehouse.prepare()
    yield made
    made.warehouse.close()


@pytest.fixture(params=["duckdb", "postgresql", "parquet", "dlt"])
def unprepared_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """The same, where there is nothing yet."""
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

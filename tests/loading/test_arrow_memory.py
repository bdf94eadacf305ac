"""Arrow's allocator belongs to the process: a load gives it back as it was."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pyarrow as pa
import pytest
from pulling_bench import Load, Place

from esms_connectors.emulator import Emulator
from esms_connectors.emulator.faults import code
from esms_connectors.gateway.errors import EsmsError
from esms_connectors.warehouse.arrow_memory import system_allocator


def test_overlapping_loads_restore_the_allocator_when_the_last_ends() -> None:
    before = pa.default_memory_pool().backend_name
    first, second = system_allocator(), system_allocator()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert pa.default_memory_pool().backend_name == "system"
    second.__exit__(None, None, None)
    assert pa.default_memory_pool().backend_name == before


@pytest.mark.in_turn(every=3)
def test_command_line_uses_the_system_allocator_for_arrow() -> None:
    program = (
        "import sys\nfrom esms_connectors.cli import main\nsys.argv = ['esms', '--version']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "import pyarrow\nprint(pyarrow.default_memory_pool().backend_name)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "system"


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("fails", [False, True])
def test_load_uses_the_system_allocator_and_restores_the_previous_one(
    gateway: Emulator, make_place: Callable[[str], Place], load: Load, fails: bool
) -> None:
    before, seen = pa.default_memory_pool().backend_name, set()
    gateway.populate(10)
    if fails:
        gateway.faults.add("get_sms_sent_data", code("101"))
    try:
        load(make_place("duckdb"), progress=lambda _: seen.add(pa.default_memory_pool().backend_name))
    except EsmsError:
        assert fails
    assert fails or "system" in seen
    assert pa.default_memory_pool().backend_name == before

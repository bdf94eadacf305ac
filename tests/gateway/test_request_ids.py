"""The same message has the same request id, in every process; another message has another."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esms_connectors import InvalidRequestError, make_request_id
from esms_connectors.gateway.request_ids import check_request_id, random_request_id

parts = st.lists(st.none() | st.integers() | st.text(), min_size=1, max_size=6)


@pytest.mark.in_turn(every=3)
@given(one=parts, other=parts)
def test_request_ids_are_equal_exactly_for_equal_parts(one: list[Any], other: list[Any]) -> None:
    """1, "1" and None are different; so are ("ab", "c") and ("a", "bc")."""
    assert make_request_id(*one) == make_request_id(*one)
    assert (make_request_id(*one) == make_request_id(*other)) == (one == other)


@pytest.mark.in_turn(every=3)
@given(given_parts=parts)
def test_request_ids_meet_the_gateway_format(given_parts: list[Any]) -> None:
    """At most 50 characters, nothing but lower-case letters and digits."""
    assert re.fullmatch(r"[0-9a-z]{40}", check_request_id(make_request_id(*given_parts)))


def test_request_ids_are_stable_between_versions() -> None:
    """A ledger written by another version must recognise its messages: this value is fixed for good."""
    assert make_request_id("dag", "run", "task", 0, None, "Đơn hàng") == "1a06d4eb9f64ab95525d905b1dfc0c0afd991f90"


def test_request_ids_are_stable_between_processes() -> None:
    """Hash randomisation plays no part."""
    program = "from esms_connectors import make_request_id as make; print(make('dag', 1, None, 'Đ'))"
    ids = {
        subprocess.run(
            [sys.executable, "-X", "utf8", "-c", program],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert ids == {make_request_id("dag", 1, None, "Đ")}


def test_request_id_requires_at_least_one_part() -> None:
    """An id that says nothing would be everybody's."""
    with pytest.raises(InvalidRequestError):
        make_request_id()


def test_random_request_ids_are_unique() -> None:
    """A thousand of them, all usable."""
    assert len({check_request_id(random_request_id()) for _ in range(1000)}) == 1000

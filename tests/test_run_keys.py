"""Run keys that templates and scripts make of values that are not there."""

from __future__ import annotations

import pytest

from esms_connectors import InvalidRequestError
from esms_connectors.ledger.keys import check_run_key


@pytest.mark.parametrize(
    "run_key",
    [
        "visits-None",
        "None",
        "None-visits",
        "visits-None-evening",
        "visits/None/2",
        "visits None",
        "visits (None)",
        "visits=None",
        "visits-nan",
        "visits-NaT",
        "visits-<NA>",
        "visits-null",
        "visits_undefined",
    ],
)
def test_run_key_with_a_word_for_a_missing_value_is_rejected(run_key: str) -> None:
    """The next campaign without its value would come to the same key."""
    with pytest.raises(InvalidRequestError, match="as a part: a value is missing there"):
        check_run_key(run_key)


@pytest.mark.parametrize(
    "run_key",
    ["visits-", "-visits", "visits--evening", "visits__evening", "visits_", "visits/", "visits - - 2", "a/-b"],
)
def test_run_key_with_an_empty_part_is_rejected(run_key: str) -> None:
    """What a shell makes of a variable that is not set, and Jinja of one that it does not know."""
    with pytest.raises(InvalidRequestError, match="has an empty part"):
        check_run_key(run_key)


@pytest.mark.parametrize("run_key", [None, 20261101, b"march", "", " march", "march ", "a\nb", "x" * 201])
def test_invalid_run_key_gives_one_line_error(run_key: object) -> None:
    """Told in one line, whatever it is."""
    with pytest.raises(InvalidRequestError) as error:
        check_run_key(run_key)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "run_key",
    [
        "march-campaign",
        "visits-2026-11-27",
        "visits-2026-11-27T00:00:00+07:00",
        "March - Hanoi",
        "tháng 3/2026",
        "Nonesuch-nullable-nano",
        "s3://bucket/customers.csv",
        "many-workers-manual__2026-11-27T08:00:00.123456+00:00_a1b2",
        "many-scheduled__2026-11-27T00:00:00+00:00__XyZ12-evening",
        "scheduled__1",
        "asset_triggered__2026-11-27T00:00:00Z__part_1__XyZ12",
        "airflow/my--dag/manual__2026-11-27T00:00:00+00:00/load_null_",
        "march#2",
        "Chăm sóc KH no. 5",
    ],
)
def test_ordinary_run_keys_are_accepted(run_key: str) -> None:
    """Dates, addresses, ids of runs; and keys that are made of ids, which may be called anything."""
    assert check_run_key(run_key) == run_key

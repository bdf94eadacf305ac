"""
The same flow on two processes of Ray. Its wheel is big, so this has an environment of its own: `make test-ray`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from conftest import phone_of
from prefect_ray import RayTaskRunner

from esms_connectors.emulator import Emulator
from esms_connectors.ledger import Ledger
from esms_connectors.prefect import ZnsCampaign, zns_campaign


@pytest.mark.timeout(400)
def test_ray_workers_share_a_campaign_of_20000_rows_without_duplicates(
    gateway: Emulator,
    books: Ledger,
    make_campaign: Callable[..., ZnsCampaign],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Everybody once; running it again on threads costs no call."""
    # Else Ray makes one up and leaves it in the home of whoever runs the tests.
    monkeypatch.setenv("RAY_AUTH_TOKEN", uuid.uuid4().hex)
    campaign = make_campaign(20_000)
    runner = RayTaskRunner(init_kwargs={"num_cpus": 2, "include_dashboard": False})
    told = zns_campaign.with_options(task_runner=runner)(campaign, chunks_per_shard=4)
    assert (told["accepted"], told["shards"]) == (20_000, 10)
    assert gateway.deliveries_by_phone() == {phone_of(number): 1 for number in range(20_000)}
    assert books.summary(campaign.run_key).accepted == 20_000
    again = zns_campaign(campaign, chunks_per_shard=4)
    assert (again["shards_passed_over"], gateway.message_count) == (10, 20_000)

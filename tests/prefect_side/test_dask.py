"""The same flow on two processes of Dask: the ledger makes it safe, and no secret travels."""

from __future__ import annotations

from collections.abc import Callable

import cloudpickle
from conftest import phone_of
from prefect_dask import DaskTaskRunner

from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator
from esms_connectors.prefect import EsmsCredentials, ZnsCampaign, plan_zns_bulk, send_zns_bulk, zns_campaign
from esms_connectors.prefect.sending import read_shards


def test_two_processes_share_a_campaign(gateway: Emulator, make_campaign: Callable[..., ZnsCampaign]) -> None:
    """Everybody once, in one task a shard; running it again on threads costs no call."""
    campaign = make_campaign(3000, chunk_size=100)
    runner = DaskTaskRunner(
        cluster_kwargs={"n_workers": 2, "threads_per_worker": 2, "processes": True, "dashboard_address": None}
    )
    told = zns_campaign.with_options(task_runner=runner)(campaign, chunks_per_shard=3)
    assert (told["accepted"], told["shards"]) == (3000, 10)
    assert gateway.deliveries_by_phone() == {phone_of(number): 1 for number in range(3000)}
    again = zns_campaign(campaign, chunks_per_shard=3)
    assert (again["shards_passed_over"], gateway.message_count) == (10, 3000)


def test_what_is_handed_to_a_runner_holds_no_secret(
    credentials: EsmsCredentials, make_campaign: Callable[..., ZnsCampaign]
) -> None:
    """Tasks, arguments, and the blocks themselves."""
    campaign = make_campaign(10)
    plan = plan_zns_bulk(campaign)
    with read_shards(campaign, plan) as shards:
        handed = [(send_zns_bulk, shard, campaign, credentials) for shard in shards]
    data = cloudpickle.dumps(handed)
    assert phone_of(1).encode() in data
    assert DEMO_API_KEY.encode() not in data
    assert DEMO_SECRET_KEY.encode() not in data

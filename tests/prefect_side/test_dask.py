"""The same flow on two processes of Dask: the ledger makes it safe, and no secret travels."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cloudpickle
import pytest
from conftest import phone_of, save_as
from distributed import LocalCluster
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.states import Cancelling
from prefect_dask import DaskTaskRunner

from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator, EmulatorServer
from esms_connectors.ledger import Ledger
from esms_connectors.prefect import EsmsCredentials, EsmsLedger, ZnsCampaign, plan_zns_bulk, send_zns_bulk, zns_campaign
from esms_connectors.prefect.sending import read_shards

pytestmark = pytest.mark.in_turn(on=6)

EXAMPLES = Path(__file__).parents[2] / "flows_examples"


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two processes, and each imports all of Prefect: once for all tests."""
    with LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0") as cluster:
        yield cluster


def test_dask_workers_share_a_campaign_without_duplicates(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], cluster: LocalCluster
) -> None:
    """Everybody once, in one task a shard; running it again on threads costs no call."""
    campaign = make_campaign(900, chunk_size=30)
    runner = DaskTaskRunner(address=cluster.scheduler_address)
    told = zns_campaign.with_options(task_runner=runner)(campaign, chunks_per_shard=3)
    assert (told["accepted"], told["shards"]) == (900, 10)
    assert gateway.deliveries_by_phone() == {phone_of(number): 1 for number in range(900)}
    again = zns_campaign(campaign, chunks_per_shard=3)
    assert (again["shards_passed_over"], gateway.message_count) == (10, 900)


def test_cancelled_run_stops_on_dask_workers_with_nothing_in_doubt(
    gateway: Emulator,
    server: EmulatorServer,
    books: Ledger,
    make_campaign: Callable[..., ZnsCampaign],
    cluster: LocalCluster,
) -> None:
    """They are other processes, so nobody sends them a signal. What left is settled, and all else is free."""
    campaign = make_campaign(3000, chunk_size=20)
    server.latency_seconds = 0.6
    runner = DaskTaskRunner(address=cluster.scheduler_address)

    def cancel(call: object) -> None:
        """In the middle of the first tasks, each of which has twenty calls to make."""
        if gateway.message_count >= 100 and not cancelled:
            with get_client(sync_client=True) as api:
                [run] = api.read_flow_runs(
                    flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[f"zns-campaign {campaign.run_key}"]))
                )
                api.set_flow_run_state(run.id, Cancelling())
            cancelled.append(gateway.message_count)

    cancelled: list[int] = []
    gateway.on_call("send_zns_bulk", cancel)
    zns_campaign.with_options(task_runner=runner)(campaign, chunks_per_shard=20, return_state=True)
    assert cancelled[0] <= gateway.message_count <= cancelled[0] + 600
    run = books.summary(campaign.run_key)
    assert (run.claimed, run.unknown, run.accepted) == (0, 0, gateway.message_count)


def test_dask_example_sends_each_row_once(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], customers: Callable[[int], Path], tmp_path: Path
) -> None:
    """The example as it is printed."""
    block = EsmsLedger(url=f"sqlite:///{tmp_path / 'example.sqlite'}")
    block.save("default", overwrite=True)
    save_as(EsmsCredentials.load(make_campaign(0, source="x").credentials), "default")
    sys.path.insert(0, str(EXAMPLES))
    try:
        told = runpy.run_path(str(EXAMPLES / "spread_over_dask.py"))["spread"](str(customers(40)))
    finally:
        sys.path.remove(str(EXAMPLES))
    assert told["accepted"] == 40
    assert gateway.deliveries_by_phone() == {phone_of(number): 1 for number in range(40)}


def test_pickled_task_arguments_contain_no_credentials(
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

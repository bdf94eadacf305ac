"""
The campaign of `nightly_campaign.py` on a Dask cluster.

The ledger makes it safe; with workers on several machines use PostgreSQL for it, and a result storage that all of them
can reach.

    python spread_over_dask.py customers.csv [tcp://scheduler:8786]
"""

import sys

from nightly_campaign import campaign_for
from prefect_dask import DaskTaskRunner

from esms_connectors.prefect import zns_campaign


def spread(source: str, scheduler: str | None = None, run_key: str = "dask-campaign") -> dict[str, object]:
    cluster = {"n_workers": 2, "threads_per_worker": 2, "dashboard_address": ":0"}
    runner = DaskTaskRunner(address=scheduler) if scheduler else DaskTaskRunner(cluster_kwargs=cluster)
    # A Dask task costs a tenth of a second, so each one sends several chunks.
    return zns_campaign.with_options(task_runner=runner)(
        campaign_for(source, run_key), chunks_per_shard=10, shards_at_a_time=8
    )


if __name__ == "__main__":
    print(spread(*sys.argv[1:3]))

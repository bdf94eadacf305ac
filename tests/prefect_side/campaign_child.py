"""
A campaign's flow in a process of its own, so that it can be killed.

    python tests/prefect_side/campaign_child.py '{"run_key": …}' '{"chunks_per_shard": …}' seconds

It lives so many seconds away from the machine's time, as the gateway of the test does.
"""

from __future__ import annotations

import json
import sys

from esms_connectors.gateway import machine_clock
from esms_connectors.prefect import ChannelCampaign, ZnsCampaign, zns_campaign
from esms_connectors.prefect import campaign as channel_campaign

if __name__ == "__main__":
    campaign, settings, shift = map(json.loads, sys.argv[1:])
    machine_clock.source = lambda: machine_clock.machine_time().add(seconds=shift)
    if "channel" in campaign:
        print(json.dumps(channel_campaign(ChannelCampaign(**campaign), **settings)))
    else:
        print(json.dumps(zns_campaign(ZnsCampaign(**campaign), **settings)))

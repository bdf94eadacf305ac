"""
A campaign's flow in a process of its own, so that it can be killed.

    python tests/prefect_side/campaign_child.py '{"run_key": …}' ['{"chunks_per_shard": …}']
"""

from __future__ import annotations

import json
import sys

from esms_connectors.prefect import ZnsCampaign, zns_campaign

if __name__ == "__main__":
    campaign, *settings = map(json.loads, sys.argv[1:])
    print(json.dumps(zns_campaign(ZnsCampaign(**campaign), **(settings[0] if settings else {}))))

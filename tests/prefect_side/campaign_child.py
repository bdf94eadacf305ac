"""
A campaign's flow in a process of its own, so that it can be killed.

    python tests/prefect_side/campaign_child.py '{"run_key": …}'
"""

from __future__ import annotations

import json
import sys

from esms_connectors.prefect import ZnsCampaign, zns_campaign

if __name__ == "__main__":
    print(json.dumps(zns_campaign(ZnsCampaign(**json.loads(sys.argv[1])))))

"""
Check before the evening's campaigns how many ZNS the Official Account may still send today; fail if too few.

    python watch_quota.py 1000

`call_gateway` calls any function of the gateway by name; `esms call --help` lists them. It uses the blocks of
`blocks.py`.
"""

import sys

from prefect import flow

from esms_connectors.emulator import DEMO_OA_ID
from esms_connectors.prefect import call_gateway


@flow(name="watch-quota")
def watch_quota(needed: int, oa_id: str = DEMO_OA_ID) -> int:
    left = call_gateway("get_oa_quota", {"oa_id": oa_id})["remaining"]
    # Continue if the gateway does not report the quota.
    if left is not None and left < needed:
        raise ValueError(f"only {left} ZNS are left today")
    return left or 0


if __name__ == "__main__":
    print(watch_quota(int(sys.argv[1])))

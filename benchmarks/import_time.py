"""
What importing costs, in fresh interpreters: the package alone, the client, and what it stands on.

    python benchmarks/import_time.py [--runs 7]
"""

import argparse
import re
import statistics
import subprocess
import sys


def import_times(statement: str) -> dict[str, tuple[int, int]]:
    """Microseconds (own, with children) of each module that `statement` imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", statement], capture_output=True, text=True, check=True
    )
    rows = re.findall(r"import time:\s+(\d+) \|\s+(\d+) \|\s+(\S+)", done.stderr)
    return {name: (int(own), int(total)) for own, total, name in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    base = set(import_times("pass"))
    for statement in (
        "import esms_connectors",
        "from esms_connectors import EsmsClient",
        "import requests",
        "import pendulum",
        "import requests, pendulum",
    ):
        totals, ours = [], []
        for _ in range(runs):
            times = import_times(statement)
            totals.append(sum(own for name, (own, _) in times.items() if name not in base) / 1000)
            ours.append(sum(own for name, (own, _) in times.items() if name.startswith("esms_connectors")) / 1000)
        print(
            f"{statement:<42} {statistics.median(totals):7.1f} ms   of that ours {statistics.median(ours):5.1f} ms"
            f"   (median of {runs}, least {min(totals):.1f})"
        )


if __name__ == "__main__":
    main()

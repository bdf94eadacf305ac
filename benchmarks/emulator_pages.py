"""
How fast the emulator serves pages of get_sms_sent_data over loopback.

The server is a separate process, bound to one core; this process is the client, on another core if there is one. It
requests random pages of random windows over raw keep-alive connections, so that no page is requested twice in a row.

    python benchmarks/emulator_pages.py --messages 1000000 --pages 3000
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import threading
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from processes import cpu_seconds, emulator_process, memory_mb

from esms_connectors.emulator.world import DEMO_API_KEY, DEMO_SECRET_KEY

VIETNAM = timezone(timedelta(hours=7))
PATH = "/MainService.svc/json/GetSmsSentData_V2"


def bind(cores: set[int]) -> None:
    """Bind this process and its future children to these cores, if the system supports it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def requests_of_pages(messages: int, pages: int, page_size: int, seed: int) -> list[bytes]:
    """Bodies for random full pages of random windows inside yesterday."""
    dice = random.Random(seed)
    midnight = datetime.now(VIETNAM).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    bodies = []
    for _ in range(pages):
        first, last = sorted(dice.sample(range(86_400), 2))
        rows = (last - first) * messages // 86_400
        page = dice.randint(1, max(1, rows // page_size))
        bodies.append(
            json.dumps(
                {
                    "ApiKey": DEMO_API_KEY,
                    "SecretKey": DEMO_SECRET_KEY,
                    "SmsType": "2",
                    "From": f"{midnight + timedelta(seconds=first):%Y-%m-%d %H:%M:%S}",
                    "To": f"{midnight + timedelta(seconds=last):%Y-%m-%d %H:%M:%S}",
                    "Page": page,
                    "PageSize": page_size,
                }
            ).encode()
        )
    return bodies


def read_pages(address: str, bodies: list[bytes], received: list[int]) -> None:
    """Request every page over one connection, and count the bytes."""
    connection = http.client.HTTPConnection(address)
    total = 0
    for body in bodies:
        connection.request("POST", PATH, body, {"Content-Type": "application/json"})
        total += len(connection.getresponse().read())
    connection.close()
    received.append(total)


def main() -> None:
    """Run and print one line of results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=3_000)
    parser.add_argument("--page-size", type=int, default=500)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    bind({cores[0]})
    begun = time.perf_counter()
    with emulator_process("--populate", str(options.messages)) as (base_url, server):
        start_seconds = time.perf_counter() - begun
        bind(set(cores[1:] or cores))
        address = urlsplit(base_url).netloc
        bodies = requests_of_pages(options.messages, options.pages, options.page_size, options.seed)
        received: list[int] = []
        shares = [bodies[number :: options.connections] for number in range(options.connections)]
        readers = [threading.Thread(target=read_pages, args=(address, share, received)) for share in shares]
        cpu_before, begun = cpu_seconds(server), time.perf_counter()
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        seconds, cpu = time.perf_counter() - begun, cpu_seconds(server) - cpu_before
        print(
            f"{options.pages / seconds:.0f} pages/s of {options.page_size} rows, {options.connections} connection(s); "
            f"{sum(received) / len(bodies) / 1000:.0f} kB a page; server CPU {cpu / seconds:.0%} of one core "
            f"({options.pages / cpu:.0f} pages per CPU second); server memory {memory_mb('VmRSS', server):.0f} MB "
            f"(peak {memory_mb('VmHWM', server):.0f}); started with {options.messages} messages in "
            f"{start_seconds:.1f} s"
        )


if __name__ == "__main__":
    main()

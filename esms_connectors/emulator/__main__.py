"""`python -m esms_connectors.emulator --port 8089`: the emulator as a separate process."""

from __future__ import annotations

import argparse
import sys

from .server import PortInUseError, run_server
from .settings import listed_settings


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m esms_connectors.emulator", description="A stand-in for eSMS.vn.")
    parser.add_argument("--port", type=int, default=8089, help="0 = any free port")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="added to every answer")
    parser.add_argument("--populate", type=int, default=0, metavar="N", help="start with N messages of yesterday")
    parser.add_argument(
        "--virtual-clock", metavar="TIME", help="stop the clock at this Vietnamese time until it is moved"
    )
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="NAME=VALUE", help="see --list-settings"
    )
    parser.add_argument("--list-settings", action="store_true", help="show every setting, and stop")
    options = parser.parse_args(arguments)
    if options.list_settings:
        print("\n".join(listed_settings()))
        return 0
    try:
        run_server(
            options.port,
            options.host,
            seed=options.seed,
            latency_seconds=options.latency,
            populate=options.populate,
            virtual_clock=options.virtual_clock,
            settings=options.settings,
        )
    except PortInUseError as error:
        print(error.strerror, file=sys.stderr)
        return 1
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""`esms emulator` and `esms demo`: they run on this machine only and send nothing."""

from __future__ import annotations

import click

from esms_connectors.cli.numbers import Number
from esms_connectors.cli.output import json_option
from esms_connectors.cli.settings import need
from esms_connectors.cli.terminal import echo
from esms_connectors.gateway.errors import ConfigurationError


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8089, show_default=True, help="0 chooses a free port.")
@click.option("--seed", default=2024, show_default=True, help="Determines ids, outcomes and delays.")
@click.option("--latency", type=Number(0, 3600), default=0.0, show_default=True, help="Seconds added to every answer.")
@click.option(
    "--populate",
    type=click.IntRange(0, 10**7),
    default=0,
    show_default=True,
    help="Number of finished messages of yesterday to start with.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; it asks for no password.")
@click.option(
    "--virtual-clock",
    metavar="TIME",
    help="Stop the clock at this Vietnamese time until POST /_emulator/clock moves it.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="How it behaves; --list-settings shows all names."
)
@click.option("--list-settings", is_flag=True, help="Show every setting with its default, and stop.")
def emulator(
    port: int,
    seed: int,
    latency: float,
    populate: int,
    host: str,
    virtual_clock: str | None,
    settings: tuple[str, ...],
    list_settings: bool,
) -> None:
    """
    Run a stand-in gateway on this machine until Ctrl-C. Open its address in a browser to watch it.

    \b
    Examples:
      esms emulator --port 8089
      esms emulator --set failed_share=0.2 --set night_zns=refused --virtual-clock "2026-03-01 21:59:00"
    """
    need("msgspec", "emulator")
    from esms_connectors.emulator import VirtualClock
    from esms_connectors.emulator.server import PortInUseError, run_server
    from esms_connectors.emulator.settings import SettingError, configured, listed_settings

    if list_settings:
        echo("\n".join(listed_settings()))
        return
    try:
        configured(settings)
    except SettingError as error:
        raise ConfigurationError(f"--set: {error}") from None
    if virtual_clock is not None:
        try:
            VirtualClock(virtual_clock)
        except ValueError:
            wrong = f"--virtual-clock {virtual_clock!r} is not a valid time. Write it like '2026-03-01 09:00:00'."
            raise ConfigurationError(wrong) from None
    try:
        run_server(
            port,
            host,
            seed=seed,
            latency_seconds=latency,
            populate=populate,
            virtual_clock=virtual_clock,
            settings=settings,
        )
    except PortInUseError:
        taken = f"Port {port} is taken. Stop what listens there, or choose another with --port."
        raise ConfigurationError(taken) from None
    except OSError as error:
        raise ConfigurationError(f"Nothing can listen on {host}: {error.strerror}.") from None


@click.command()
@click.option(
    "--output",
    "folder",
    default="demo-output",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Folder for the files that it creates.",
)
@json_option
def demo(folder: str, as_json: bool) -> None:
    """
    A whole campaign on this machine: a CSV of customers, sent to an emulator, waited for, loaded into DuckDB.

    \b
    Example:
      esms demo --output /tmp/esms-demo
    """
    need("msgspec", "emulator")
    need("duckdb", "duckdb")
    from esms_connectors.cli.demo import show_demo

    show_demo(folder, as_json=as_json)

"""
Dockerfile and compose.yaml: what they name is there, and their commands are right, as far as that is told without a
container engine. `make test-containers` lints them; the Airflow suite reads the connections.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import click
import yaml

from esms_connectors import Credentials, EsmsClient
from esms_connectors.cli.commands import esms
from esms_connectors.emulator import Emulator
from esms_connectors.examples import all_examples

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
STAGES = dict(re.findall(r"(?ms)^FROM \S+ AS (\w+)\n(.*?)(?=^FROM |\Z)", DOCKERFILE))


def test_copied_files_exist_and_are_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [
        source
        for line in re.findall(r"(?m)^COPY (.+)$", DOCKERFILE)
        if "--from" not in line
        for source in [word for word in line.split() if not word.startswith("--")][:-1]
    ]
    assert copied
    assert set(copied) <= allowed
    assert all((ROOT / source).exists() for source in allowed)


def test_extras_and_stages_exist() -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    extras = {name for names in re.findall(r"whl\)\[([\w,-]+)\]", DOCKERFILE) for name in names.split(",")}
    assert extras <= set(known)
    targets = {service["build"]["target"] for service in SERVICES.values() if "build" in service}
    assert targets == {"emulator", "airflow", "prefect"} <= set(STAGES)


def test_emulator_start_commands_are_valid_and_ports_bound_to_loopback() -> None:
    """It listens to other containers, and the host has it on loopback only."""
    for words in (SERVICES["emulator"]["command"], json.loads(re.findall(r"(?m)^CMD (.+)$", STAGES["emulator"])[0])):
        context = click.Context(esms, info_name="esms", **esms.context_settings)
        name, command, rest = esms.resolve_command(context, list(words))
        assert command is not None
        given = command.make_context(name, rest, parent=context).params
        assert (name, given["host"], given["port"]) == ("emulator", "0.0.0.0", 8089)
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_emulator_healthcheck_succeeds() -> None:
    with Emulator().serve() as server:
        code = SERVICES["emulator"]["healthcheck"]["test"][-1].replace("http://127.0.0.1:8089", server.base_url)
        exec(compile(code, "compose.yaml", "exec"), {})


def test_compose_file_has_emulator_keys_accepted_for_another_container() -> None:
    told = json.loads(SERVICES["airflow"]["environment"]["AIRFLOW_CONN_ESMS_DEFAULT"])
    with EsmsClient(Credentials(told["login"], told["password"]), told["host"]) as client:
        assert client.base_url == "http://emulator:8089"
    assert "emulator" in SERVICES["airflow"]["depends_on"]


def test_started_flows_are_included_in_the_image() -> None:
    """In its working directory, as examples are copied there."""
    names = {one.path.name for one in all_examples() if one.kind == "flows"}
    started = set(re.findall(r"python (\S+\.py)", SERVICES["flows"]["command"][-1]))
    assert {"blocks.py", "first_campaign.py"} <= started <= names

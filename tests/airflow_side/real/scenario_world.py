"""The world of the scenarios: names, inputs, and what must not leak."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from databases import Database

from demo.airflow_deployment import Deployment
from esms_connectors.emulator import Emulator

# Whatever holds one of these after the runs has leaked.
API_KEY, SECRET_KEY = "CANARY0API0KEY0" + "A7" * 8, "CANARY0SECRET0KEY0" + "B8" * 7
LEDGER_SECRET = "CANARY0LEDGER0SECRET" + "C9" * 8
CALLBACK_TOKEN = "CANARY0CALLBACK0TOKEN" + "D1" * 8
ALERTED, TEXTED = "0901777777", "0901888888"
TEXT = "Ma bi mat cua chi Huong 4711"
MANY, FEW = 20_000, 200
# In calls of twenty, so that they take minutes: whoever is stopped is stopped long before the end.
MARKED = 10_000


@dataclass(frozen=True)
class World:
    """The deployment, its database, the gateway it talks to, and the folder with the inputs."""

    airflow: Deployment
    metadata: Database
    gateway: Emulator
    folder: Path
    gateway_url: str

    @property
    def callback_url(self) -> str:
        """Where the API server takes delivery reports."""
        return f"{self.airflow.url}/esms/callback/{CALLBACK_TOKEN}"

    def deliveries(self, prefix: str) -> dict[str, int]:
        """Phone -> messages, of the phones that begin so."""
        counts = self.gateway.deliveries_by_phone()
        return {phone: count for phone, count in counts.items() if phone.startswith(prefix)}


def write_customers(path: Path, first: int, count: int) -> None:
    rows = (f"0{first + number},Chị Hương {number},Gội đầu,KH{number},19/03/2025\n" for number in range(count))
    path.write_text("phone,customer_name,service,code,date\n" + "".join(rows), encoding="utf-8")

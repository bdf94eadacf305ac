"""
The blocks that the other flows use, for the emulator on this machine; run it once while `esms emulator` is running.

    python blocks.py [http://127.0.0.1:8089 [folder]]

For the real gateway use your own keys and omit base_url; with several machines use PostgreSQL for the ledger and the
warehouse.
"""

import sys
from pathlib import Path

from esms_connectors.emulator import DEMO_API_KEY, DEMO_BRANDNAME, DEMO_OA_ID, DEMO_SECRET_KEY
from esms_connectors.prefect import EsmsCredentials, EsmsLedger, EsmsNotification, EsmsWarehouse


def save_blocks(base_url: str = "http://127.0.0.1:8089", folder: str | Path = "demo-output") -> None:
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    credentials = EsmsCredentials(
        account="demo",
        api_key=DEMO_API_KEY,
        secret_key=DEMO_SECRET_KEY,
        base_url=base_url,
        brandname=DEMO_BRANDNAME,
        oa_id=DEMO_OA_ID,
    )
    credentials.save("default", overwrite=True)
    EsmsLedger(url=f"sqlite:///{folder / 'ledger.sqlite'}").save("default", overwrite=True)
    EsmsWarehouse(url=f"duckdb:///{folder / 'esms.duckdb'}").save("default", overwrite=True)
    EsmsNotification(credentials=credentials, phones="0901234567").save("default", overwrite=True)


if __name__ == "__main__":
    save_blocks(*sys.argv[1:3])

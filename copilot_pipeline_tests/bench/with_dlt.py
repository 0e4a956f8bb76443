"""The same work with dlt: details of every call into PostgreSQL, with utterances as a child table.

Runs in a separate environment, which `make bench` creates:

    python with_dlt.py API_ADDRESS DATABASE_URL FIRST_DAY LAST_DAY
"""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dlt
import httpx

HEADERS = {"X-Api-Key": os.environ["CLARI_COPILOT_API_KEY"], "X-Api-Password": os.environ["CLARI_COPILOT_API_PASSWORD"]}


def calls(address: str, first_day: str, last_day: str) -> Iterator[Any]:
    """List and fetch the calls with four concurrent requests."""
    window = {"filterTimeGt": f"{first_day}T00:00:00Z", "filterTimeLt": f"{last_day}T23:59:59.999Z", "limit": "100"}
    with httpx.Client(base_url=address, headers=HEADERS, timeout=60) as client, ThreadPoolExecutor(4) as pool:
        skip: int | None = 0
        while skip is not None:
            page = client.get("/calls", params={**window, "skip": str(skip)}).json()
            ids = [call["id"] for call in page["calls"]]
            yield list(pool.map(lambda one: client.get("/call-details", params={"id": one}).json()["call"], ids))
            skip = page["pagination"].get("nextPageSkip")


def _credentials(database_url: str) -> str:
    """Add the host and the password that dlt requires; libpq uses the folder of the socket in the query."""
    return database_url.replace("postgres@/", "postgres:none@localhost/")


def main() -> None:
    """Load everything once."""
    address, database_url, first_day, last_day = sys.argv[1:]
    pipeline = dlt.pipeline(
        "bench", destination=dlt.destinations.postgres(_credentials(database_url)), dataset_name="with_dlt"
    )
    resource = dlt.resource(calls, name="calls", primary_key="id", write_disposition="replace")
    pipeline.run(resource(address, first_day, last_day))
    with pipeline.sql_client() as client:
        rows = client.execute_sql("SELECT count(*) FROM calls__transcript")
    sys.stdout.write(f"{rows[0][0]}\n")


if __name__ == "__main__":
    main()

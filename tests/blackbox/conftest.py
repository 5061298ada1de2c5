import os
from collections.abc import Iterator

import httpx
import pytest

from tests.blackbox.oracle import Oracle
from tests.service import Service, wait_until

BASE_URL = os.environ.get("TAIKO_BASE_URL")
TOKEN = os.environ.get("TAIKO_BASE_TOKEN")
OF_OUR_OWN = "a-token-for-strangers-alone-with-many-characters"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of this folder, and no others, speak to the deployment that they are told of."""
    host = httpx.URL(BASE_URL).host if BASE_URL else None
    for item in items:
        if host and "blackbox" in item.path.parts:
            item.add_marker(pytest.mark.allow_hosts([host]), append=False)


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    """The deployment at `TAIKO_BASE_URL`, or else a service of our own with blocks of a second."""
    if BASE_URL:
        with httpx.Client(base_url=BASE_URL, timeout=10) as client:
            yield Oracle(client, TOKEN)
        return
    environment = {
        "TAIKO_ADMIN_TOKEN": OF_OUR_OWN,
        "TAIKO_POLL_INTERVAL_SECONDS": "0.1",
        "TAIKO_VAULT_BALANCE_ETH": "9",
        "TAIKO_VAULT_TARGET_ETH": "10",
    }
    with Service("serve", "--devnet", "--devnet-block-time", "1", environment=environment) as service:
        wait_until(service.quote, "a quote")
        yield Oracle(service.client, OF_OUR_OWN)
        assert service.stop() == 0

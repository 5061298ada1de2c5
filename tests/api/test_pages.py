"""The pages: safe to show, and served by this host alone."""

import re

import pytest

from app.domain.network import DEVNET_CHAIN_ID, Network
from tests.api.house import build_house, sample_quote


async def test_the_first_page_names_the_network_and_the_fee() -> None:
    network = Network(l1_chain_id=DEVNET_CHAIN_ID, l2_chain_id=167000)
    page = (await build_house(quote=sample_quote(network=network)).get("/")).text
    assert "<strong>devnet</strong>" in page
    assert "L1 block 23882697: 12.521739131 gwei (fresh, 1 s old)" in page


async def test_the_first_page_invents_nothing() -> None:
    page = (await build_house(network=None).get("/")).text
    assert "There is no quote yet." in page
    assert "not yet known" in page


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_a_page_takes_everything_from_its_own_host(path: str) -> None:
    house = build_house(quote=sample_quote())
    response = await house.get(path)
    assert "://" not in response.text
    assert not re.search(r"<script(?![^>]*\bsrc=)", response.text)
    policy = response.headers["content-security-policy"]
    for rule in ("default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cross-origin-opener-policy"] == "same-origin"
    for target in re.findall(r'(?:href|src)="([^"]+)"', response.text):
        assert (await house.get(f"/{target}")).status_code == 200


async def test_the_documentation_asks_no_other_host_to_validate_it() -> None:
    script = (await build_house().get("/docs/start.js")).text
    assert "validatorUrl: null" in script
    assert 'url: "openapi.json"' in script


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("swagger-ui-bundle.js", "text/javascript"), ("swagger-ui.css", "text/css"), ("favicon.png", "image/png")],
)
async def test_the_documentations_files_are_served(name: str, media_type: str) -> None:
    response = await build_house().get(f"/docs/{name}")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(media_type)
    assert len(response.content) > 1000

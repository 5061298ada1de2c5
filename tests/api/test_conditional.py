"""RFC 9110 and RFC 9111, section by section, where no test of a single route holds it."""

import json
from collections.abc import Callable

import httpx
import pytest

from app.api.tokens import AdminTokens
from tests.api.house import (
    BEARER,
    FULL_DISK,
    NO_WITNESS,
    PUSH_PLAN,
    TOKEN,
    House,
    build_house,
    sample_header,
    sample_quote,
)

URN = "urn:taiko-fee-oracle:problem:"
READ = ["/v1/fee", "/v1/fee?blocks=7", "/v1/fee?explain=true", "/v1/parameters", "/docs", "/docs/start.js",
        "/docs/swagger-ui.css", "/openapi.json"]  # fmt: skip
"""Everything with an entity tag."""
OPEN = [*READ, "/v1/history", "/v1/status", "/v1/vault", "/livez", "/healthz", "/readyz", "/",
        "/metrics"]  # fmt: skip
BY_VALIDATOR = {"etag", "cache-control", "vary", "expires", "date", "content-location"}
"""What a 304 repeats of the answer in whose place it stands (RFC 9110 section 15.4.5)."""
OF_CONTENT = {"content-type", "content-length", "content-encoding", "content-language", "content-range"}


@pytest.fixture
def house() -> House:
    return build_house(quote=sample_quote(), vault_plan=PUSH_PLAN, tokens=AdminTokens(TOKEN, None))


def expired() -> House:
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(200)
    house.board.feed(NO_WITNESS)
    return house


def unjournaled() -> House:
    house = build_house(quote=sample_quote(), journal_required=True)
    house.board.journal(FULL_DISK)
    return house


def kind(response: httpx.Response) -> str:
    return str(response.json()["type"]).removeprefix(URN)


class TestIfNoneMatch:
    """RFC 9110 section 13.1.2, and what a 304 is (section 15.4.5)."""

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("path", READ)
    async def test_who_has_it_gets_304_with_the_headers_of_a_200_and_no_body(
        self, house: House, path: str, method: str
    ) -> None:
        whole = await house.get(path)
        unmodified = await house.request(method, path, headers={"If-None-Match": whole.headers["etag"]})
        assert (whole.status_code, unmodified.status_code, unmodified.content) == (200, 304, b"")
        for name in BY_VALIDATOR | {"taiko-network"}:
            assert unmodified.headers.get(name) == whole.headers.get(name), name
        assert not OF_CONTENT & set(unmodified.headers.keys())

    @pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', '{},W/"x"', '"a,b" , {}', "*", ", {}"])
    @pytest.mark.parametrize("path", READ)
    async def test_the_comparison_is_weak(self, house: House, path: str, form: str) -> None:
        bare = (await house.get(path)).headers["etag"].removeprefix("W/")
        assert (await house.get(path, {"If-None-Match": form.format(bare)})).status_code == 304

    @pytest.mark.parametrize("form", ['"x"', "{bare}", '"{bare}', "w/{tag}", '"x{bare}"', "", '"*"', '"x", *'])
    @pytest.mark.parametrize("path", READ)
    async def test_another_tag_or_none_lets_the_answer_through(self, house: House, path: str, form: str) -> None:
        tag = (await house.get(path)).headers["etag"].removeprefix("W/")
        value = form.format(tag=tag[1:-1], bare=tag[1:-1])
        assert (await house.get(path, {"If-None-Match": value})).status_code == 200

    @pytest.mark.parametrize("tag", ["*", "{}"])
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("build", [expired, unjournaled, build_house])
    async def test_it_is_judged_only_where_the_answer_would_be_a_success(
        self, build: Callable[[], House], method: str, tag: str
    ) -> None:
        """Section 13.2.1: a condition is nothing to an answer that is no success; whoever has the quote learns it."""
        known = (await build_house(quote=sample_quote()).get("/v1/fee")).headers["etag"]
        response = await build().request(method, "/v1/fee", headers={"If-None-Match": tag.format(known)})
        assert response.status_code == 503

    async def test_a_query_that_is_refused_is_refused_in_spite_of_it(self, house: House) -> None:
        assert (await house.get("/v1/fee?blocks=65", {"If-None-Match": "*"})).status_code == 422

    async def test_the_tag_is_of_the_quote_its_status_and_the_bound_that_is_asked_for(self, house: House) -> None:
        """Section 8.8.1 lets a weak tag stand for what means the same; each query is a resource of its own."""
        tags = [(await house.get(f"/v1/fee{query}")).headers["etag"] for query in ("", "?explain=true", "?blocks=7")]
        assert tags[0] == tags[1]
        assert tags[2].startswith(tags[0][:-1])
        house.clock.pass_seconds(60)
        house.board.feed(NO_WITNESS)
        assert (await house.get("/v1/fee", {"If-None-Match": ", ".join(tags)})).status_code == 200

    async def test_two_blocks_alike_in_everything_have_two_tags(self) -> None:
        tags = {
            (await build_house(quote=sample_quote(header=sample_header(timestamp=time))).get("/v1/fee")).headers["etag"]
            for time in (1_764_157_403, 1_764_157_402)
        }
        assert len(tags) == 2


class TestIfMatch:
    """RFC 9110 section 13.1.1, on every method that changes something."""

    CHANGES = (
        ("PUT", "/v1/vault", {"balanceWei": "1", "sequence": 1}),
        ("PATCH", "/v1/parameters", {"alphaData": "0.16"}),
        ("DELETE", "/v1/parameters", None),
    )

    @staticmethod
    async def change(house: House, change: tuple[str, str, object], if_match: str) -> httpx.Response:
        method, path, body = change
        headers = BEARER | {"If-Match": if_match} | ({} if body is None else {"Content-Type": "application/json"})
        content = None if body is None else json.dumps(body).encode()
        return await house.request(method, path, headers=headers, content=content)

    @pytest.mark.parametrize("form", ["{}", "*", '"x", {}', "{} ,"])
    @pytest.mark.parametrize("change", CHANGES)
    async def test_what_is_in_force_lets_it_through(
        self, house: House, change: tuple[str, str, object], form: str
    ) -> None:
        tag = (await house.get("/v1/parameters")).headers["etag"]
        assert (await self.change(house, change, form.format(tag))).status_code == 200

    @pytest.mark.parametrize("form", ["W/{}", '"x"', '"*"', 'W/"x", W/{}', "", ","])
    @pytest.mark.parametrize("change", CHANGES)
    async def test_the_comparison_is_strong_so_a_weak_tag_is_never_the_one(
        self, house: House, change: tuple[str, str, object], form: str
    ) -> None:
        before = (await house.get("/v1/parameters")).headers["etag"]
        response = await self.change(house, change, form.format(before))
        assert (response.status_code, kind(response)) == (412, "parameters-changed")
        assert (await house.get("/v1/parameters")).headers["etag"] == before
        assert house.desk.report is None

    @pytest.mark.parametrize("change", CHANGES)
    async def test_who_may_not_change_anything_learns_nothing_by_it(
        self, house: House, change: tuple[str, str, object]
    ) -> None:
        response = await house.request(change[0], change[1], headers={"If-Match": '"x"'})
        assert response.status_code == 401

    async def test_a_change_answers_with_the_tag_that_the_next_one_needs(self, house: House) -> None:
        changed = await house.patch({"alphaData": "0.16"})
        assert changed.headers["etag"] == (await house.get("/v1/parameters")).headers["etag"]


class TestOtherConditions:
    """RFC 9110 sections 13.1.3 to 13.1.5 and 14: what has no date and no ranges takes no such condition."""

    @pytest.mark.parametrize("path", OPEN)
    @pytest.mark.parametrize(
        "headers",
        [
            {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
            {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
            {"Range": "bytes=0-1"},
            {"Range": "bytes=0-1", "If-Range": '"x"'},
            {"Range": "bytes=999999999-"},
        ],
    )
    async def test_it_is_ignored(self, house: House, path: str, headers: dict[str, str]) -> None:
        plain, answered = await house.get(path), await house.get(path, headers)
        assert (answered.status_code, answered.content) == (200, plain.content)
        assert "last-modified" not in answered.headers
        assert "accept-ranges" not in answered.headers

    async def test_if_none_match_goes_over_a_date(self, house: House) -> None:
        """Section 13.2.2: the date is not even looked at."""
        headers = {"If-None-Match": '"x"', "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}
        assert (await house.get("/v1/fee", headers)).status_code == 200


class TestHead:
    """RFC 9110 section 9.3.2: the header of GET, whatever it says."""

    @pytest.mark.parametrize("build", [build_house, expired, unjournaled, lambda: build_house(quote=sample_quote())])
    @pytest.mark.parametrize("path", [*OPEN, "/v1/fee?blocks=65", "/nowhere", "/docs/nothing", "/v1/history?limit=0"])
    async def test_has_every_header_of_get_and_its_length(self, build: Callable[[], House], path: str) -> None:
        whole, head = await build().get(path), await build().request("HEAD", path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers == whole.headers
        assert int(head.headers["content-length"]) == len(whole.content)

    @pytest.mark.parametrize("path", ["/v1/vault", "/v1/parameters"])
    async def test_of_a_path_that_may_be_changed_asks_for_no_token(self, house: House, path: str) -> None:
        assert (await house.request("HEAD", path)).status_code == 200

    async def test_of_what_only_a_token_reads_asks_for_the_token(self, house: House) -> None:
        assert (await house.request("HEAD", "/v1/audit")).status_code == 401
        assert (await house.request("HEAD", "/v1/audit", headers=BEARER)).status_code == 200


class TestMethods:
    """RFC 9110 sections 9.1 and 15.5.6."""

    @pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "LINK", "BREW", "M-SEARCH"])
    @pytest.mark.parametrize("path", [*OPEN, "/v1/quote", "/rpc", "/v1/fee/stream", "/v1/audit"])
    async def test_one_that_a_path_does_not_take_is_told_those_that_it_takes(
        self, house: House, path: str, method: str
    ) -> None:
        response = await house.request(method, path)
        assert (response.status_code, kind(response)) == (405, "method-not-allowed")
        allowed = response.headers["allow"].split(", ")
        assert "OPTIONS" in allowed
        assert ("HEAD" in allowed) == ("GET" in allowed)
        assert response.headers["allow"] == (await house.request("OPTIONS", path)).headers["allow"]

    @pytest.mark.parametrize("path", [*OPEN, "/v1/quote", "/rpc", "/v1/fee/stream", "/v1/audit"])
    async def test_options_has_no_body(self, house: House, path: str) -> None:
        """Section 8.6: and no Content-Length with a 204."""
        response = await house.request("OPTIONS", path)
        assert (response.status_code, response.content) == (204, b"")
        assert not OF_CONTENT & set(response.headers.keys())

    @pytest.mark.parametrize("path", ["/v1/quote", "/rpc"])
    async def test_a_path_that_nobody_reads_has_no_head(self, house: House, path: str) -> None:
        for method in ("GET", "HEAD"):
            response = await house.request(method, path)
            assert response.status_code == 405
            assert response.headers["allow"] == "OPTIONS, POST"

    async def test_a_notification_is_answered_without_a_body(self, house: House) -> None:
        body = b'{"jsonrpc":"2.0","method":"eth_gasPrice"}'
        response = await house.request("POST", "/rpc", headers={"Content-Type": "application/json"}, content=body)
        assert (response.status_code, response.content) == (204, b"")
        assert not OF_CONTENT & set(response.headers.keys())


class TestPaths:
    """RFC 3986 section 6.2.2, and RFC 9110 section 4.2.3: what is written otherwise is another path, or none."""

    @pytest.mark.parametrize(
        "path",
        ["/v1/fee/", "/v1//fee", "/V1/fee", "/v1/fee;x=1", "/v1/fee%00", "/v1/fee%20",
         "/v1", "/docs/", "/docs/..%2f..%2fapp", "/docs/%2e%2e/fee", "/docs/redoc.standalone.js", "/livez/"],
    )  # fmt: skip
    async def test_another_path_is_not_found_and_nobody_is_sent_elsewhere(self, house: House, path: str) -> None:
        target = httpx.URL("http://oracle.test").copy_with(raw_path=path.encode())
        async with house.client() as client:
            response = await client.send(httpx.Request("GET", target))
        assert (response.status_code, kind(response)) == (404, "not-found")
        assert "location" not in response.headers

    @pytest.mark.parametrize("path", ["/v1/f%65e", "/%761/fee"])
    async def test_a_letter_may_be_encoded(self, house: House, path: str) -> None:
        target = httpx.URL("http://oracle.test").copy_with(raw_path=path.encode())
        async with house.client() as client:
            response = await client.send(httpx.Request("GET", target))
        assert response.json() == (await house.get("/v1/fee")).json()


class TestRefusals:
    """RFC 9110 sections 10.2.3, 11.6.1 and 15: what a refusal has to say beside its body."""

    @pytest.mark.parametrize(
        ("build", "path"),
        [
            (build_house, "/v1/fee"),
            (expired, "/v1/fee"),
            (unjournaled, "/v1/fee"),
            (expired, "/v1/fee?maxAgeSeconds=5"),
            (build_house, "/readyz"),
            (lambda: build_house(network=None), "/v1/history"),
            (lambda: build_house(stream_clients_max=0), "/v1/fee/stream"),
        ],
    )
    async def test_a_503_says_when_to_come_back_in_whole_seconds(self, build: Callable[[], House], path: str) -> None:
        response = await build().get(path)
        assert response.status_code == 503
        assert 1 <= int(response.headers["retry-after"]) <= 60

    @pytest.mark.parametrize(
        ("method", "path"),
        [("PUT", "/v1/vault"), ("PATCH", "/v1/parameters"), ("DELETE", "/v1/parameters"), ("GET", "/v1/audit")],
    )
    @pytest.mark.parametrize("authorization", [None, "Basic dTpw", "Bearer wrong", "Bearer", ""])
    async def test_a_401_says_how_to_ask(self, house: House, method: str, path: str, authorization: str | None) -> None:
        headers = {} if authorization is None else {"Authorization": authorization}
        response = await house.request(method, path, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith('Bearer realm="taiko-fee-oracle"')

    async def test_a_406_and_a_page_that_could_be_another_say_what_they_depend_on(self, house: House) -> None:
        """Section 12.5.5."""
        assert (await house.get("/v1/history")).headers["vary"] == "Accept"


class TestCaching:
    """RFC 9111 section 5.2: what may be kept, by whom, for how long."""

    @pytest.mark.parametrize("path", [*OPEN, "/nowhere", "/v1/fee?blocks=65"])
    async def test_every_answer_says_whether_it_may_be_kept(self, house: House, path: str) -> None:
        assert "cache-control" in (await house.get(path)).headers

    @pytest.mark.parametrize("path", ["/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/favicon.png"])
    async def test_a_file_is_kept_under_a_strong_tag_that_is_the_same_everywhere(self, house: House, path: str) -> None:
        tags = {(await each.get(path)).headers["etag"] for each in (house, build_house())}
        assert len(tags) == 1
        assert not tags.pop().startswith("W/")

    async def test_what_a_token_opens_is_kept_by_nobody(self, house: House) -> None:
        for response in (
            await house.get("/v1/audit", BEARER),
            await house.patch({"alphaData": "0.16"}),
            await house.push({"balanceWei": "1", "sequence": 1}),
        ):
            assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")

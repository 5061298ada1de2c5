"""Lists of nodes, of which no URL is ever shown."""

import pytest

from tests.settings.given import SECRET, load, problems, settings


class TestEndpoints:
    def test_aliases_and_bare_urls_in_order_of_preference(self) -> None:
        found = settings(
            TAIKO_L1_RPC_URLS=" main=https://a.example/v3/k?x=1 , https://b.example/?key=v=w,http://[::1]:8545 "
        ).l1_endpoints()
        assert [(node.alias, node.url) for node in found] == [
            ("main", "https://a.example/v3/k?x=1"),
            ("p2", "https://b.example/?key=v=w"),
            ("p3", "http://[::1]:8545"),
        ]

    @pytest.mark.parametrize(
        "url",
        [
            "http://geth_main:8545",
            "HTTP://Node.Example./x",
            "https://bücher.example",
            "http://127.0.0.1",
            "http://[fe80::1]",
            "ws://127.0.0.1:8546",
            "WSS://Node.Example/v3/key",
        ],
    )
    def test_every_usual_host_is_allowed(self, url: str) -> None:
        assert [node.url for node in settings(TAIKO_L1_RPC_URLS=f"a={url},").l1_endpoints()] == [url]

    def test_bare_l2_nodes_have_aliases_of_their_own(self) -> None:
        assert [node.alias for node in settings(TAIKO_L2_RPC_URLS="https://a.example").l2_endpoints()] == ["l2-p1"]

    @pytest.mark.parametrize(
        ("value", "allowed"),
        [
            (f"wss:///{SECRET}", "with a host"),
            (f"a=ws://node.example:0/{SECRET}", "with a host"),
            (f"ftp://node.example/{SECRET}", "alias=url or a bare URL"),
            (f"node.example/{SECRET}", "alias=url or a bare URL"),
            (f"http:///{SECRET}", "with a host"),
            (f"http://node.example:99999/{SECRET}", "with a host"),
            (f"http://[::1/{SECRET}", "with a host"),
            (f"http://node.example/{SECRET} x", "with a host"),
            (f"{SECRET}!=https://node.example", "an alias of letters, digits, _ and -"),
            (f"=https://node.example/{SECRET}", "an alias of letters, digits, _ and -"),
            (f"a=https://x.example/{SECRET},a=https://y.example", "a is taken by an earlier entry"),
            (f"p2=https://x.example/{SECRET},https://y.example", "p2 is taken by an earlier entry"),
            (f"a=https://X.example/{SECRET},b=https://x.example/{SECRET}/", "another node than that of a"),
            (f"a=https://u:{SECRET}@x.example,b=https://v:{SECRET}@x.example.:443/", "another node than that of a"),
            (f"a=https://x.example/v3/{SECRET},b=wss://x.example/ws/v3/{SECRET}", "another node than that of a"),
            (f"a=ws://x.example:8545/{SECRET},b=http://x.example:8545", "another node than that of a"),
            (",", "alias=url or bare URLs"),
            (SECRET, "beginning with http://, https://, ws:// or wss://"),
            (f"main={SECRET}", "beginning with http://, https://, ws:// or wss://"),
            (f"a=b={SECRET}", "beginning with http://, https://, ws:// or wss://"),
            (f"node.example:8545/{SECRET}", "beginning with http://, https://, ws:// or wss://"),
            (f"http://:8545/{SECRET}", "with a host"),
            (f"http://../{SECRET}", "with a host"),
            (f"https://{SECRET}@", "with a host"),
            (f"http://x.example;https://{SECRET}", "with a host"),
            (f"http://x.example|{SECRET}", "with a host"),
        ],
    )
    def test_a_wrong_list_is_refused_and_no_url_is_shown(self, value: str, allowed: str) -> None:
        (line,) = problems(TAIKO_L1_RPC_URLS=value)
        assert allowed in line
        assert SECRET not in line

    def test_one_host_with_two_ports_is_two_nodes(self) -> None:
        found = load(TAIKO_L1_RPC_URLS="http://x.example:8545,ws://x.example:8546,https://x.example")
        assert [node.alias for node in found.settings.l1_endpoints()] == ["p1", "p2", "p3"]
        assert found.warnings == ()

    def test_two_paths_at_one_place_may_be_one_provider_and_that_is_said_without_a_url(self) -> None:
        (warning,) = load(TAIKO_L1_RPC_URLS=f"a=https://x.example/{SECRET},b=https://x.example/2").warnings
        assert warning.startswith("TAIKO_L1_RPC_URLS: a and b are at the same host and port")
        assert SECRET not in warning

    def test_one_alias_for_an_l1_and_an_l2_node_is_warned_about(self) -> None:
        loaded = load(TAIKO_L1_RPC_URLS="a=https://x.example", TAIKO_L2_RPC_URLS="a=https://y.example")
        assert "share the alias a" in loaded.warnings[0]

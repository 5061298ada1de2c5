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
        ],
    )
    def test_every_usual_host_is_allowed(self, url: str) -> None:
        assert [node.url for node in settings(TAIKO_L1_RPC_URLS=f"a={url},").l1_endpoints()] == [url]

    def test_bare_l2_nodes_have_aliases_of_their_own(self) -> None:
        assert [node.alias for node in settings(TAIKO_L2_RPC_URLS="https://a.example").l2_endpoints()] == ["l2-p1"]

    @pytest.mark.parametrize(
        ("value", "allowed"),
        [
            (f"wss://node.example/{SECRET}", "an http or https URL: WebSocket is not available in this version"),
            (f"a=ws://node.example/{SECRET}", "an http or https URL"),
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
            (f"a=https://X.example/{SECRET},b=https://x.example/{SECRET}/", "another URL than that of a"),
            (",", "alias=url or bare URLs"),
            (SECRET, "beginning with http:// or https://"),
            (f"main={SECRET}", "beginning with http:// or https://"),
            (f"a=b={SECRET}", "beginning with http:// or https://"),
            (f"node.example:8545/{SECRET}", "beginning with http:// or https://"),
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

    def test_one_alias_for_an_l1_and_an_l2_node_is_warned_about(self) -> None:
        loaded = load(TAIKO_L1_RPC_URLS="a=https://x.example", TAIKO_L2_RPC_URLS="a=https://y.example")
        assert "share the alias a" in loaded.warnings[0]

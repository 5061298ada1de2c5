"""No secret in what settings show."""

import pytest

from app.settings import (
    SettingsError,
)
from tests.settings.given import SECRET, TOKEN, VARIABLE_OF, load, settings


class TestRedaction:
    def test_nothing_that_settings_show_holds_a_url(self) -> None:
        loaded = load(
            TAIKO_L1_RPC_URLS=f"main=https://user:{SECRET}@a.example/{SECRET},http://b.example/?{SECRET}",
            TAIKO_L2_RPC_URLS=f"https://c.example/{SECRET}",
        )
        shown = loaded.settings.redacted()
        assert shown["TAIKO_L1_RPC_URLS"] == "main=https://***,p2=http://***"
        assert shown["TAIKO_L2_RPC_URLS"] == "l2-p1=https://***"
        assert SECRET not in repr(loaded)

    def test_no_password_and_no_token_is_shown(self) -> None:
        loaded = load(
            TAIKO_STATE_URL=f"postgresql://oracle:{SECRET}@{SECRET}.example/{SECRET}?sslmode=require",
            TAIKO_ADMIN_TOKEN=TOKEN,
        )
        shown = loaded.settings.redacted()
        assert (shown["TAIKO_STATE_URL"], shown["TAIKO_ADMIN_TOKEN"]) == ("postgresql://***", "***")
        assert SECRET not in repr(loaded)
        with pytest.raises(SettingsError) as caught:
            load(TAIKO_STATE_URL=f"postgresql://oracle:{SECRET}@x.example", TAIKO_ADMIN_TOKEN=SECRET)
        assert SECRET not in repr(caught.value)
        assert [line.partition(":")[0] for line in caught.value.problems] == ["TAIKO_STATE_URL", "TAIKO_ADMIN_TOKEN"]

    def test_everything_that_no_log_line_may_hold_is_listed(self) -> None:
        found = settings(
            TAIKO_L1_RPC_URLS="http://a.example/1",
            TAIKO_L2_RPC_URLS="http://b.example/2",
            TAIKO_STATE_URL="postgres://c.example/3",
            TAIKO_ADMIN_TOKEN=TOKEN,
        )
        assert found.secrets() == ("http://a.example/1", "http://b.example/2", "postgres://c.example/3", TOKEN)
        assert settings().secrets() == ()

    @pytest.mark.parametrize("name", sorted(VARIABLE_OF))
    def test_a_url_under_a_wrong_name_is_not_shown(self, name: str) -> None:
        with pytest.raises(SettingsError) as caught:
            load({name: f"https:/{SECRET}://node.example/{SECRET},{SECRET}"})
        assert SECRET not in str(caught.value)

    def test_every_value_in_force_reads_back_to_itself(self) -> None:
        shown = {
            name: text
            for name, text in settings(TAIKO_VAULT_BALANCE_ETH="0.9", TAIKO_VAULT_TARGET_ETH="1").redacted().items()
            if text is not None
        }
        assert settings(**shown).redacted() == load(shown).settings.redacted() | shown

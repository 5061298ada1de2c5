"""What the log shows of the settings at the start."""

import json

import pytest

from app.settings import ANNOUNCED, VARIABLES, WITHHELD, announced, withheld
from tests.settings.given import SECRET, TOKEN, VARIABLE_OF, load


def test_every_setting_is_either_shown_or_withheld_on_purpose() -> None:
    decided = [*ANNOUNCED, *WITHHELD]
    assert sorted(decided) == sorted(variable.name for variable in VARIABLES)


@pytest.mark.parametrize("name", ANNOUNCED)
def test_nothing_is_shown_that_may_hold_a_key(name: str) -> None:
    assert not VARIABLE_OF[name].is_secret
    assert not VARIABLE_OF[name].holds_urls


def test_a_setting_is_shown_with_its_value_in_force_and_who_set_it() -> None:
    shown = announced(load(TAIKO_PRESET="responsive", TAIKO_BASE_FEE_GWEI="0.5"))
    assert shown["TAIKO_HORIZON_BATCHES"] == {"value": "48", "source": "preset"}
    assert shown["TAIKO_BASE_FEE_GWEI"] == {"value": "0.5", "source": "environment"}
    assert shown["TAIKO_MAX_FEE_GWEI"] == {"value": "1000", "source": "default"}
    assert shown["TAIKO_VAULT_TARGET_ETH"] == {"value": None, "source": "default"}


def test_on_a_terminal_only_what_somebody_set_is_shown() -> None:
    loaded = load(TAIKO_BASE_FEE_GWEI="0.5", TAIKO_ADMIN_TOKEN=TOKEN)
    assert announced(loaded, defaults=False) == {"TAIKO_BASE_FEE_GWEI": {"value": "0.5", "source": "environment"}}
    assert withheld(loaded, defaults=False) == {"TAIKO_ADMIN_TOKEN": "environment"}


def test_of_urls_and_secrets_only_who_set_them_is_shown() -> None:
    loaded = load(
        TAIKO_L1_RPC_URLS=f"main=https://user:{SECRET}@a.example/{SECRET}",
        TAIKO_L2_RPC_URLS=f"https://b.example/{SECRET}",
        TAIKO_STATE_URL=f"postgresql://oracle:{SECRET}@c.example/{SECRET}",
        TAIKO_ADMIN_TOKEN=TOKEN,
        TAIKO_CORS_ORIGINS="https://d.example",
    )
    assert set(withheld(loaded).values()) == {"environment"}
    said = json.dumps([announced(loaded), withheld(loaded)])
    assert SECRET not in said
    assert "://" not in said
    assert ".example" not in said

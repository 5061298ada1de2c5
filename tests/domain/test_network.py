import pytest

from app.domain.network import DEVNET_CHAIN_ID, Network


@pytest.mark.parametrize(
    ("chain_id", "name", "is_public"),
    [
        (1, "mainnet", True),
        (560048, "hoodi", True),
        (11155111, "sepolia", True),
        (DEVNET_CHAIN_ID, "devnet", False),
        (31337, "chain-31337", False),
    ],
)
def test_a_network_is_named_by_its_l1(chain_id: int, name: str, *, is_public: bool) -> None:
    network = Network(chain_id, 167000)
    assert (network.name, network.is_public) == (name, is_public)

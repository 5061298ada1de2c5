"""`serve` and `devnet`: what runs until it is told to stop."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from app.cli.invocation import Invocation
from app.cli.output import say, say_each
from app.domain.errors import InvalidValueError
from app.domain.network import DEVNET_CHAIN_ID
from app.settings import LoadedSettings, SettingsError

if TYPE_CHECKING:
    from app.devnet.run import DevnetOptions

_NO_L1: Final = (
    "TAIKO_L1_RPC_URLS: not set, expected at least one L1 node, such as"
    " TAIKO_L1_RPC_URLS=main=https://ethereum.example/rpc; or add --devnet to run on the embedded devnet"
)


def serve_command(invocation: Invocation) -> int:
    loaded = invocation.load()
    say_each("advice", (advice.message for advice in loaded.settings.advice()))
    return invocation.services.serve(loaded, _devnet_for_service(invocation, loaded))


def _devnet_for_service(invocation: Invocation, loaded: LoadedSettings) -> "DevnetOptions | None":
    """The devnet to run on; None where L1 nodes are configured. Raises `SettingsError` where there is neither."""
    arguments, settings = invocation.arguments, loaded.settings
    shape = {
        "scenario": arguments.devnet_scenario,
        "seed": arguments.devnet_seed,
        "replay": arguments.devnet_replay,
        "block_time_seconds": arguments.devnet_block_time,
        "port": arguments.devnet_port,
    }
    if not arguments.devnet and any(value is not None for value in shape.values()):
        invocation.usage_error("--devnet-* options need --devnet")
    if settings.l1_endpoints():
        if arguments.devnet:
            say("note: TAIKO_L1_RPC_URLS is set, so the devnet is not used")
        return None
    if not arguments.devnet:
        raise SettingsError((_NO_L1,))
    if settings.l1_chain_id not in (None, DEVNET_CHAIN_ID):
        raise SettingsError(
            (f"TAIKO_L1_CHAIN_ID: got {settings.l1_chain_id}, expected unset or {DEVNET_CHAIN_ID} on the devnet",)
        )
    if shape["port"] is None:
        shape["port"] = 0
    return _devnet_options(invocation, "devnet-", shape)


def devnet_command(invocation: Invocation) -> int:
    arguments = invocation.arguments
    shape = {
        "scenario": arguments.scenario,
        "seed": arguments.seed,
        "replay": arguments.replay,
        "recorded_timestamps": arguments.recorded_timestamps,
        "block_time_seconds": arguments.block_time,
        "host": arguments.host,
        "port": arguments.port,
        "allow_remote": arguments.allow_remote,
        "start_base_fee_gwei": arguments.start_base_fee_gwei,
        "history_blocks": arguments.history_blocks,
    }
    return invocation.services.run_devnet(_devnet_options(invocation, "", shape))


def _devnet_options(invocation: Invocation, prefix: str, shape: Mapping[str, Any]) -> "DevnetOptions":
    from app.devnet.run import DevnetOptions  # noqa: PLC0415 - brings the web framework

    try:
        return DevnetOptions(**{name: value for name, value in shape.items() if value is not None})
    except InvalidValueError as error:
        option = f"--{prefix}{error.name.removesuffix('_seconds').replace('_', '-')}"
        invocation.usage_error(str(InvalidValueError(option, error.value, error.allowed)))

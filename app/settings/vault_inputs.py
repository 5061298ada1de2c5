"""Where the vault is, as people write it."""

import re
from typing import Final

from app.domain.errors import InvalidValueError
from app.domain.vault import VaultAddress, VaultLayer, VaultSource
from app.settings.kinds import Kind, choice, entries
from app.settings.urls import redacted_urls

_ADDRESS: Final = re.compile(r"(l1|l2):(0x[0-9a-fA-F]{40})")


def _read_addresses(name: str, text: str) -> tuple[VaultAddress, ...]:
    found: list[VaultAddress] = []
    for entry in entries(text):
        match = _ADDRESS.fullmatch(entry)
        if match is None:
            raise InvalidValueError(name, redacted_urls(entry), "l1:0x… or l2:0x…, each with 40 hex digits")
        address = VaultAddress(VaultLayer(match[1]), match[2].lower())
        if address in found:
            raise InvalidValueError(name, entry, "each address once: balances are summed")
        found.append(address)
    if not found:
        raise InvalidValueError(name, text, "l1:0x… or l2:0x…, separated by commas")
    return tuple(found)


def _write_addresses(addresses: tuple[VaultAddress, ...]) -> str:
    return ",".join(f"{address.layer}:{address.address}" for address in addresses)


VAULT_SOURCE: Final = choice(VaultSource)
VAULT_ADDRESSES: Final = Kind(_read_addresses, _write_addresses, "l1:0x…,l2:0x…")

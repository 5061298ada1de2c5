"""Of past quotes."""

from typing import Any, Final

from app.api.examples.quote import FEE

_OF_THE_MOMENT: Final = ("status", "staleReason", "ceilingFeePerGas", "staleAt", "expiresAt")

HISTORY: Final[dict[str, Any]] = {
    "quotes": [
        {name: value for name, value in FEE.items() if name not in _OF_THE_MOMENT} | {"sequence": 4711, "doubts": []}
    ],
    "undecodable": [],
    "gaps": [{"firstBlock": 23874001, "lastBlock": 23882696, "reason": "absence"}],
    "next": "/v1/history?limit=1&before=23882697.4711",
    "network": "mainnet",
    "complete": True,
    "spooled": 0,
}

HISTORY_CSV: Final = (
    "block_number,timestamp,l1_basefee_wei,raw_fee_per_gas,fee_per_gas,bound,cost_wei,revenue_wei,vault_balance_wei,"
    "block_hash,quote_id,parameters_id,computed_at,sequence,doubts\r\n"
    "23882697,1764157403,25000000000,12521739131,12521739131,none,7605000000000000,8640000000390000,"
    "10000000000000000000,0x5b3f6d0e1c2a49788f7e6d5c4b3a29180f1e2d3c4b5a69788796a5b4c3d2e1f0,"
    "6d1f0c52a9b34e7780c1d2e3f4a5b6c7,0a1b2c3d4e5f60718293a4b5c6d7e8f9,2025-11-26T11:43:24.512Z,4711,\r\n"
)

"""The embedded L1: a JSON-RPC node on loopback whose chain obeys EIP-1559 exactly."""

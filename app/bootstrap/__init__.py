"""The only place where the program's objects are built, and where its tasks live and die together."""

from app.bootstrap.commands import fetch_head, fetch_header, fetch_history, journaled_blocks, run_devnet, serve, verify

__all__ = ["fetch_head", "fetch_header", "fetch_history", "journaled_blocks", "run_devnet", "serve", "verify"]

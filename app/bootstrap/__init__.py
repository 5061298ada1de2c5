"""The only place where the program's objects are built, and where its tasks live and die together."""

from app.bootstrap.commands import fetch_head, run_devnet, serve, verify

__all__ = ["fetch_head", "run_devnet", "serve", "verify"]

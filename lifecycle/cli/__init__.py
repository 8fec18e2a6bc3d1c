"""The command line: parse, call, print."""

from lifecycle.cli.main import cli, main

__all__ = ["cli", "main"]

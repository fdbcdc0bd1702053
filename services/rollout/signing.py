"""Whatever an operator does by command is done with a name and a reason."""

import argparse


def signed(command: argparse.ArgumentParser) -> None:
    """Let the command ask who does it and why; both are stored with what is done."""
    command.add_argument("--reason", required=True, type=_words, help="stored with it")
    command.add_argument("--by", required=True, type=_words, help="your name, stored with it")


def _words(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("some words are expected")
    return text.strip()

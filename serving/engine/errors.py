"""What can go wrong on the model side of the engine.

Every class pickles, because Ray carries errors between processes. Not for HTTP: the
mapping to status codes lives with the routes.
"""

from typing import Literal


class EngineError(Exception):
    """The root: whoever catches this catches everything the model side raises."""


class BaseError(EngineError):
    """The base model on disk is not the one its manifest describes."""


class PromptError(EngineError):
    """A prompt that the text encoder cannot read as a whole; `expected` names what it reads."""

    def __init__(self, code: Literal["prompt_too_long", "unknown_language"], message: str, expected: str) -> None:
        super().__init__(code, message, expected)
        self.code, self.message, self.expected = code, message, expected

    def __str__(self) -> str:
        return f"{self.message}, expected {self.expected}"


class PackageError(EngineError):
    """A package that carries frozen weights (text or style) is not installed as expected."""

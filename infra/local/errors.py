"""What can go wrong in the local stack and be acted on by the person at the terminal."""


class StackError(Exception):
    """Its text is one or more whole sentences for the terminal; no traceback is shown."""


class MissingToolError(StackError):
    """A system package is needed and cannot be installed from here; the text names the command."""


class PartFailedError(StackError):
    """A part did not become healthy; the text carries its last log lines."""

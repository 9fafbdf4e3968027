"""The errors that byheart raises on purpose.

Each message is one line that says what is wrong, where, and the call that would be right.
Anything else that escapes is a defect of byheart, not of the caller's input.
"""


class ByheartError(Exception):
    """Base of every error that byheart raises on purpose."""


class InputError(ByheartError, ValueError):
    """A file or array cannot be used: names the role, the file, and row and column if there are."""


class UsageError(ByheartError, ValueError):
    """An argument is outside what the function accepts; the message has the corrected call."""


class MissingExtraError(ByheartError, ImportError):
    """An optional dependency is missing; the message has the command that installs it."""

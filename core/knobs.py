"""Fields of settings that the command line makes options of, and the one form of progress that functions report."""

from collections.abc import Callable
from dataclasses import field
from typing import Any

OnProgress = Callable[[int, int], None]
"""Called with how much is done, of how much."""


def knob(default: Any, text: str) -> Any:
    """A field of a frozen record, with the `text` that its option shows."""
    return field(default=default, metadata={"help": text})

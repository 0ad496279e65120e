"""Fields of settings and recipes that the command line makes options of: name, default and help stand in one place."""

from dataclasses import field
from typing import Any


def knob(default: Any, text: str) -> Any:
    """A field of a frozen record, with the `text` that its option shows."""
    return field(default=default, metadata={"help": text})

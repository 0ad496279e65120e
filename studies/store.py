"""What a study has computed, on disk: a killed study goes on where it stopped, and a second run computes nothing."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from wplus.core.errors import WplusError
from wplus.core.tensorfile import read_tensors, write_tensors


@dataclass(frozen=True)
class Store:
    """A folder of results, each under a hash of all that decides it."""

    folder: Path

    def kept(self, key: Mapping[str, Any], make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """The tensors of `key`, read if they were made before, else made and written.

        Args:
            key: everything that the result depends on, as JSON.
            make: computes it.

        Raises:
            OutputError: the file cannot be written.
        """
        text = json.dumps(key, sort_keys=True)
        path = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.safetensors"
        if path.exists():
            try:
                tensors, header = read_tensors(path, error=WplusError, expected="a study's result")
                if header.get("key") == text:
                    return tensors
            except WplusError:
                pass  # damaged: made again
        tensors = make()
        write_tensors(path, tensors, {"kind": "study", "key": text})
        return tensors

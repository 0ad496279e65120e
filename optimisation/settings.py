"""How a descent goes and when it ends, as one record."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from wplus.core.knobs import knob
from wplus.optimisation.methods import Adam, Method, QuasiNewton

WINDOW = 20
"""Steps over which a picture must get better to be no plateau."""


@dataclass(frozen=True)
class Settings:
    """How a descent goes; the defaults are the preset "balanced", measured in benchmarks/quality_over_time.py.

    What each field means stands in its metadata, from which the command's options are built.

    Raises:
        ValueError: a value out of its range.
    """

    steps: int = knob(110, "Maximum number of updates.")
    seed: int = knob(0, "Random seed.")
    target_loss: float = knob(0.0, "Stop a picture when its loss is below this.")
    plateau: float = knob(0.0, f"Stop a picture when {WINDOW} steps improve its loss by less than this share.")
    seconds: float = knob(0.0, "Stop a picture after this wall time, with its best codes; 0: no limit.")
    method: Method = field(default=QuasiNewton())

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps must be 0 or more, got {self.steps}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be in [0, 2**63), got {self.seed}")
        if not (0 <= self.target_loss < math.inf and 0 <= self.plateau < 1 and 0 <= self.seconds < math.inf):
            raise ValueError("target_loss and seconds must not be negative, and plateau be in [0, 1)")

    def to_json(self) -> dict[str, Any]:
        """All values by name, the method's own beside the others."""
        values = asdict(self)
        method = values.pop("method")
        return values | {"method": method.pop("name")} | method

    @classmethod
    def image2stylegan(cls) -> "Settings":
        """The paper's values: 5000 steps of Adam at a constant 0.01 (section 4.1)."""
        return cls(steps=5000, method=Adam(learning_rate=0.01, final_rate=1.0))

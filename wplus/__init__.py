"""wplus: photographs into the latent space of a GAN, edited there, and back.

Find the StyleGAN code of a face, edit it, and carry the change into the photograph::

    import wplus

    generator = wplus.load_generator("faces-64")  # a catalogue name, or any file; data in, never code
    crop = wplus.align("portrait.jpg", size=generator.resolution)
    latent = wplus.invert(generator, crop).latent
    picture = generator(wplus.morph(latent, generator.sample(seed=2), weight=0.5))

Names are loaded when they are first used. Rooms of the package hold the rest: `wplus.alignment`, `wplus.models`,
`wplus.optimisation`, `wplus.inversion`, `wplus.editing`, `wplus.metrics`, `wplus.pipelines`.
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

_WAITING = {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}
"""How long idle threads of OpenMP spin before they sleep: turns (libgomp) and milliseconds (libiomp, libomp).

Left alone they spin so long that one other busy process a core makes an inversion ten times as slow (docs/speed.md).
"""

# the runtimes read it once, when torch is loaded; whoever has set something of the kind is left alone
if "torch" not in sys.modules and os.environ.keys().isdisjoint({*_WAITING, "OMP_WAIT_POLICY", "KMP_LIBRARY"}):
    os.environ.update(_WAITING)

if TYPE_CHECKING:
    __version__: str
    from wplus.alignment import Crop, Face, align, detect, restore
    from wplus.core import Direction, Latent, WplusError
    from wplus.core.animation import write_frames
    from wplus.core.images import read_photo, to_pil, write_picture
    from wplus.core.latent import join
    from wplus.editing import crossover, local_edit, morph, path, transfer_expression
    from wplus.inversion import Inversion, invert
    from wplus.metrics import identity_distance
    from wplus.models import Generator, load_generator
    from wplus.models.checkpoints.latents import load_latent
    from wplus.optimisation import Settings, descend
    from wplus.pipelines.edit import edit

_NAMES = {
    "Crop": "wplus.alignment",
    "Direction": "wplus.core",
    "Face": "wplus.alignment",
    "Generator": "wplus.models",
    "Inversion": "wplus.inversion",
    "Latent": "wplus.core",
    "Settings": "wplus.optimisation",
    "WplusError": "wplus.core",
    "align": "wplus.alignment",
    "crossover": "wplus.editing",
    "descend": "wplus.optimisation",
    "detect": "wplus.alignment",
    "edit": "wplus.pipelines.edit",
    "identity_distance": "wplus.metrics",
    "invert": "wplus.inversion",
    "join": "wplus.core.latent",
    "load_generator": "wplus.models",
    "load_latent": "wplus.models.checkpoints.latents",
    "local_edit": "wplus.editing",
    "morph": "wplus.editing",
    "path": "wplus.editing",
    "read_photo": "wplus.core.images",
    "restore": "wplus.alignment",
    "to_pil": "wplus.core.images",
    "transfer_expression": "wplus.editing",
    "write_frames": "wplus.core.animation",
    "write_picture": "wplus.core.images",
}

_ROOMS = (
    "alignment", "cli", "core", "editing", "inversion", "metrics", "models", "optimisation", "pipelines", "studies",
    "training",
)  # fmt: skip

__all__ = [
    "Crop",
    "Direction",
    "Face",
    "Generator",
    "Inversion",
    "Latent",
    "Settings",
    "WplusError",
    "__version__",
    "align",
    "crossover",
    "descend",
    "detect",
    "edit",
    "identity_distance",
    "invert",
    "join",
    "load_generator",
    "load_latent",
    "local_edit",
    "morph",
    "path",
    "read_photo",
    "restore",
    "to_pil",
    "transfer_expression",
    "write_frames",
    "write_picture",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("wplus")
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    if name in _ROOMS:
        return import_module(f"wplus.{name}")
    raise AttributeError(f"module 'wplus' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS])

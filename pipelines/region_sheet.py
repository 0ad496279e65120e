"""What wplus edit-region did, on one sheet with figures: the region alone beside the whole face."""

from dataclasses import replace

import torch

from wplus.alignment import crop
from wplus.core import WeightsError
from wplus.core.images import resized
from wplus.core.photograph import Photograph
from wplus.core.shapes import Picture, Resized
from wplus.core.sheets import Sheet, drawn
from wplus.editing import morph
from wplus.editing.pooling import share
from wplus.metrics import Metric, find_metric
from wplus.metrics.local import masked_mse
from wplus.models import Generator
from wplus.pipelines.portrait import MASK_SIDE, Portrait
from wplus.pipelines.regions import Edit, shown_by

LIKENESS = ("lpips-vgg", "lpips-alex", "lpips-squeeze", "perceptual")
"""Metrics that tell how near the edited face looks to the target; the first is taken whose weights are here."""


def figures(edit: Edit, picture: Picture) -> dict[str, float]:
    """How near a picture is to the references inside their masks, to the target outside, and to the target as a whole.

    Squared errors are means on [-1, 1]; everything is compared with the photographs' crops at the generator's size.
    """
    target, *references = (portrait.crop.picture[None] for portrait in edit.portraits)
    size = picture.shape[-1]
    masks = [share(mask, size, size) for mask in edit.masks]
    inside = [
        float(masked_mse(picture[None], reference, mask)) for reference, mask in zip(references, masks, strict=True)
    ]
    outside = masked_mse(picture[None], target, 1 - torch.stack(masks).amax(dim=0))
    metric = _likeness()
    return {
        "MSE inside": sum(inside) / len(inside),
        "outside": float(outside),
        metric.name: float(metric.load()(picture[None], target)),
    }


def sheet_of(edit: Edit, result: Photograph | None, generator: Generator) -> Resized:
    """Target, references, mask, the first reference's whole face, the region alone, and the result; with figures."""
    whole = shown_by(generator, morph(edit.codes[0], edit.codes[1], weight=edit.strength))
    target, *references = map(_shown, edit.portraits)
    pictures = {
        "target": target,
        **{f"reference {number}": picture for number, picture in enumerate(references, 1)},
        "mask": target.lerp(-torch.ones_like(target), 0.8 * (1 - edit.mask)),
        "as the generator sees it": _large(shown_by(generator, edit.codes[0])),
        f"global: {_told(figures(edit, whole))}": _large(whole),
        f"local: {_told(figures(edit, edit.picture))}": _large(edit.picture),
    }
    if result is not None:
        pictures["result"] = _shown(replace(edit.portraits[0], file=result))
    return drawn(Sheet("edit", "A region of one photograph from another", (tuple(pictures.values()),), tuple(pictures)))


def _told(found: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in found.items())


def _likeness() -> Metric:
    for name in LIKENESS[:-1]:
        metric = find_metric(name)
        try:
            metric.load()
        except WeightsError:
            continue
        return metric
    return find_metric(LIKENESS[-1])


def _shown(portrait: Portrait) -> Picture:
    """The face of a photograph, large enough to be looked at."""
    return crop(portrait.photo, replace(portrait.crop.alignment, size=MASK_SIDE)).picture


def _large(picture: Picture) -> Resized:
    return resized(picture, height=MASK_SIDE, width=MASK_SIDE).clamp(-1, 1)

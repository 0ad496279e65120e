"""A region of one photograph from others: what each gives, fitted to the face that takes it, and the photograph after.

What is taken is cut out of its photograph so that it lies where the target's region lies. A generator with a stylemap
blends the faces' codes (StyleMapGAN section 3.3); the photographs give the detail that it misses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from wplus.alignment import REGIONS, Crop, crop, restore, restore_region
from wplus.alignment.fit import FRAMES
from wplus.alignment.masks import read_mask
from wplus.alignment.measures import yaw
from wplus.alignment.parts import PARTS, rectangle
from wplus.core import ImageError, Latent, WplusError
from wplus.core.photograph import Photograph
from wplus.core.shapes import Mask, Picture, PooledMask
from wplus.editing import Patch, local_edit
from wplus.editing.local import Where
from wplus.models import Generator
from wplus.models.parser import CLASSES
from wplus.pipelines.detail import Given, moved_detail, with_detail
from wplus.pipelines.parts import allowed_places, parse
from wplus.pipelines.portrait import MASK_SIDE, Portrait
from wplus.pipelines.rendering import render_one

SKIN = CLASSES.index("skin")

LEAST_SKIN, MOST_GAIN = 0.03, 1.6
"""Of a crop: with less skin its light is not known. And by how much contrast may be changed."""

TURNED = 15.0
"""Degrees by which two heads may look different ways before what one lends the other looks pasted."""

Choice = Callable[[Portrait, Portrait], tuple[Portrait, Mask]]
"""Target and reference to the reference as it lies upon the target, and the mask of what is replaced."""


def named(text: str) -> Choice:
    """A region of both faces by its name, or a rectangle "left,top,right,bottom" in parts of the crop's side.

    Raises:
        WplusError: no region has that name, or it is no rectangle.
    """
    if "," in text:
        try:
            left, top, right, bottom = map(float, text.split(","))
            mask = rectangle(left, top, right, bottom, size=MASK_SIDE)
        except ValueError as error:
            raise WplusError(f"--region {text} is no rectangle within the crop, such as 0.3,0.6,0.7,0.9") from error
        return lambda target, reference: (reference, mask)
    if text not in {*REGIONS, *PARTS}:
        raise WplusError(f"no region is named '{text}'; they are {', '.join(dict.fromkeys((*REGIONS, *PARTS)))}")

    def both(target: Portrait, reference: Portrait) -> tuple[Portrait, Mask]:
        within = torch.ones(1, 1)
        if text in FRAMES and target.landmarks is not None and reference.landmarks is not None:
            reference = reference.fitted_to(target, text)
            if text != "hair":
                reference, within = _lit(reference, target)
        for portrait in (target, reference):
            if text not in REGIONS and portrait.labels is None:
                raise WplusError(
                    f"'{text}' is seen by face parsers alone; give --labels, or one of {', '.join(REGIONS)}"
                )
        found, missing = [], []
        for portrait in (target, reference):
            try:
                found.append(portrait.region(text))
            except ImageError as error:  # a bald head takes hair, and gives its lack of it
                missing.append(error)
        if not found:
            raise missing[0]
        # of both: nothing of the old is left beside the new
        return reference, torch.stack(found).amax(dim=0) * within

    return both


def _lit(reference: Portrait, target: Portrait) -> tuple[Portrait, Mask]:
    """The reference with the target's skin: its mean and spread of each colour; and where both show a face."""
    ours, theirs = (crop(x.photo, replace(x.crop.alignment, size=MASK_SIDE)).picture for x in (target, reference))
    seen = parse(ours, theirs)
    first, second = (allowed_places(x, parts, ["face"])[0] for x, parts in zip((ours, theirs), seen, strict=True))
    face = torch.minimum(first, second)  # neither beside the target's cheek nor from beside the reference's
    skins = [
        picture[:, torch.nn.functional.interpolate(parts[None, [SKIN]], ours.shape[1:], mode="bilinear")[0, 0] > 0.7]
        for picture, parts in zip((ours, theirs), seen, strict=True)
    ]
    if min(skin.shape[1] for skin in skins) < LEAST_SKIN * ours[0].numel():
        return reference, face
    (mean, spread), (other, its) = ((x.mean(1)[:, None, None], x.std(1)[:, None, None]) for x in skins)
    gain = (spread / its.clamp(min=0.01)).clamp(1 / MOST_GAIN, MOST_GAIN)
    lit = [((picture - other) * gain + mean).clamp(-1, 1) for picture in (reference.photo, reference.crop.picture)]
    return replace(reference, file=Photograph(lit[0]), crop=replace(reference.crop, picture=lit[1])), face


def painted(path: Path) -> Choice:
    """A mask painted over the target's photograph.

    Raises:
        ImageError: when called: no picture, of another shape than the photograph, empty, or beside the face.
    """

    def seen(target: Portrait, reference: Portrait) -> tuple[Portrait, Mask]:
        height, width = target.photo.shape[1:]
        return reference, target.seen(read_mask(path, height=height, width=width), str(path))

    return seen


def paired(choices: Sequence[Choice], references: int) -> list[tuple[int, Choice]]:
    """Each choice with the number of the reference that gives it, from 1.

    Raises:
        WplusError: there are neither as many references as choices, nor one that gives all.
    """
    if references not in (1, len(choices)):
        raise WplusError(
            f"{references} references and {len(choices)} regions or masks do not match;"
            " give each reference one --region or --mask, or give one reference"
        )
    return [(1 if references == 1 else number, choice) for number, choice in enumerate(choices, 1)]


@dataclass(frozen=True, eq=False)
class Edit:
    """An edit and all that went into it.

    Args:
        portraits: the target, and for every patch the reference as it lies upon the target.
        codes: of all of them.
        masks: of the patches.
        strength: of all patches.
        picture: what the generator made of it.
    """

    portraits: Sequence[Portrait]
    codes: Sequence[Latent]
    masks: Sequence[PooledMask]
    strength: float
    picture: Picture

    @property
    def mask(self) -> PooledMask:
        """All that is edited."""
        return torch.stack([*self.masks]).amax(dim=0)


Codes = Callable[[Sequence[Portrait]], Sequence[Latent]]
"""How portraits become codes."""


def edit_region(
    generator: Generator,
    target: Portrait,
    patches: Sequence[tuple[Portrait, PooledMask]],
    codes: Codes,
    *,
    strength: float = 1.0,
    where: Where = "w+",
) -> Edit:
    """Give a face what references show within masks, as a generator with a stylemap blends it.

    Args:
        generator: with a stylemap.
        target: the face.
        patches: references as they lie upon the target, and the masks within which they give; `named` makes both.
        codes: such as `embed`.
        strength: in [0, 1].
        where: see `local_edit`.

    Raises:
        LatentError: the generator has no stylemap.
        ValueError: no patch.
    """
    portraits = [target, *(reference for reference, _ in patches)]
    found = codes(portraits)
    given = [Patch(code, mask, strength) for code, (_, mask) in zip(found[1:], patches, strict=True)]
    with torch.inference_mode():
        picture = local_edit(generator, found[0], *given, where=where)[0].clamp(-1, 1).cpu()
    return Edit(portraits, found, [mask for _, mask in patches], strength, picture)


def into_photograph(edit: Edit, generator: Generator, paste: Literal["region", "face"] = "region") -> Photograph:
    """The target's photograph with the region, or with the whole face as the generator renders it."""
    target, *references = edit.portraits
    after = Crop(edit.picture, target.crop.alignment)
    if paste == "face":
        return target.file.changed(restore(target.photo, after))
    shown, *given = (shown_by(generator, code) for code in edit.codes)
    taken = [
        Given(reference, picture, edit.strength * mask)
        for reference, picture, mask in zip(references, given, edit.masks, strict=True)
    ]
    fine = with_detail(after, taken)
    if edit.strength < 1:
        fine = moved_detail(fine, edit.picture, Given(target, shown, edit.strength * edit.mask))
    before = Crop(shown, target.crop.alignment)
    return target.file.changed(restore_region(target.photo, before, fine, edit.strength * edit.mask))


def turned(target: Portrait, reference: Portrait) -> float:
    """Degrees by which two heads look different ways, left or right; 0 where a face was not found."""
    if target.landmarks is None or reference.landmarks is None:
        return 0.0
    return abs(yaw(reference.landmarks) - yaw(target.landmarks))


def shown_by(generator: Generator, latent: Latent) -> Picture:
    """The picture of one code, within [-1, 1]."""
    return render_one(generator, latent)[0].clamp(-1, 1)

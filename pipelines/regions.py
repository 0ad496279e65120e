"""What wplus edit-region takes from each reference: regions, rectangles and painted masks, in the crops' frame."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from wplus.alignment import REGIONS
from wplus.alignment.masks import read_mask
from wplus.alignment.parts import PARTS, rectangle
from wplus.core import ImageError, WplusError
from wplus.core.shapes import Mask
from wplus.pipelines.portrait import MASK_SIDE, Portrait

Choice = Callable[[Portrait, Portrait], Mask]
"""Target and reference to the mask of what is replaced."""


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
        return lambda target, reference: mask
    if text not in {*REGIONS, *PARTS}:
        raise WplusError(f"no region is named '{text}'; they are {', '.join(dict.fromkeys((*REGIONS, *PARTS)))}")

    def both(target: Portrait, reference: Portrait) -> Mask:
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
        return torch.stack(found).amax(dim=0)  # of both: nothing of the old is left beside the new

    return both


def painted(path: Path) -> Choice:
    """A mask painted over the target's photograph.

    Raises:
        ImageError: when called: no picture, of another shape than the photograph, empty, or beside the face.
    """

    def seen(target: Portrait, reference: Portrait) -> Mask:
        height, width = target.photo.shape[1:]
        return target.seen(read_mask(path, height=height, width=width), str(path))

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

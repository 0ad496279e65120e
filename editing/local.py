"""Local editing in a spatial latent: a region of a face takes its style from a reference (StyleMapGAN section 3.3)."""

from typing import Literal

from wplus.core.errors import LatentError
from wplus.core.latent import Latent, check_same
from wplus.core.shapes import Images
from wplus.editing.patch import Patch, check_patches
from wplus.models import Generator, StyleMapGAN
from wplus.models.stylemap import StyleMapSynthesis, to_map, to_rows

Where = Literal["w", "w+"]
"""Where maps are blended: once in the stylemap, or in all that the generator makes of it for its layers."""

COARSE_MAPS = 2
"""Maps of the stylemap's own size, which style mixing takes from the coarse picture."""


def local_edit(generator: Generator, target: Latent, *patches: Patch, where: Where = "w+") -> Images:
    """The target's pictures with regions of references; where patches overlap, a later one lies over an earlier one.

    Args:
        generator: with a stylemap.
        target: its code, or several that are edited alike.
        patches: what each reference gives.
        where: "w" blends in the stylemap, whose cells are coarse (it is the picture of `edited_stylemap`); "w+" at
            every resolution, along the mask's own edge.

    Returns:
        RGB (batch, 3, resolution, resolution).

    Raises:
        LatentError: the generator has no stylemap, or the latents do not belong to it or together.
        ValueError: no patch.
    """
    synthesis = synthesis_of(generator)
    generator.check(target)
    check_patches(target, patches)
    if where == "w":
        return generator(edited_stylemap(target, *patches))
    maps = synthesis.resized(target.ws.to(generator.device))
    for patch in patches:
        given = synthesis.resized(patch.reference.ws.to(generator.device))
        maps = [patch.blend(ours, theirs.expand_as(ours)) for ours, theirs in zip(maps, given, strict=True)]
    return synthesis.render(maps)


def edited_stylemap(target: Latent, *patches: Patch) -> Latent:
    """The target's stylemap with regions of the references': an edit that is a latent again, to be saved or morphed.

    Raises:
        LatentError: the latents are no stylemaps, or do not belong together.
        ValueError: no patch.
    """
    check_patches(target, patches)
    _check_stylemap(target)
    maps = to_map(target.ws)
    for patch in patches:
        maps = patch.blend(maps, to_map(patch.reference.ws.to(maps)).expand_as(maps))
    return target.edited(to_rows(maps), edit=f"local edit, {len(patches)} patch{'es' * (len(patches) > 1)}")


def transplant(
    target: Latent, reference: Latent, *, into: tuple[int, int], taken: tuple[int, int], size: tuple[int, int]
) -> Latent:
    """Copy a rectangle of cells of the reference's stylemap into any place of the target's (unaligned transplantation).

    Args:
        target, reference: stylemaps of one generator.
        into, taken: row and column of the rectangle's first cell, in the target and in the reference.
        size: its rows and columns.

    Raises:
        LatentError: the latents are no stylemaps, or do not belong together.
        ValueError: the rectangle is empty, or leaves the stylemap.
    """
    check_same([target, reference])
    _check_stylemap(target)
    maps, given = to_map(target.ws).clone(), to_map(reference.ws)
    side = maps.shape[-1]
    for first in (into, taken):
        if min(size) < 1 or min(first) < 0 or max(first[0] + size[0], first[1] + size[1]) > side:
            raise ValueError(f"{size[0]} x {size[1]} cells at {first} are not within a stylemap of {side} x {side}")
    (to_row, to_column), (row, column), (height, width) = into, taken, size
    copied = given[:, :, row : row + height, column : column + width]
    maps[:, :, to_row : to_row + height, to_column : to_column + width] = copied
    return target.edited(to_rows(maps), edit=f"transplant of {height} x {width} cells")


def mix(generator: Generator, coarse: Latent, fine: Latent, *, maps: int = COARSE_MAPS) -> Images:
    """Style mixing: the first `maps` resized maps of one picture, the others of another.

    Raises:
        LatentError: the generator has no stylemap, or the latents do not belong to it or together.
        ValueError: more maps than there are.
    """
    synthesis = synthesis_of(generator)
    check_same([coarse, fine])
    generator.check(coarse)
    first, rest = (synthesis.resized(latent.ws.to(generator.device)) for latent in (coarse, fine))
    if not 0 <= maps <= len(first):
        raise ValueError(f"{generator.name} has {len(first)} maps, {maps} were asked for")
    return synthesis.render([*first[:maps], *rest[maps:]])


def synthesis_of(generator: Generator) -> StyleMapSynthesis:
    """The synthesis network of a generator with a stylemap.

    Raises:
        LatentError: the generator has none.
    """
    if not isinstance(generator.network, StyleMapGAN):
        title = generator.network.config.title
        raise LatentError(f"{generator.name} is a {title}, its codes have no places; local editing needs a StyleMapGAN")
    return generator.network.synthesis


def _check_stylemap(latent: Latent) -> None:
    """Its rows must stand for cells; of bare codes that is believed."""
    if latent.origin is not None and latent.rows != "cells":
        raise LatentError(f"codes of {latent.origin.space} have no places; local editing needs a stylemap")

"""Latent editing consistency: whether an encoder still knows an edited picture (Tov et al. 2021, section 5.3)."""

from collections.abc import Callable

from wplus.core.shapes import Images, Losses, Ws


def editing_consistency(
    images: Images,
    *,
    encode: Callable[[Images], Ws],
    render: Callable[[Ws], Images],
    edit: Callable[[Ws], Ws],
    undo: Callable[[Ws], Ws],
) -> Losses:
    """Encode, edit, render, encode again, undo the edit: the Euclidean distance of the two codes, over all rows.

    0 is best. e4e's figure (LEC) is the mean over pictures without the outer 1 % at either end: a `Quantity` with
    trim 0.01.

    Args:
        images: of the size that `encode` takes; `render` must give the same.
        edit, undo: of codes; `undo` takes back what `edit` does.
    """
    first = encode(images)
    again = undo(encode(render(edit(first))))
    return (first - again).square().sum(dim=(1, 2)).sqrt()

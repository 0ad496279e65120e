"""Numbers about local edits: how near inside and outside a mask (StyleMapGAN section 4), and how visible its seam."""

from wplus.core.shapes import Images, Losses, Mask


def masked_mse(a: Images, b: Images, mask: Mask) -> Losses:
    """Mean squared error over the places of a mask, by its weights; on the range [-1, 1], one number an image.

    Inside a region compare with the reference, outside (under 1 - mask) with the target.

    Raises:
        ValueError: the mask is empty.
    """
    total = float(mask.sum())
    if not total > 0:
        raise ValueError("an empty mask has no mean")
    return (mask.to(a) * (a - b).square().mean(dim=1)).sum(dim=(1, 2)) / total


def seam_gradient(images: Images, mask: Mask) -> Losses:
    """Mean absolute step between neighbouring pixels across the edge of a mask; on [-1, 1], one number an image.

    Steps count by the mask's own step. Contours of the face that cross the edge count too: compare with the same
    figure of the picture before its edit.

    Raises:
        ValueError: the mask has no edge.
    """
    mask = mask.to(images)
    steps, edges = images.new_zeros(len(images)), mask.new_zeros(())
    for dim in (-1, -2):
        edge = mask.diff(dim=dim).abs()
        steps = steps + (images.diff(dim=dim).abs().mean(dim=1) * edge).sum(dim=(1, 2))
        edges = edges + edge.sum()
    if not edges > 0:
        raise ValueError("a mask of one value has no edge")
    return steps / edges

"""Differentiable augmentation: what the discriminator sees of real and made-up pictures alike (Zhao et al. 2020)."""

import torch
from torch.nn import functional

from wplus.core.shapes import Images

SHIFT = 0.1
"""Largest translation, as a share of the side."""

BRIGHTNESS, CONTRAST, CUT = 0.3, 0.5, 1 / 3


def augmented(images: Images) -> Images:
    """Every picture translated, its brightness and contrast changed, and a square of a third of its side cut out."""
    count, side, device = len(images), images.shape[2], images.device
    affine = torch.eye(2, 3, device=device).repeat(count, 1, 1)
    affine[:, :, 2] = (torch.rand(count, 2, device=device) * 2 - 1) * 2 * SHIFT  # the grid is 2 wide
    grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
    x = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)

    def draw(largest: float) -> torch.Tensor:
        return (torch.rand(count, 1, 1, 1, device=device) * 2 - 1) * largest

    x = x + draw(BRIGHTNESS)
    mean = x.mean(dim=1, keepdim=True)
    x = (x - mean) * (1 + draw(CONTRAST)) + mean

    places = torch.arange(side, device=device)
    row, column = ((places - torch.randint(side, (count, 1), device=device)).abs() < side * CUT / 2 for _ in range(2))
    return x * ~(row[:, None, :, None] & column[:, None, None, :])

"""Whether an embedding fills in what is missing of a face: eyes, nose, mouth or a half of it are blacked out.

Aligned faces are embedded whole, and with each of four parts black. The error is then told inside the hole, against the
black that was shown and against the photograph that was not, and outside it.

The paper finds that the embedding reproduces the defect, and does not inpaint [S2]; that parts are nearly independent,
so a missing nose hardly changes eyes or mouth [S2].
"""

import torch

from wplus.core.shapes import Images, Losses, Mask
from wplus.core.sheets import Sheet
from wplus.studies.bench import Bench, stacked
from wplus.studies.plots import bars, legend, panels
from wplus.studies.rows import distinct, interval, mean, where
from wplus.studies.study import Conclusion, Data, Finding, Measured, Plot, Row, Table

SOURCE = "Image2StyleGAN (Abdal et al. 2019, arXiv 1904.03189), figure of defective faces"

PARTS = {
    "eyes": (0.22, 0.40, 0.78, 0.54),
    "nose": (0.40, 0.52, 0.60, 0.68),
    "mouth": (0.32, 0.68, 0.68, 0.83),
    "half": (0.00, 0.00, 0.50, 1.00),
}
"""Left, top, right and bottom of each part, in sides of the FFHQ frame: eyes lie at 0.47, the mouth at 0.75."""

BLACK = -1.0


def hole(part: str, size: int) -> Mask:
    """1 where a part is, 0 elsewhere, shape (size, size)."""
    left, top, right, bottom = (round(value * size) for value in PARTS[part])
    mask = torch.zeros(size, size)
    mask[top:bottom, left:right] = 1
    return mask


def masked_mse(a: Images, b: Images, mask: Mask) -> Losses:
    """Mean squared error over the pixels of a mask, on the range [-1, 1], one number an image."""
    return ((a - b).square().mean(dim=1) * mask).sum(dim=(1, 2)) / mask.sum()


def measure(bench: Bench) -> Measured:
    """Embed some faces whole, and with each part black."""
    photos = bench.faces[: 2 if bench.quick else 5]
    whole = stacked(photos)
    holes = {part: hole(part, bench.generator.resolution) for part in PARTS}
    shown = {part: torch.where(mask.bool(), torch.tensor(BLACK), whole) for part, mask in holes.items()}
    found = bench.embed(torch.cat([whole, *shown.values()]))
    pictures = dict(zip(("whole", *PARTS), bench.render(found.ws).split(len(photos)), strict=True))
    rows: list[Row] = []
    for part, mask in holes.items():
        values = {
            "inside, to the black": masked_mse(pictures[part], shown[part], mask),
            "inside, to the photograph": masked_mse(pictures[part], whole, mask),
            "outside": masked_mse(pictures[part], whole, 1 - mask),
            "outside, undamaged": masked_mse(pictures["whole"], whole, 1 - mask),
        }
        for index, photo in enumerate(photos):
            errors = {name: float(value[index]) for name, value in values.items()}
            rows.append({"photo": photo.name, "class": photo.kind, "face": True, "part": part, **errors})
    sheets = tuple(
        Sheet(
            f"face-{index + 1}",
            f"{photo.name}: with parts missing, and embedded.",
            (
                (whole[index], *(shown[part][index] for part in PARTS)),
                tuple(pictures[part][index] for part in ("whole", *PARTS)),
            ),
            ("whole", *PARTS),
            ("photograph", "embedded"),
        )
        for index, photo in enumerate(photos)
    )
    return Measured({"images": rows}, sheets)


ERRORS = ("inside, to the black", "inside, to the photograph", "outside", "outside, undamaged")


def conclude(data: Data) -> Conclusion:
    """Errors inside and outside the holes."""
    rows = data["images"]
    parts = {str(part): where(rows, part=part) for part in distinct(rows, "part")}
    table = Table(
        "MSE on [-1, 1] of embeddings of damaged faces",
        ("missing", "faces", *ERRORS),
        tuple((part, len(found), *(interval(found, name) for name in ERRORS)) for part, found in parts.items()),
        note="Outside, undamaged: the error of the whole face's embedding over the same pixels.",
    )
    figure, (axes,) = panels(width=9)
    bars(axes, list(parts), {name: [mean(found, name) for found in parts.values()] for name in ERRORS})
    axes.set_ylabel("MSE on [-1, 1]")
    axes.set_yscale("log")
    legend(figure, axes)
    return Conclusion(
        (_inpaints(parts), _apart(parts)), (table,), (Plot("defects", "Errors by missing part.", figure),)
    )


def _inpaints(parts: dict[str, list[Row]]) -> Finding:
    pairs = {part: tuple(mean(rows, name) for name in ERRORS[:2]) for part, rows in parts.items()}
    return Finding(
        "The embedding shows the defect; W+ does not inpaint.",
        "S2",
        "inside the hole the embedding is nearer to the black than to the face",
        "; ".join(
            f"{part}: {black:.3g} from the black, {face:.3g} from the face" for part, (black, face) in pairs.items()
        ),
        all(black < face for black, face in pairs.values()),
    )


def _apart(parts: dict[str, list[Row]]) -> Finding:
    ratios = {part: mean(rows, "outside") / mean(rows, "outside, undamaged") for part, rows in parts.items()}
    return Finding(
        "Parts are nearly independent: a missing one hardly changes the others.",
        "S2",
        "outside the hole about the error of the undamaged face, under 1.5 times",
        ", ".join(f"{part} {ratio:.2f} times" for part, ratio in ratios.items()),
        all(ratio < 1.5 for ratio in ratios.values()),
    )

"""Whether paths between embeddings are as smooth as paths between the generator's own codes, and as full of faces.

Pictures that the generator made up are embedded as if they were photographs: then paths between the embeddings can be
compared with paths between the codes that the pictures really have. Photographs of faces are embedded beside them. On
random paths at random places three things are measured: the perceptual path length, with the perceptual loss of the
bench in the place of LPIPS and divided by the loss between the ends (1 is a straight path at an even pace), whether
dlib finds a face, and how far the features of all these pictures are from those of other made-up faces: FD_lerp and
its unbiased relative, the kernel distance.

Then embeddings of W+ are compared with embeddings that stay inside a ball of P_N, where mapped codes are Gaussian. The
latter reconstruct less well, so the W+ descents are also stopped at the very loss that P_N reaches.

StyleMapGAN finds that optimised codes of W+ interpolate much worse than codes that a network gives [M-hi]; the
improved embedding of Zhu et al. that a stronger prior of P_N gives codes that can be edited better, and reconstructs
worse [M-hi].
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from wplus.core.errors import FaceError
from wplus.core.latent import Latent
from wplus.core.shapes import Features, Images, Ws
from wplus.core.sheets import Sheet
from wplus.metrics import (
    find_features,
    frechet_distance,
    kernel_distance,
    moments,
    mse,
    pn_norm,
)
from wplus.models.pn import PNSpace, fit_pn
from wplus.studies.bench import Bench, stacked
from wplus.studies.faces import made_up
from wplus.studies.paths import draws, walk
from wplus.studies.plots import bars, legend, panels
from wplus.studies.prior import Likely, stopped
from wplus.studies.rows import distinct, interval, mean, numbers, where
from wplus.studies.study import Conclusion, Data, Finding, Measured, Plot, Row, Table

SOURCE = (
    "StyleMapGAN (Kim et al. 2021, arXiv 2104.14754), FID_lerp in table 2; Improved StyleGAN embedding (Zhu et al."
    " 2020, arXiv 2012.09036), section 4; path length as in StyleGAN (Karras et al. 2019), section 4.1"
)

MADE_UP, PHOTOGRAPHS = "made-up faces", "photographs"
OWN, WHOLE, STOPPED, LIKELY = "own codes", "W+", "W+, stopped", "P_N"

FEATURES = "vgg-slim"
"""The network of the two distances of distributions."""

PEOPLE = 8
"""Pictures of a set, at most; one batch."""

FEW, MANY = 32, 200
"""Places on paths, in a quick study and otherwise."""

COLUMNS = 9  # of the sheet of paths


class Group(NamedTuple):
    """Codes of one set of pictures, found in one way."""

    pictures: str
    codes: str
    names: tuple[str, ...]
    targets: Images
    ws: Ws


def measure(bench: Bench) -> Measured:
    """Walk on all paths."""
    space = fit_pn(bench.generator)
    groups = _groups(bench, space)
    count = FEW if bench.quick else MANY
    extract = find_features(FEATURES).load(None)
    others = torch.cat([bench.generator.sample(1000 + seed).ws for seed in range(count)])
    reference = _features(bench, bench.render(others), extract)
    images: list[Row] = []
    paths: list[Row] = []
    sets: list[Row] = []
    for group in groups:
        about = {"pictures": group.pictures, "codes": group.codes}
        images += _images(bench, space, group, about)
        drawn = draws(len(group.ws), count, seed=bench.settings.seed)
        here, rows = walk(bench, Latent(group.ws), drawn)
        paths += [{**about, "path": number, **row} for number, row in enumerate(rows)]
        found = _features(bench, here, extract)
        frechet = frechet_distance(moments(found), moments(reference))
        kernel, _ = kernel_distance(found, reference)
        sets.append({**about, "count": count, "frechet": frechet, "kernel": kernel})
    return Measured({"paths": paths, "images": images, "sets": sets}, (_sheet(bench, groups),))


def _groups(bench: Bench, space: PNSpace) -> list[Group]:
    """Both sets of pictures in all codes."""
    people = 4 if bench.quick else PEOPLE
    invented = made_up(bench, people, psi=1.0)
    names = tuple(photo.name for photo in invented)
    own = torch.cat([bench.generator.sample(seed).ws.cpu() for seed in range(people)])
    target = stacked(invented)
    groups = [Group(MADE_UP, OWN, names, target, own)]
    try:
        faces = bench.faces[:people]
    except FaceError:
        faces = ()
    sets = {MADE_UP: (names, target)}
    if len(faces) > 1:
        sets[PHOTOGRAPHS] = (tuple(photo.name for photo in faces), stacked(faces))
    for pictures, (people_of, wanted) in sets.items():
        likely = bench.embed(wanted, space=Likely(space)).ws
        reached = torch.stack(list(bench.losses(likely, wanted).values())).sum(dim=0)
        early, whole = stopped(bench, wanted, reached)
        for codes, ws in ((WHOLE, whole), (STOPPED, early), (LIKELY, likely)):
            groups.append(Group(pictures, codes, people_of, wanted, ws))
    return groups


def _images(bench: Bench, space: PNSpace, group: Group, about: dict[str, str]) -> list[Row]:
    """What each embedding costs, and how likely it is."""
    losses = torch.stack(list(bench.losses(group.ws, group.targets).values())).sum(dim=0)
    errors = mse(bench.render(group.ws), group.targets)
    distances, norms = bench.distance(group.ws) / bench.sample_distance, pn_norm(group.ws, space)
    return [
        {
            **about,
            "photo": name,
            "loss": float(losses[index]),
            "mse": float(errors[index]),
            "relative_distance": float(distances[index]),
            "pn_norm": float(norms[index]),
        }
        for index, name in enumerate(group.names)
    ]


def _features(bench: Bench, pictures: Images, extract: object) -> Features:
    assert callable(extract)
    parts = []
    for first in range(0, len(pictures), 16):
        bench.watch("features", first, len(pictures))
        with torch.inference_mode():
            parts.append(extract(pictures[first : first + 16]))
    return torch.cat(parts)


def _sheet(bench: Bench, groups: Sequence[Group]) -> Sheet:
    """The path from the first picture to the second, in all codes."""
    weights = torch.linspace(0, 1, COLUMNS)[:, None, None]
    strips = [bench.render(group.ws[:1].lerp(group.ws[1:2], weights)) for group in groups]
    return Sheet(
        "paths",
        "The same two pictures and the path between them, in different codes.",
        tuple(tuple(strip) for strip in strips),
        tuple(f"{float(weight):g}" for weight in weights),
        tuple(f"{group.pictures}: {group.codes}" for group in groups),
    )


def conclude(data: Data) -> Conclusion:
    """All figures by set of pictures and codes."""
    keys = [(str(row["pictures"]), str(row["codes"])) for row in data["sets"]]
    count = int(numbers(data["sets"], "count")[0])
    lines = []
    for pictures, codes in keys:
        paths, images, sets = (
            where(data[table], pictures=pictures, codes=codes) for table in ("paths", "images", "sets")
        )
        lines.append(
            (
                pictures,
                codes,
                mean(images, "loss"),
                mean(images, "relative_distance"),
                mean(images, "pn_norm"),
                interval(paths, "relative"),
                interval(paths, "path length"),
                mean(paths, "face found"),
                mean(sets, "frechet"),
                mean(sets, "kernel"),
            )
        )
    names = ("loss", "distance to the mean", "P_N norm", "winding", "path length", "faces", "FD_lerp", "kernel")
    table = Table(
        f"{count} places on paths between embeddings",
        ("pictures", "codes", *names),
        tuple(lines),
        note="Distance to the mean in sample distances. Winding is the path length over the loss between the ends."
        f" Distances of distributions are to {count} other made-up faces, in {find_features(FEATURES).description};"
        " FD_lerp is biased upward for so few, the kernel distance is not. Nothing is trimmed.",
    )
    figure, axes = panels(3, width=12)
    labels = {"relative": "winding of paths", "face found": "share of faces", "kernel": "kernel distance"}
    ways, sets_of = ([str(name) for name in distinct(data["sets"], column)] for column in ("codes", "pictures"))
    for item, (column, label) in zip(axes, labels.items(), strict=True):
        rows = data["sets"] if column == "kernel" else data["paths"]
        series = {
            pictures: [mean(where(rows, pictures=pictures, codes=codes), column) for codes in ways]
            for pictures in sets_of
        }
        bars(item, ways, series)
        item.set_ylabel(label)
    legend(figure, axes[0])
    plot = Plot("paths", "Paths between embeddings; means over paths.", figure)
    return Conclusion((_embedded(data), _prior(data)), (table,), (plot,))


def _embedded(data: Data) -> Finding:
    parts = {codes: _figures(data, MADE_UP, codes) for codes in (OWN, WHOLE)}
    return Finding(
        "Optimised codes interpolate worse than codes that a network gives.",
        "M-hi",
        "paths between embeddings of made-up faces leave their distribution farther than paths between their own codes",
        "; ".join(f"{codes}: {_told(found)}" for codes, found in parts.items()),
        parts[WHOLE]["kernel"] > parts[OWN]["kernel"],
        "The paper measures FID in Inception's features with 29,000 pictures, and real faces as reference.",
    )


def _prior(data: Data) -> Finding:
    pictures = PHOTOGRAPHS if where(data["sets"], pictures=PHOTOGRAPHS) else MADE_UP
    parts = {codes: _figures(data, pictures, codes) for codes in (WHOLE, STOPPED, LIKELY)}
    return Finding(
        "A prior in P_N gives codes that can be edited better, and reconstructs worse.",
        "M-hi",
        "a higher loss than W+; at the loss of the stopped W+, paths that leave the distribution less",
        "; ".join(f"{codes}: loss {found['loss']:.3g}, {_told(found)}" for codes, found in parts.items()),
        parts[LIKELY]["loss"] > parts[WHOLE]["loss"] and parts[LIKELY]["kernel"] < parts[STOPPED]["kernel"],
        f"Told from {pictures}."
        + (
            " The descent in P_N went lower than that in W+, so there is no W+ of its loss."
            if parts[LIKELY]["loss"] < parts[WHOLE]["loss"]
            else ""
        ),
    )


def _figures(data: Data, pictures: str, codes: str) -> dict[str, float]:
    """Means of one group."""
    columns = {"paths": ("relative", "face found"), "images": ("loss",), "sets": ("kernel",)}
    return {
        name: mean(where(data[table], pictures=pictures, codes=codes), name)
        for table, names in columns.items()
        for name in names
    }


def _told(found: dict[str, float]) -> str:
    return f"kernel distance {found['kernel']:.3g}, winding {found['relative']:.2f}, faces {found['face found']:.0%}"

"""The shape of W, what each row of W+ changes, and where embedded photographs lie.

W is looked at by the principal axes of 10,000 mapped codes. Then one row at a time of made-up faces is taken from other
made-up faces: how much each region of the face changes, found by landmarks, how far the landmarks move, and how much
the mean colour changes. Embeddings of all photographs are drawn where they lie on the two principal axes of their
whole codes, with samples of the generator as dots.

GANSpace finds that 100 of 512 axes of W describe how a picture looks [M-hi]. StyleGAN finds pose, shape and hair in
the coarse rows, 4 to 8 px, features of the face in the middle ones, colours and fine structure in the fine ones, from
64 px on [M-hi]. Image2StyleGAN finds one cluster of faces with the other classes scattered around it [M-hi].
"""

from collections.abc import Sequence

import torch

from wplus.core.shapes import Features
from wplus.core.sheets import Sheet
from wplus.metrics import pn_norm
from wplus.models.pn import fit_pn
from wplus.studies.bench import Bench
from wplus.studies.effects import coarse_to_fine, effects_of, effects_plot, effects_table
from wplus.studies.likeness import feature_distance
from wplus.studies.maps import drawn_map, principal
from wplus.studies.pairs import Cast, cast
from wplus.studies.plots import COLOURS, panels
from wplus.studies.rows import distinct, interval, mean, numbers, where
from wplus.studies.study import Conclusion, Data, Finding, Measured, Plot, Row, Table, Value

SOURCE = (
    "GANSpace (Härkönen et al. 2020, arXiv 2004.02546), section 2; StyleGAN (Karras et al. 2019, arXiv 1812.04948),"
    " section 3.1; Image2StyleGAN (Abdal et al. 2019, arXiv 1904.03189), section 3.3"
)

KEPT = (0.05, 0.1, 0.2, 0.5)
"""Shares of the principal axes that codes are reduced to."""

DOTS = 64
"""Samples on the map."""


def measure(bench: Bench) -> Measured:
    """Look at the mapped codes, at single rows, and at the embeddings."""
    w = bench.generator.mapped(10_000).cpu().flatten(0, -2)
    effects, sheet = effects_of(bench, 8 if bench.quick else 32)
    places, chart = _map(bench, cast(bench))
    data = {"spectrum": _spectrum(w), "projected": _projected(bench, w, 8), "effects": effects, "map": places}
    return Measured(data, (sheet, chart))


def _spectrum(w: Features) -> list[Row]:
    """Variances along the principal axes of codes, the largest first."""
    variances = torch.linalg.eigvalsh(torch.cov(w.T.double())).flip(0).clamp(min=0)
    shares = variances / variances.sum()
    return [
        {"axis": number, "share": float(share), "together": float(together)}
        for number, (share, together) in enumerate(zip(shares, shares.cumsum(dim=0), strict=True), start=1)
    ]


def _projected(bench: Bench, w: Features, count: int) -> list[Row]:
    """How pictures change when their codes keep only the strongest axes, against how unlike two samples are."""
    mean = w.mean(dim=0)
    _, axes = torch.linalg.eigh(torch.cov(w.T.double()))
    axes = axes.flip(1).T.float()  # the strongest first, one a row
    own = torch.cat([bench.generator.sample(seed).ws.cpu() for seed in range(count)])
    pictures = bench.render(own)
    unlike = float(feature_distance(bench, pictures, pictures.roll(1, dims=0)).mean())
    rows: list[Row] = []
    for share in KEPT:
        kept = axes[: max(1, round(share * len(axes)))]
        losses = feature_distance(bench, bench.render((own - mean) @ kept.T @ kept + mean), pictures) / unlike
        rows += [
            {"sample": seed, "kept": share, "axes": len(kept), "relative": float(loss)}
            for seed, loss in enumerate(losses)
        ]
    return rows


def _map(bench: Bench, own: Cast) -> tuple[list[Row], Sheet]:
    """Where embeddings lie, and how far from each other."""
    mean_ws = bench.generator.mean_ws.cpu()
    axes = principal((own.ws - mean_ws).flatten(1))
    samples = torch.cat([bench.generator.sample(seed).ws.cpu() for seed in range(DOTS)])
    places, dots = ((ws - mean_ws).flatten(1) @ axes.T / bench.sample_distance for ws in (own.ws, samples))
    gaps = torch.cdist(own.ws.flatten(1)[None], own.ws.flatten(1)[None])[0] / bench.sample_distance
    likely = pn_norm(own.ws, fit_pn(bench.generator)) if bench.generator.space == "W+" else None
    spread = (own.ws - own.ws.mean(dim=1, keepdim=True)).square().sum(dim=2).mean(dim=1).sqrt()
    rows: list[Row] = []
    for index, photo in enumerate(own.photos):
        alike = [number for number, other in enumerate(own.photos) if other.kind == photo.kind and number != index]
        rows.append(
            {
                "photo": photo.name,
                "class": photo.kind,
                "face": index in own.faces,
                "x": float(places[index, 0]),
                "y": float(places[index, 1]),
                "to its class": float(gaps[index, alike].mean()) if alike else None,
                "distance": float(bench.distance(own.ws[index : index + 1])[0] / bench.sample_distance),
                "rows apart": float(spread[index] / bench.generator.w_radius),
                "pn_norm": None if likely is None else float(likely[index]),
            }
        )
    title = f"All embeddings where they lie on the two principal axes of their codes, and {DOTS} samples."
    return rows, Sheet("map", title, ((drawn_map(own.photos, places, dots),),))


def conclude(data: Data) -> Conclusion:
    """Spectrum, effects of rows, and the clusters."""
    findings = (_axes(data), coarse_to_fine(data["effects"]), _cluster(data["map"]))
    tables = (_spectrum_table(data), effects_table(data["effects"]), _map_table(data["map"]))
    return Conclusion(findings, tables, (_spectrum_plot(data["spectrum"]), effects_plot(data["effects"])))


def participation(shares: Sequence[float]) -> float:
    """How many axes of equal variance would be as many: (sum)^2 / sum of squares."""
    return sum(shares) ** 2 / sum(share**2 for share in shares)


def _spectrum_table(data: Data) -> Table:
    rows = data["spectrum"]
    shares = numbers(rows, "share").tolist()
    together = numbers(rows, "together")
    lines: list[tuple[Value, ...]] = [("axes", len(rows)), ("participation ratio", participation(shares))]
    lines += [(f"axes for {part:.0%} of the variance", int((together < part).sum()) + 1) for part in (0.5, 0.9, 0.99)]
    for kept in distinct(data["projected"], "kept"):
        part = where(data["projected"], kept=kept)
        lines.append((f"loss of pictures from {float(str(kept)):.0%} of the axes", interval(part, "relative")))
    return Table("W, from 10,000 mapped codes", ("", "value"), tuple(lines), note="Losses: 1 is between two samples.")


def _map_table(rows: Sequence[Row]) -> Table:
    columns = ("distance", "to its class", "rows apart", "pn_norm")
    return Table(
        "Embeddings by class",
        ("class", "pictures", "distance to the mean", "to others of the class", "rows apart", "P_N norm"),
        tuple(
            (str(kind), len(part), *(interval(part, column) for column in columns))
            for kind in distinct(rows, "class")
            for part in (where(rows, **{"class": kind}),)
        ),
        note="Distances in sample distances; rows apart: how far rows lie from their common mean, in radii of W (0 in W"
        " itself); P_N norm: 1 for mapped codes.",
    )


def _spectrum_plot(rows: Sequence[Row]) -> Plot:
    figure, axes = panels(2, width=10)
    axes[0].semilogy(numbers(rows, "axis"), numbers(rows, "share").clip(min=1e-9), color=COLOURS[0], linewidth=1.8)
    axes[0].set_ylabel("share of the variance")
    axes[1].plot(numbers(rows, "axis"), numbers(rows, "together"), color=COLOURS[0], linewidth=1.8)
    axes[1].set_ylabel("share of the first axes together")
    for item in axes:
        item.set_xlabel("principal axis of W")
    return Plot("spectrum", "Principal axes of mapped codes.", figure)


def _axes(data: Data) -> Finding:
    shares = numbers(data["spectrum"], "share")
    part = where(data["projected"], kept=0.2)
    fifth, loss = round(0.2 * len(shares)), mean(part, "relative")
    return Finding(
        "A fifth of the principal axes of W, 100 of 512, describes how a picture looks.",
        "M-hi",
        "from a fifth of the axes pictures come back with a tenth of the loss between two samples, or less",
        f"{fifth} of {len(shares)} axes hold {shares[:fifth].sum():.0%} of the variance; a loss of {loss:.3f}"
        f" where 1 is between two samples; participation ratio {participation(shares.tolist()):.1f}",
        loss < 0.1,
    )


def _cluster(rows: Sequence[Row]) -> Finding:
    faces, others = (where(rows, face=face) for face in (True, False))
    gaps = {name: numbers(part, "to its class") for name, part in (("faces", faces), ("others", others))}
    known = all(len(found) for found in gaps.values())
    return Finding(
        "Faces are one cluster, the other classes lie scattered around it.",
        "M-hi",
        "faces lie nearer to each other than pictures of another class do, and nearer to the mean",
        f"faces {gaps['faces'].mean():.2f} sample distances from each other, pictures of other classes"
        f" {gaps['others'].mean():.2f}; {mean(faces, 'distance'):.2f} and {mean(others, 'distance'):.2f} from the mean"
        if known
        else "no class has two pictures",
        bool(gaps["faces"].mean() < gaps["others"].mean() and mean(faces, "distance") < mean(others, "distance"))
        if known
        else None,
    )

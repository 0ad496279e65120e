"""Whether the change of one person's expression makes another person's face change alike.

A source is one person with a neutral and another expression; the difference of the two codes is added to the code of
somebody else, at several strengths, and with its weak rows set to zero at several thresholds. Sources are photographs
whose names tell them: anna_neutral.jpg and anna_smiling.jpg, or anna/neutral.jpg and anna/smiling.jpg. Where there are
none, the source is a made-up face that is made to smile. Both pictures are embedded from the mean, as in the paper, and
the second also from the codes of the first.

How far the face moves is the share of the source's own movement that brows, eyes and mouth make, by their landmarks: 1
is as far as the source, 0 not at all or elsewhere.

The paper adds lambda (w3 - w2) [S], zeroes rows of a norm below 1 as noise [M-hi], about 0.14 of that generator's
radius, and finds that the expression is transferred [M-hi].
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from wplus.core.latent import Latent
from wplus.core.shapes import Images
from wplus.core.sheets import Sheet
from wplus.editing import transfer_expression
from wplus.metrics import SAME_PERSON
from wplus.studies.bench import Bench
from wplus.studies.faces import apart, descriptors, landmarks, movement, openings_changed, shape
from wplus.studies.pairs import cast
from wplus.studies.plots import COLOURS, legend, panels
from wplus.studies.rows import distinct, interval, mean, numbers, short, where
from wplus.studies.sources import MADE_UP, MEAN, NEUTRAL, Stage, others, stage_of
from wplus.studies.study import Conclusion, Data, Finding, Measured, Plot, Row, Table, Value

SOURCE = "Image2StyleGAN (Abdal et al. 2019, arXiv 1904.03189), section 5.3 and its figure of expression transfer"

STRENGTHS = (0.5, 1.0, 1.5, 2.0)

NONE, PAPER = "none", "the paper's"
PAPERS_NORM = 0.14  # its threshold of 1, in radii of the codes of its generator
SHARES = {"weakest quarter": 0.25, "weaker half": 0.5}
THRESHOLDS = (NONE, PAPER, *SHARES)
"""Below which rows of the difference are set to zero: none, one of the paper's, or so many of them."""


def measure(bench: Bench) -> Measured:
    """Transfer every source's expression to somebody else, at every strength and threshold."""
    own = cast(bench)
    stage = stage_of(bench, own)
    ways = landmarks(bench, stage.pictures)
    rows: list[Row] = []
    own_rows: list[Row] = []
    sheets = [_pictures(bench, stage)]
    for place, source in enumerate(stage.sources):
        change = shape(ways[[source.expressive]]) - shape(ways[[source.neutral]])
        moves = openings_changed(ways[source.expressive], ways[source.neutral])
        own_rows.append({"person": source.person, "expression": source.expression, **moves})
        new = all(source.person != before.person for before in stage.sources[:place])
        for number, target in enumerate(others(own, source)[: 1 if bench.quick else 2]):
            for start, codes in stage.expressive.items():
                three = Latent(own.ws)[target], Latent(stage.neutral)[place], Latent(codes)[place]
                grid, found = _grid(bench, three, change)
                about = {"person": source.person, "expression": source.expression}
                about |= {"target": own.photos[target].name, "start": start}
                rows += [{**about, **row} for row in found]
                if new and number == 0:
                    title = f"{source.person}, {source.expression}, {start}: what it does to {own.photos[target].name}"
                    sheets.append(_sheet(f"{place + 1}-{'mean' if start == MEAN else 'neutral'}", title, grid))
    return Measured({"images": rows, "sources": own_rows}, tuple(sheets))


def _grid(bench: Bench, three: tuple[Latent, Latent, Latent], change: Tensor) -> tuple[Images, list[Row]]:
    """The target, then every threshold's strengths; and what became of its face and identity."""
    target, neutral, expressive = three
    radius = bench.generator.w_radius
    norms = (expressive.ws - neutral.ws).norm(dim=2)
    limits = {NONE: 0.0, PAPER: PAPERS_NORM * radius}
    limits |= {name: float(norms.quantile(share)) for name, share in SHARES.items()}
    steps = [(threshold, strength) for threshold in THRESHOLDS for strength in STRENGTHS]
    codes = [
        transfer_expression(target, neutral, expressive, strength=strength, threshold=limits[threshold]).ws
        for threshold, strength in steps
    ]
    pictures = bench.render(torch.cat([target.ws, *codes]))
    points = landmarks(bench, pictures)
    who = descriptors(bench, pictures, points)
    moved = movement(shape(points) - shape(points[:1]), change)
    identity = apart(who, who[0].expand_as(who))
    rows: list[Row] = []
    for index, (threshold, strength) in enumerate(steps, start=1):
        known = {"moved": moved[index], "identity": identity[index]}
        rows.append(
            {
                "strength": strength,
                "threshold": threshold,
                "norm": limits[threshold] / radius,
                "rows kept": float((norms >= limits[threshold]).double().mean()),
                **{name: None if bool(value.isnan()) else float(value) for name, value in known.items()},
                **openings_changed(points[index], points[0]),
            }
        )
    return pictures, rows


def _pictures(bench: Bench, stage: Stage) -> Sheet:
    """Sources as they are and as they were embedded."""
    layers = {
        "neutral": stage.pictures[[source.neutral for source in stage.sources]],
        "expressive": stage.pictures[[source.expressive for source in stage.sources]],
        "neutral, embedded": bench.render(stage.neutral),
        **{f"embedded {name}": bench.render(ws) for name, ws in stage.expressive.items()},
    }
    return Sheet(
        "sources",
        "Sources: neutral and expressive, and what W+ makes of them.",
        tuple(zip(*layers.values(), strict=True)),
        tuple(layers),
        tuple(f"{source.person}, {source.expression}" for source in stage.sources),
    )


def _sheet(name: str, title: str, grid: Images) -> Sheet:
    """The target at the left, then the grid."""
    width = len(STRENGTHS)
    rows = [
        (grid[0] if number == 0 else None, *grid[1 + number * width : 1 + (number + 1) * width])
        for number in range(len(THRESHOLDS))
    ]
    return Sheet(
        name,
        title,
        tuple(rows),
        ("target", *(f"strength {strength:g}" for strength in STRENGTHS)),
        tuple(f"threshold: {threshold}" for threshold in THRESHOLDS),
    )


def conclude(data: Data) -> Conclusion:
    """Movement and identity over strength and threshold."""
    rows = data["images"]
    starts = [str(start) for start in distinct(rows, "start")]
    tables = [_overview(rows, data["sources"])]
    for start in starts:
        part = where(rows, start=start)
        tables += [_crossed(part, start, "moved", "movement"), _crossed(part, start, "identity", "identity distance")]
    findings = (_transfers(rows), _intensity(rows), _noise(rows))
    return Conclusion(findings, tuple(tables), (_plot(rows, starts),))


def _overview(rows: Sequence[Row], own: Sequence[Row]) -> Table:
    plain = where(rows, strength=1.0, threshold=PAPER)
    openings = ("mouth width", "mouth opening", "eye opening")
    columns = ("moved", "identity", *openings)
    lines: list[tuple[Value, ...]] = []
    for source in own:
        key = {name: source[name] for name in ("person", "expression")}
        lines.append((*key.values(), "the source itself", 1.0, None, *(source[name] for name in openings)))
        for start in distinct(plain, "start"):
            part = where(plain, **key, start=start)
            lines.append((*key.values(), f"transferred, {start}", *(_known(part, name) for name in columns)))
    return Table(
        "Expressions at strength 1 and the paper's threshold",
        ("person", "expression", "", "movement", "identity distance", *openings),
        tuple(lines),
        note="Movement: 1 is as far as the source. Mouth: change of width and opening in distances of the outer corners"
        " of the eyes. Eye: change of height over width.",
    )


def _crossed(rows: Sequence[Row], start: str, column: str, title: str) -> Table:
    return Table(
        f"{title[0].upper()}{title[1:]} by threshold and strength, second descent {start}",
        ("threshold", "in radii", "rows kept", *(f"strength {strength:g}" for strength in STRENGTHS)),
        tuple(
            (
                threshold,
                mean(where(rows, threshold=threshold), "norm"),
                mean(where(rows, threshold=threshold), "rows kept"),
                *(interval(where(rows, threshold=threshold, strength=strength), column) for strength in STRENGTHS),
            )
            for threshold in THRESHOLDS
        ),
    )


def _known(rows: Sequence[Row], column: str) -> float | None:
    found = numbers(rows, column)
    return float(found.mean()) if len(found) else None


def _plot(rows: Sequence[Row], starts: Sequence[str]) -> Plot:
    figure, axes = panels(2, width=10)
    labels = {"moved": "movement, 1 as far as the source", "identity": "identity distance"}
    for item, (column, label) in zip(axes, labels.items(), strict=True):
        for number, threshold in enumerate(THRESHOLDS):
            for start, style in zip(starts, ("o--", "o-"), strict=False):
                part = where(rows, threshold=threshold, start=start)
                means = [mean(where(part, strength=strength), column) for strength in STRENGTHS]
                name = f"threshold: {threshold}" if style == "o-" else None
                item.plot(STRENGTHS, means, style, color=COLOURS[number], label=name, markersize=4)
        item.set_xlabel("strength")
        item.set_ylabel(label)
    legend(figure, axes[0])
    title = f"Movement and identity; means over sources and targets. The second descent {' (dashed), '.join(starts)}."
    return Plot("grid", title, figure)


def _transfers(rows: Sequence[Row]) -> Finding:
    plain, again = (where(rows, strength=1.0, threshold=PAPER, start=start) for start in (MEAN, NEUTRAL))
    moved, identity = mean(plain, "moved"), mean(plain, "identity")
    return Finding(
        "The difference of two codes of one person gives another person the expression.",
        "M-hi",
        "at strength 1 most faces stay faces, move the source's way by a quarter of its movement or more, and stay the"
        f" same person (below {SAME_PERSON})",
        f"{_told(plain)}. With the second descent {NEUTRAL} {_told(again)}",
        bool(2 * _faces(plain) > len(plain) and moved > 0.25 and identity < SAME_PERSON)
        if _photographed(rows)
        else None,
        _origin(rows),
    )


def _told(rows: Sequence[Row]) -> str:
    """Movement and identity in words; pictures without a face are counted, for means leave them out."""
    return (
        f"{short(mean(rows, 'moved'))} of the source's movement, the right way in"
        f" {(numbers(rows, 'moved') > 0).sum()} of {len(rows)}, identity distance {short(mean(rows, 'identity'))},"
        f" a face left in {_faces(rows)}"
    )


def _faces(rows: Sequence[Row]) -> int:
    return len(numbers(rows, "identity"))


def _photographed(rows: Sequence[Row]) -> bool:
    """Whether sources are photographs: one made-up face tells nothing of them."""
    return not where(rows, expression=MADE_UP)


def _origin(rows: Sequence[Row]) -> str:
    if _photographed(rows):
        return ""
    return "No photographs of expressions were given (NAME_neutral.jpg and NAME_smiling.jpg): the source is made up."


def _intensity(rows: Sequence[Row]) -> Finding:
    parts = {strength: where(rows, threshold=PAPER, start=MEAN, strength=strength) for strength in STRENGTHS}
    means = [mean(part, "moved") for part in parts.values()]
    return Finding(
        "Lambda is the intensity of the expression.",
        "M-hi",
        "the more strength, the more movement, and faces stay faces",
        ", ".join(
            f"{short(mean(part, 'moved'))} at {strength:g} (a face left in {_faces(part)} of {len(part)})"
            for strength, part in parts.items()
        ),
        # a comparison with NaN, of a strength that leaves no face, is false
        all(a <= b for a, b in pairwise(means)) if _photographed(rows) else None,
        _origin(rows),
    )


def _noise(rows: Sequence[Row]) -> Finding:
    plain = where(rows, strength=1.0, start=MEAN)
    parts = {threshold: where(plain, threshold=threshold) for threshold in THRESHOLDS}
    every, paper = parts[NONE], parts[PAPER]
    kept = mean(paper, "rows kept")
    described = "; ".join(
        f"{threshold}: {mean(part, 'rows kept'):.0%} of the rows, movement {mean(part, 'moved'):.2f},"
        f" identity {mean(part, 'identity'):.2f}"
        for threshold, part in parts.items()
    )
    return Finding(
        "Zeroing rows below a norm of 1 takes noise out of the difference and leaves the expression.",
        "M-hi",
        "with the paper's threshold a smaller identity distance, and nine tenths of the movement or more",
        described,
        bool(
            kept < 1
            and mean(paper, "identity") < mean(every, "identity")
            and mean(paper, "moved") > 0.9 * mean(every, "moved")
        )
        if _photographed(rows)
        else None,
        "Every row is longer than the paper's threshold, scaled to this generator: it removes nothing."
        if kept == 1
        else "",
    )

"""Whether pictures between two embeddings are pictures of something, for faces and for other classes.

Codes of two pictures are mixed linearly, in eight steps. In every picture on the way a face is looked for, and its
edges are compared with those of the mean face, which the mean code renders: how much of a face's contours has come in,
whatever the colours. Then embeddings are rendered with the mean code in the place of their later rows, and in that of
their earlier rows.

The paper finds good morphs between faces, bad ones inside and between other classes, and contours of faces in the
middle of those [M-hi]. It conjectures that early layers build the layout of a face whatever is embedded, and that later
layers paint over it [M-hi].
"""

from collections.abc import Sequence

import torch

from wplus.core.latent import Latent
from wplus.core.shapes import Images
from wplus.core.sheets import Sheet
from wplus.editing import crossover, morph
from wplus.studies.bench import Bench
from wplus.studies.faces import landmarks, seen
from wplus.studies.likeness import edge_distance
from wplus.studies.pairs import BETWEEN, FACES, WITHIN, Cast, cast, pairs
from wplus.studies.plots import COLOURS, legend, panels
from wplus.studies.rows import distinct, interval, mean, numbers, where
from wplus.studies.study import Conclusion, Data, Finding, Measured, Plot, Row, Table

SOURCE = "Image2StyleGAN (Abdal et al. 2019, arXiv 1904.03189), section 5.1 and its figure of morphing"

WEIGHTS = tuple(index / 8 for index in range(9))
"""Of the second picture."""

FULL, EARLY, LATE = "all rows", "early rows only", "late rows only"
"""Rows of the embedding; the others are the mean code's."""


def measure(bench: Bench) -> Measured:
    """Render morphs of all kinds of pairs, and halves of all embeddings."""
    all_of_them = cast(bench)
    chosen = pairs(all_of_them.photos, all_of_them.faces, most=1 if bench.quick else 3)
    average = bench.render(bench.generator.mean_ws)
    rows: list[Row] = []
    strips: list[Images] = []
    for a, b, relation in chosen:
        first, second = (Latent(all_of_them.ws[index : index + 1]) for index in (a, b))
        frames = bench.render(torch.cat([morph(first, second, weight=weight).ws for weight in WEIGHTS]))
        strips.append(frames)
        found = seen(landmarks(bench, frames))
        near = edge_distance(frames, average.expand_as(frames))
        names = {f"{end} picture": all_of_them.photos[index].name for end, index in (("first", a), ("second", b))}
        for index, weight in enumerate(WEIGHTS):
            about: Row = {"relation": relation, **names, "weight": weight}
            rows.append({**about, "face found": found[index], "to the mean face": float(near[index])})
    kinds = [" and ".join(all_of_them.photos[index].kind for index in (a, b)) for a, b, _ in chosen]
    sheets = (
        Sheet(
            "morphs",
            "From one embedding to another.",
            tuple(tuple(frames) for frames in strips),
            tuple(f"{weight:g}" for weight in WEIGHTS),
            tuple(kinds),
        ),
    )
    halves, sheet = _halves(bench, all_of_them, average)
    return Measured({"images": rows, "halves": halves}, (*sheets, sheet))


def _halves(bench: Bench, own: Cast, average: Images) -> tuple[list[Row], Sheet]:
    """Every embedding with only its early and only its late rows."""
    codes = Latent(own.ws)
    middle = Latent(bench.generator.mean_ws.cpu().expand_as(own.ws))
    parts = {
        FULL: own.pictures,
        EARLY: bench.render(crossover(codes, middle).ws),
        LATE: bench.render(crossover(middle, codes).ws),
    }
    found = {name: seen(landmarks(bench, pictures)) for name, pictures in parts.items()}
    near = {name: edge_distance(pictures, average.expand_as(pictures)) for name, pictures in parts.items()}
    rows: list[Row] = [
        {
            "photo": photo.name,
            "class": photo.kind,
            "face": index in own.faces,
            "kept": name,
            "face found": found[name][index],
            "to the mean face": float(near[name][index]),
        }
        for name in parts
        for index, photo in enumerate(own.photos)
    ]
    others = [index for index in range(len(own.photos)) if index not in own.faces]
    shown = [*own.faces[:2], *_spread(others, 8 - len(own.faces[:2]))]
    return rows, Sheet(
        "halves",
        "Embeddings, and the same with the mean code in the place of half of their rows.",
        tuple(tuple(pictures[index] for index in shown) for pictures in parts.values()),
        tuple(own.photos[index].kind for index in shown),
        tuple(parts),
    )


def _spread(items: Sequence[int], count: int) -> list[int]:
    """At most so many items from all over a list."""
    return list(items[:: max(1, -(-len(items) // count))])


def conclude(data: Data) -> Conclusion:
    """Faces on the way, by how the ends belong together."""
    rows = data["images"]
    between = [row for row in rows if row["weight"] not in {0, 1}]
    relations = [str(relation) for relation in distinct(rows, "relation")]
    columns = ("face found", "to the mean face")
    table = Table(
        "Morphs",
        ("ends", "pairs", "faces found on the way", "at the ends", "edges, middle", "edges, ends"),
        tuple(
            (
                relation,
                len(where(rows, relation=relation, weight=WEIGHTS[0])),
                _share(where(between, relation=relation)),
                _share([row for row in where(rows, relation=relation) if row["weight"] in {0, 1}]),
                mean(where(rows, relation=relation, weight=0.5), columns[1]),
                mean([row for row in where(rows, relation=relation) if row["weight"] in {0, 1}], columns[1]),
            )
            for relation in relations
        ),
        note="Faces are those that dlib finds. Edges: how far from those of the mean face, 0 the same, 1 unrelated.",
    )
    halves = Table(
        "Halves of embeddings of what is no face",
        ("rows of the embedding", "pictures", "faces found", "edges"),
        tuple(
            (str(name), len(part), _share(part), interval(part, "to the mean face"))
            for name in distinct(data["halves"], "kept")
            for part in (where(data["halves"], kept=name, face=False),)
        ),
    )
    findings = (_faces(between), _others(rows), _layout(data["halves"]))
    return Conclusion(findings, (table, halves), (_curves(rows, relations),))


def _curves(rows: Sequence[Row], relations: Sequence[str]) -> Plot:
    figure, (axes,) = panels(width=8)
    for index, relation in enumerate(relations):
        means = [mean(where(rows, relation=relation, weight=weight), "to the mean face") for weight in WEIGHTS]
        axes.plot(WEIGHTS, means, "o-", color=COLOURS[index], label=relation, markersize=4)
    axes.set_xlabel("weight of the second picture")
    axes.set_ylabel("distance from the mean face's edges")
    legend(figure, axes)
    return Plot("morphs", "How far edges are from those of the mean face on the way; means over pairs.", figure)


def _share(rows: Sequence[Row]) -> float | None:
    """Of pictures in which a face was found."""
    return float(numbers(rows, "face found").mean()) if rows else None


def _faces(between: Sequence[Row]) -> Finding:
    rows = where(between, relation=FACES)
    found = sum(bool(row["face found"]) for row in rows)
    return Finding(
        "Morphs between two faces are good.",
        "M-hi",
        "a face is found in nine of ten pictures on the way",
        f"in {found} of {len(rows)}",
        found >= 0.9 * len(rows) if rows else None,
        "dlib finds a face, which need not be a pretty one."
        + (
            " One end or both are made-up faces."
            if any("made up" in str(row["second picture"]) for row in rows)
            else ""
        ),
    )


def _others(rows: Sequence[Row]) -> Finding:
    nearer, faces, count = 0, 0, 0
    for relation in (WITHIN, BETWEEN):
        here = where(rows, relation=relation)
        middles = where(here, weight=0.5)
        for middle in middles:
            ends = {name: middle[name] for name in ("first picture", "second picture")}
            way = numbers(where(here, **ends), "to the mean face")
            nearer += bool(way[1:-1].min() < min(way[0], way[-1]))
            count += 1
        faces += sum(bool(row["face found"]) for row in middles)
    return Finding(
        "Inside and between other classes morphs fail: contours of a face appear in the middle.",
        "M-hi",
        "on most ways there is more of the mean face's edges than at either end",
        f"on {nearer} of {count}; dlib finds a face in {faces} of the middles",
        nearer > count / 2 if count else None,
        "" if count else "No two photographs are of other classes.",
    )


def _layout(halves: Sequence[Row]) -> Finding:
    early, full, late = (where(halves, kept=name, face=False) for name in (EARLY, FULL, LATE))
    found = [sum(bool(row["face found"]) for row in part) for part in (early, full, late)]
    return Finding(
        "Early layers build the layout of a face whatever is embedded; later layers paint over it.",
        "M-hi",
        "faces are found in most embeddings of other things once their later rows are the mean code's",
        f"in {found[0]} of {len(early)}; in {found[1]} with all rows, in {found[2]} with the early ones replaced",
        found[0] > len(early) / 2 if early else None,
        "Half a mean code is half a face: that one is found says that the embedding's other half does not prevent it.",
    )

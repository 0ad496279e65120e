"""What of a picture each part of W+ carries: crossover at every split, not only in the middle.

The first rows of one embedding, the content, are joined with the other rows of a second, the style, for every number of
rows. Each result is then compared with both: by colours (mean and spread of the channels), by edges (gradients of
luminance, whatever the colours), and by who is shown where dlib finds a face. A share of 0 is like the content, one of
1 like the style.

The paper takes nine rows of eighteen from each, those of 4 to 32 pixels and one of 64 from the content [S]. It finds
that colour and texture come from the style [M-hi], and that the content's structure stays where it is a face but not
where it is something else [M-md]. StyleGAN finds shapes in early rows and colours in late ones [M-hi].
"""

from collections.abc import Sequence

import torch

from wplus.core.latent import Latent
from wplus.core.shapes import Images, Losses
from wplus.core.sheets import Sheet
from wplus.editing import crossover
from wplus.studies.bench import Bench
from wplus.studies.faces import apart, descriptors, landmarks
from wplus.studies.likeness import colour_distance, edge_distance
from wplus.studies.pairs import FACES, cast, pairs
from wplus.studies.plots import COLOURS, legend, panels
from wplus.studies.rows import distinct, interval, mean, numbers, where
from wplus.studies.study import Conclusion, Data, Finding, Measured, Plot, Row, Table

SOURCE = "Image2StyleGAN (Abdal et al. 2019, arXiv 1904.03189), section 5.2 and its figure of style transfer"

SHARES = ("colours", "edges", "identity")


def measure(bench: Bench) -> Measured:
    """Render all splits of all kinds of pairs, both ways."""
    own = cast(bench)
    chosen = pairs(own.photos, own.faces, most=1 if bench.quick else 3)
    splits = range(bench.generator.layers + 1)
    rows: list[Row] = []
    strips: dict[tuple[str, bool], tuple[str, Images]] = {}
    for a, b, relation in chosen:
        for content, style in ((a, b), (b, a)):
            first, second = (Latent(own.ws[index : index + 1]) for index in (content, style))
            codes = [crossover(first, second, first_style_layer=split).ws for split in splits]
            pictures = bench.render(torch.cat(codes))
            shares = _shares(bench, pictures)
            names = [own.photos[index].kind for index in (content, style)]
            strips.setdefault((relation, content == a), (" with the style of ".join(names), pictures))
            rows += [
                {
                    "relation": relation,
                    "content": own.photos[content].name,
                    "style": own.photos[style].name,
                    "content is a face": content in own.faces,
                    "rows of the content": split,
                    "layers": bench.generator.layers,
                    **{name: shares[name][split] for name in SHARES},
                }
                for split in splits
            ]
    sheet = Sheet(
        "splits",
        "Crossover at every split.",
        tuple(tuple(pictures) for _, pictures in strips.values()),
        tuple(f"{split} rows of the content" for split in splits),
        tuple(caption for caption, _ in strips.values()),
    )
    return Measured({"images": rows}, (sheet,))


def _shares(bench: Bench, pictures: Images) -> dict[str, list[float | None]]:
    """How much each picture is like the first (the style alone) and not like the last (the content alone)."""
    style, content = (picture[None].expand_as(pictures) for picture in (pictures[0], pictures[-1]))
    who = descriptors(bench, pictures, landmarks(bench, pictures))
    return {
        "colours": _between(colour_distance(pictures, content), colour_distance(pictures, style)),
        "edges": _between(edge_distance(pictures, content), edge_distance(pictures, style)),
        "identity": _between(*(apart(who, end.expand_as(who)) for end in (who[-1], who[0]))),
    }


def _between(to_content: Losses, to_style: Losses) -> list[float | None]:
    """0 where the content is met, 1 where the style is; None where it cannot be told."""
    shares = (to_content / (to_content + to_style)).tolist()
    return [None if share != share else share for share in shares]  # NaN differs from itself


def conclude(data: Data) -> Conclusion:
    """Shares by split, and the rows by which half of them have gone over."""
    rows = data["images"]
    layers = int(numbers(rows, "layers")[0])
    middle = layers // 2
    relations = [str(relation) for relation in distinct(rows, "relation")]
    halves = Table(
        f"Share of the style with the first {middle} of {layers} rows from the content",
        ("pictures", "crossovers", *SHARES),
        tuple(
            (relation, len(part), *(interval(part, name) for name in SHARES))
            for relation in relations
            for part in (where(rows, relation=relation, **{"rows of the content": middle}),)
        ),
        note="0 is like the content, 1 like the style. Identity where dlib finds a face in all three pictures.",
    )
    splits = [str(split) for split in range(layers + 1)]
    every = Table(
        "Share of the style by rows from the content, between two faces",
        ("", *splits),
        tuple(
            (name, *(_at(where(rows, relation=FACES), name, split) for split in range(layers + 1))) for name in SHARES
        ),
    )
    findings = (_colours(rows, middle), _structure(rows, middle), _order(rows, layers))
    return Conclusion(findings, (halves, every), (_curves(rows, relations, layers),))


def _at(rows: Sequence[Row], name: str, split: int) -> float | None:
    found = numbers(where(rows, **{"rows of the content": split}), name)
    return float(found.mean()) if len(found) else None


def _curves(rows: Sequence[Row], relations: Sequence[str], layers: int) -> Plot:
    figure, axes = panels(len(SHARES), width=11)
    for item, name in zip(axes, SHARES, strict=True):
        for index, relation in enumerate(relations):
            here = [(split, _at(where(rows, relation=relation), name, split)) for split in range(layers + 1)]
            known = [(split, share) for split, share in here if share is not None]
            item.plot(*zip(*known, strict=True) if known else ([], []), "o-", color=COLOURS[index], label=relation)
        item.set_xlabel("rows from the content")
        item.set_ylabel(f"{name}: share of the style")
        item.set_ylim(-0.03, 1.03)
    legend(figure, axes[0])
    return Plot("splits", "From the style alone (left) to the content alone (right); means over pairs.", figure)


def _colours(rows: Sequence[Row], middle: int) -> Finding:
    here = where(rows, **{"rows of the content": middle})
    share = mean(here, "colours")
    return Finding(
        "Colour and texture come from the style, the later half of the rows.",
        "M-hi",
        "split in the middle, colours are the style's by more than half",
        f"a share of {share:.2f} of the style",
        share > 0.5,
        "A model of 64 px has no rows for 64 px and more but its last two; the paper's style is all of 64 to 1024 px.",
    )


def _structure(rows: Sequence[Row], middle: int) -> Finding:
    here = where(rows, **{"rows of the content": middle})
    faces, others = (where(here, **{"content is a face": face}) for face in (True, False))
    shares = [mean(part, "edges") for part in (faces, others)]
    return Finding(
        "The content's structure stays if it is a face, and is lost if it is something else.",
        "M-md",
        "split in the middle, edges are nearer to a face that is the content than to other content",
        f"a share of the style of {shares[0]:.2f} with faces as content, {shares[1]:.2f} with other content",
        shares[0] < shares[1] if faces and others else None,
    )


def _order(rows: Sequence[Row], layers: int) -> Finding:
    """Whether edges go over at an earlier split than colours."""
    pairs_of_faces = where(rows, relation=FACES)
    turns = {
        name: next((split for split in range(layers + 1) if (_at(pairs_of_faces, name, split) or 0.0) < 0.5), layers)
        for name in SHARES
    }
    return Finding(
        "Early rows hold the structure, late ones the colours.",
        "M-hi",
        "between faces fewer rows of the content bring its edges than bring its colours",
        "more the content's than the style's from "
        + ", ".join(f"{split} rows on for {name}" for name, split in turns.items()),
        turns["edges"] < turns["colours"] if pairs_of_faces else None,
    )

"""Which terms of the objective an embedding needs: pixels, one perceptual tap, four taps, or all.

Every photograph is embedded in W+ under five objectives: squared error only; the perceptual term at conv3_2 only; both;
the perceptual term at four taps; and the full objective of four taps and squared error. All results are then measured
alike: by squared error, by the perceptual loss at four taps, and faces by dlib's identity distance, which no objective
has seen.

The paper compares these five, finds that squared error alone gives no good embedding and that the perceptual term acts
as the regulariser [M-hi], and uses the full objective.
"""

from wplus.metrics import identity_distance
from wplus.optimisation import Objective, Perceptual, Pixel
from wplus.studies.bench import Bench, stacked
from wplus.studies.rows import by_domain, distinct, mean, where
from wplus.studies.sheets import by_class
from wplus.studies.study import Conclusion, Data, Finding, Measured, Row
from wplus.studies.tables import compared, crossed

SOURCE = "Image2StyleGAN (Abdal et al. 2019, arXiv 1904.03189), ablation of the loss function"

FULL = "full"


def measure(bench: Bench) -> Measured:
    """Embed all photographs under every objective."""
    deep = Perceptual(bench.perceptual, ("conv3_2",))
    objectives = {
        "pixels": Objective((Pixel(),)),
        "conv3_2": Objective((deep,)),
        "pixels + conv3_2": Objective((deep, Pixel())),
        "four taps": Objective((Perceptual(bench.perceptual),)),
        FULL: bench.objective,
    }
    photos = bench.few(1) if bench.quick else bench.photos
    target = stacked(photos)
    layers = {"photograph": target}
    rows: list[Row] = []
    for name, objective in objectives.items():
        found = bench.embed(target, objective=objective)
        layers[name] = bench.render(found.ws)
        for index, row in enumerate(bench.rows(photos, found, objective=name)):
            bench.watch("compare faces", index, len(photos))
            seen = photos[index].face
            identity = identity_distance(target[index], layers[name][index]) if seen else None
            rows.append({**row, "identity": identity})
    sheet = by_class("objectives", "Photographs, and their embeddings under each objective.", photos, layers)
    return Measured({"images": rows}, (sheet,))


def conclude(data: Data) -> Conclusion:
    """The objectives by class, and how the others fare against the full one."""
    rows = data["images"]
    faces, _ = by_domain(rows)
    shown = {"mse": "MSE on [-1, 1]", "perceptual": "perceptual loss"}
    tables = [
        crossed(f"{label[0].upper()}{label[1:]} by class and objective", rows, varied="objective", column=column)
        for column, label in shown.items()
    ]
    if aligned := where(rows, face=True):
        title, note = "Identity distance by class and objective", "Only of embeddings in which dlib finds a face."
        tables.append(crossed(title, aligned, varied="objective", column="identity", note=note))
    plot = compared("objectives", "Error and perceptual loss by class.", rows, varied="objective", columns=shown)
    return Conclusion((_pixels(data), _identity(faces), _full(data)), tuple(tables), (plot,))


def _pixels(data: Data) -> Finding:
    rows = data["images"]
    pixels, full = (where(rows, objective=name) for name in ("pixels", FULL))
    error = mean(pixels, "mse") / mean(full, "mse")
    perceived = mean(pixels, "perceptual") / mean(full, "perceptual")
    return Finding(
        "Squared error alone gives no good embedding: the perceptual term is the regulariser.",
        "M-hi",
        "by pixels alone a clearly higher perceptual loss, over 1.2 times: blur",
        f"{error:.2f} times the error and {perceived:.2f} times the perceptual loss of the full objective",
        perceived > 1.2,
        "The perceptual loss is a term of the full objective, so this much is built in; the identity distance is not.",
    )


def _identity(faces: list[Row]) -> Finding:
    means = {str(name): mean(where(faces, objective=name), "identity") for name in distinct(faces, "objective")}
    known = bool(faces) and all(value == value for value in means.values())
    return Finding(
        "Squared error alone gives no good embedding, as a judge sees it that no objective has seen.",
        "M-hi",
        "faces are recognised better under the full objective than by pixels alone",
        ", ".join(f"{name} {value:.3f}" for name, value in means.items()) + " (dlib's distance, smaller is nearer)",
        means[FULL] < means["pixels"] if known else None,
        "" if known else "No face was found in some of the embeddings, or no photograph shows one.",
    )


def _full(data: Data) -> Finding:
    rows = data["images"]
    taps, full = (where(rows, objective=name) for name in ("four taps", FULL))
    error = mean(full, "mse") / mean(taps, "mse")
    perceived = mean(full, "perceptual") / mean(taps, "perceptual")
    return Finding(
        "The paper takes squared error beside the four taps.",
        "M-hi",
        "the full objective has less squared error than four taps alone, and hardly more perceptual loss",
        f"{error:.2f} times the error and {perceived:.2f} times the perceptual loss of four taps alone",
        error < 1 and perceived < 1.1,
        "The errors are less than 5 percent apart." if abs(error - 1) < 0.05 else "",
    )

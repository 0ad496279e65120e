"""What wplus measure does: each function gives measures as they come, and failures that stop no other measure."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from wplus.cli.options import progress, remark
from wplus.core import WplusError
from wplus.core.errors import ImageError
from wplus.core.shapes import AnyPicture, Features
from wplus.metrics.distribution import frechet_distance, kernel_distance, moments
from wplus.metrics.features import Extractor, FeatureNetwork, features_of
from wplus.metrics.figures import Measure, Quantity
from wplus.metrics.measure import Metric, measure, same_size
from wplus.metrics.path import EPSILON, SIDE, PathKind, path_lengths
from wplus.models import Generator
from wplus.models.download import sha256_of
from wplus.pipelines.pairs import Item, Pictures, items, matched

Results = Iterator[Measure | WplusError]


def pairs(pictures: Pictures, a: Path, b: Path, metrics: Sequence[Metric], size: int | None) -> Results:
    """Every metric of every pair; then what their codes say, those of B if it has any."""
    for metric in metrics:
        metric.load()  # missing weights are told before any work
    together, alone = matched(items(a), items(b))
    if alone:
        more = " ..." if len(alone) > 5 else ""
        remark(f"{len(alone)} without a counterpart, left out: {', '.join(alone[:5])}{more}")
    with progress(len(together), text="measure", unit="pair") as bar:
        for pair in together:
            try:
                yield from measure(pair.name, *same_size(*pictures.both(pair), side=size), metrics)
                coded = pair.b if pair.b.latent is not None else pair.a
                if coded.latent is not None:
                    yield from pictures.about_code(coded._replace(name=pair.name))
            except ImageError as error:
                words = str(error)
                yield error if pair.name in words else ImageError(f"{pair.name}: {words}")
            except WplusError as error:
                yield error
            bar.update()


def codes(pictures: Pictures, path: Path) -> Results:
    """What codes say with nothing to compare them with."""
    found = [item for item in items(path) if item.latent is not None]
    if not found:
        raise WplusError(f"{path}: pictures alone have no figures; give B to compare with, or codes")
    for item in found:
        yield from pictures.about_code(item)


def sets(pictures: Pictures, a: Path, b: Path, network: FeatureNetwork, weights: Path | None) -> Results:
    """Frechet and kernel distance of two sets."""
    extract = network.load(weights)
    ours, theirs = (_features(pictures, items(path), extract) for path in (a, b))
    if min(len(ours), len(theirs)) < 2:
        raise WplusError(f"{len(ours)} and {len(theirs)} pictures are no two sets; give folders of many")
    file = f", {weights.name} {sha256_of(weights)[:8]}" if weights else ""
    about = (f"{network.side} px", network.description, f"{network.about}{file}")
    count = f"{len(ours)} and {len(theirs)} pictures"
    frechet = Quantity("frechet", "squared distance of Gaussians; from 0, biased upward", *about)
    kernel = Quantity("kernel", "squared MMD, cubic kernel; about 0 for equal sets, unbiased", *about)
    distance, spread = kernel_distance(ours, theirs)
    yield Measure(count, frechet, frechet_distance(moments(ours), moments(theirs)))
    yield Measure(count, kernel, distance)
    remark(f"{count} in {network.dims} features; standard deviation of the kernel distance {spread:.2g}")
    if min(len(ours), len(theirs)) < 10 * network.dims:
        remark("the Frechet distance of so few is far too large: compare equal counts only")


def paths(generator: Generator, kind: PathKind, metric: Metric, samples: int) -> Results:
    """The lengths of paths of a generator."""
    network = f"{metric.name if metric.network == '-' else metric.network}; {generator.name} {generator.fingerprint}"
    about = f"distance over epsilon^2, epsilon {EPSILON:g}; the outer 1 % left out"
    size = f"{min(generator.resolution, SIDE)} px"
    quantity = Quantity(f"ppl-{kind}", about, size, network, metric.version, trim=0.01)
    number = 0
    with progress(samples, text=f"ppl {kind}", unit="path") as bar:
        for lengths in path_lengths(generator, metric.load(), kind, samples=samples):
            for length in lengths.tolist():
                yield Measure(f"path {number}", quantity, length)
                number += 1
            bar.update(len(lengths))


def _features(pictures: Pictures, found: Sequence[Item], extract: Extractor) -> Features:
    with progress(len(found), text="features", unit="picture") as bar:

        def shown() -> Iterator[AnyPicture]:
            for item in found:
                yield pictures.of(item)
                bar.update()

        return features_of(shown(), extract)

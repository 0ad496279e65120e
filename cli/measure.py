"""wplus measure: pictures against pictures, sets against sets, codes, and generators."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import click

from wplus.cli.measuring import codes, pairs, paths, sets
from wplus.cli.options import device_option, json_option
from wplus.core import WplusError
from wplus.metrics.features import FEATURE_NETWORKS, find_features
from wplus.metrics.figures import Figure, Measure, figures, write_measures
from wplus.metrics.measure import OFFLINE, find_metric
from wplus.metrics.path import PathKind
from wplus.models import load_generator
from wplus.pipelines.folder.jobs import folder_must_be_writable
from wplus.pipelines.pairs import Pictures

NETWORKS = ", ".join(network.name for network in FEATURE_NETWORKS)


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path), required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="CSV file with every single number.")
@click.option("--metric", "names", multiple=True, help=f"May be given several times.  [{', '.join(OFFLINE)}]")
@click.option("--weights", type=click.Path(path_type=Path), help="Weights of the network of LPIPS or --distribution.")
@click.option("--size", type=click.IntRange(8, 4096), help="Shorter side to compare at, px.  [the smaller picture's]")
@click.option("--distribution", metavar="NETWORK", help=f"Compare two folders as sets, by {NETWORKS}.")
@click.option("--ppl", type=click.Choice(get_args(PathKind)), help="Perceptual path length of the generator A.")
@click.option("--samples", type=click.IntRange(2), default=10_000, show_default=True, help="Paths of --ppl.")
@click.option("--generator", help="Catalogue name or file, for codes that do not name their generator.")
@json_option
@device_option
def command(
    a: Path,
    b: Path | None,
    output: Path | None,
    names: tuple[str, ...],
    weights: Path | None,
    size: int | None,
    distribution: str | None,
    ppl: PathKind | None,
    samples: int,
    generator: str | None,
    as_json: bool,
    device: str,
) -> None:
    """Compare A with B: two pictures or codes, or two folders of them that go together by name.

    Codes are rendered, and a photograph beside its code is cut as the code's crop was. Codes alone, with no B, are
    told by their distance from the mean and their norm in P_N. Every figure is a mean over pictures with its 95 %
    bootstrap interval, and says range, size, network and version.

    \b
    Metrics: mse, psnr, ssim, ms-ssim, perceptual (vgg-slim), perceptual-vgg16, identity, lpips-alex, lpips-vgg,
    lpips-squeeze. --ppl takes lpips-vgg unless told otherwise.

    \b
    Examples:
      wplus measure portrait.jpg codes/portrait.safetensors
      wplus measure crops codes -o figures.csv
      wplus measure a.png b.png --metric lpips-alex --size 256
      wplus measure photos faces --distribution vgg-slim
      wplus measure faces-64 --ppl w-end --metric perceptual --samples 1000
    """
    if output is not None:
        if output.suffix.lower() != ".csv":
            raise click.UsageError(f"-o {output}: the table is a .csv file")
        folder_must_be_writable(output.parent)
    if distribution is not None:
        if b is None or ppl is not None or names:
            raise click.UsageError("--distribution compares A with B, without --ppl and --metric")
        _collect(sets(Pictures(generator, device), a, b, find_features(distribution), weights), output, as_json)
        return
    names = names or (("lpips-vgg",) if ppl else OFFLINE)
    takers = [name for name in names if name.startswith("lpips-")]
    if weights is not None and len(takers) != 1:
        raise click.UsageError("--weights is for --distribution, or for one --metric of LPIPS")
    metrics = [find_metric(name, weights if name in takers else None) for name in names]
    if ppl is not None:
        if b is not None or len(metrics) != 1 or not metrics[0].squared:
            raise click.UsageError("--ppl takes a generator without B, and one --metric: LPIPS, perceptual or mse")
        _collect(paths(load_generator(str(a)).to(device), ppl, metrics[0], samples), output, as_json)
    elif b is None:
        _collect(codes(Pictures(generator, device), a), output, as_json)
    else:
        _collect(pairs(Pictures(generator, device), a, b, metrics, size), output, as_json)


def _collect(results: Iterable[Measure | WplusError], output: Path | None, as_json: bool) -> None:
    """Take measures as they come, write them, show their means; failures are told at the end."""
    measures: list[Measure] = []
    failures: list[WplusError] = []
    try:
        for result in results:
            if isinstance(result, Measure):
                measures.append(result)
            else:
                failures.append(result)
    finally:  # what was measured before an interruption is not lost
        if output is not None and measures:
            write_measures(output, measures)
            click.echo(output, err=as_json)
    if as_json and measures:
        click.echo(json.dumps([asdict(figure) for figure in figures(measures)], indent=2))
    elif measures:
        click.echo(f"{'metric':16} {'mean':>10}   {'95 % of the mean':24} {'n':>5}")
        for figure in figures(measures):
            click.echo(_told(figure))
    if failures and not measures:
        raise failures[0]
    for failure in failures:
        click.echo(f"wplus: {failure}", err=True)
    if failures:
        raise WplusError(f"{len(failures)} could not be compared")


def _told(figure: Figure) -> str:
    """Two lines: the figure, and what it means."""
    what = figure.quantity
    interval = "-" if figure.interval is None else "{:.4g} .. {:.4g}".format(*figure.interval)
    missing = f"   {figure.missing} could not be measured" if figure.missing else ""
    about = " | ".join(word for word in (what.size, what.range, what.network, what.version) if word != "-")
    return f"{what.name:16} {figure.mean:10.4g}   {interval:24} {figure.count:5}{missing}\n                 {about}"

"""wplus study: the experiments of the papers, on any generator and any photographs."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from wplus.cli.options import device_option, generator_option, output_option, progress
from wplus.core import FaceError, GeneratorError, WplusError
from wplus.models import fast, load_generator, load_perceptual
from wplus.optimisation import Adam, Settings
from wplus.pipelines.folder.jobs import folder_must_be_writable
from wplus.studies import STUDIES
from wplus.studies.bench import QUICK_STEPS, STEPS, Bench, Watch
from wplus.studies.photos import QUICK_PHOTOS, read_photos
from wplus.studies.report import write_report
from wplus.studies.run import Section, about, run_study
from wplus.studies.store import Store

LISTED = "\n".join(f"  {entry.name:14}{entry.question}" for entry in STUDIES)
NAMES = (*(entry.name for entry in STUDIES), "all")


@click.command(epilog=f"\b\nStudies:\n{LISTED}\n  {'all':14}All of them, in one report.")
@click.argument("name", required=False)
@click.argument("photos", nargs=-1, type=click.Path(path_type=Path))
@output_option(folder=True, default="study")
@generator_option
@click.option("--quick", is_flag=True, help="Two photographs a class and few steps: takes minutes, rough results.")
@click.option("--steps", type=click.IntRange(1), help="Steps of an embedding.  [1500, quick 150]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed.")
@device_option
def command(
    name: str | None,
    photos: tuple[Path, ...],
    output: Path,
    generator: str,
    quick: bool,
    steps: int | None,
    seed: int,
    device: str,
) -> None:
    """Run the study NAME, or all of them, on PHOTOS and write report.html, its pictures and raw rows below -o.

    PHOTOS are folders, each a class of its own (faces, cats, paintings ...), or a folder of such folders; without them
    the pictures that come with scikit-image are taken. A rerun goes on where it was stopped. Without a NAME the studies
    are listed.

    \b
    Examples:
      wplus study classes --quick
      wplus study all photos/ -o results
    """
    if name is None:
        click.echo(LISTED)
        return
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; studies: {', '.join(NAMES)}"
        raise click.UsageError(f"no study '{name}'{hint}")
    folder_must_be_writable(output)
    opened = load_generator(generator).to(device)
    network = fast(load_perceptual(opened.card.perceptual).to(device))
    settings = Settings(steps=steps or (QUICK_STEPS if quick else STEPS), seed=seed, method=Adam())
    pictures = read_photos(photos, size=opened.resolution, most=QUICK_PHOTOS if quick else None)
    bench = Bench(opened, network, pictures, Store(output / ".work"), settings, quick)
    wanted = [entry.name for entry in STUDIES] if name == "all" else [name]
    sections: list[Section] = []
    failed: list[str] = []
    for study in wanted:
        try:
            with bar(study) as watch:
                section = run_study(study, replace(bench, watch=watch), output / study)
        except (FaceError, GeneratorError) as error:
            failed.append(f"{study}: {error}")
            continue
        write_report(output / study / "report.html", section.question, [section], about(bench))
        sections.append(section)
        click.echo(output / study / "report.html")
    if failed and len(wanted) == 1:
        raise WplusError(failed[0])
    if len(wanted) > 1:
        write_report(output / "report.html", f"Studies of {opened.name}", sections, about(bench))
        click.echo(output / "report.html")
    for reason in failed:
        click.echo(f"wplus: {reason}", err=True)
    if failed:
        raise WplusError(f"{len(failed)} of {len(wanted)} studies could not be done")


@contextmanager
def bar(study: str) -> Iterator[Watch]:
    """A bar for whatever a study is doing."""
    with progress(1, text=study) as shown:
        current = ""

        def watch(text: str, done: int, total: int) -> None:
            nonlocal current
            if text != current:
                current = text
                shown.reset(total)
                shown.set_description(f"{study}: {text}", refresh=False)
            shown.update(done - shown.n)

        yield watch

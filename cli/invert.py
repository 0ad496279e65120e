"""wplus invert: photographs to latents."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast, get_args

import click

from wplus.alignment.painted import mask_sums
from wplus.cli.folders import report
from wplus.cli.options import (
    LOG,
    descent,
    device_option,
    generator_option,
    json_option,
    memory_option,
    output_option,
    progress,
    record_options,
    remark,
)
from wplus.core.images import write_picture
from wplus.core.processes import stop_at_ctrl_c
from wplus.inversion import PRESETS, SPACES, Encoder, Record
from wplus.models import IMAGE2STYLEGAN_TAPS, compute_for
from wplus.models.fast import Wanted
from wplus.optimisation import METHODS, Settings
from wplus.pipelines.folder import (
    Here,
    Inverted,
    Prepared,
    Reading,
    Recipe,
    Task,
    Unfinished,
    batch_size,
    executor_for,
    invert_groups,
)
from wplus.pipelines.folder.jobs import attempt, run
from wplus.pipelines.folder.manifest import Job, Outcome
from wplus.pipelines.rendering import render_one


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_option(folder=True)
@generator_option
@click.option("--crop", "cropped", is_flag=True, help="The inputs are already aligned crops: squares of any size.")
@click.option("--face", type=click.IntRange(0), default=0, show_default=True, help="Which face; 0 is the largest.")
@click.option("--space", type=click.Choice([space.name for space in SPACES]), default="W+", show_default=True)
@click.option(
    "--start",
    metavar="mean|random|encoder|LATENT",
    help="Initial codes; a LATENT of the same person's neutral photograph keeps differences of expression clean."
    "  [the preset's]",
)
@click.option(
    "--method",
    type=click.Choice([*(method.name for method in METHODS), "encoder"]),
    help="The optimiser; `encoder` returns the encoder's estimate at once, less exact.  [the preset's]",
)
@click.option("--encoder", type=click.Path(path_type=Path), help="An encoder's file.  [the generator's own]")
@click.option(
    "--perceptual", help="vgg-slim (included), vgg16 (528 MB, downloaded once) or a file.  [the generator's own]"
)
@click.option("--taps", default=",".join(IMAGE2STYLEGAN_TAPS), show_default=True, help="Layers that are compared.")
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default="balanced",
    show_default=True,
    help="; ".join(f"{name}: {preset.text}" for name, preset in PRESETS.items())
    + ". Settings below change it; those of another method need --method.",
)
@click.option(
    "--mask",
    type=click.Path(path_type=Path),
    metavar="FILE|FOLDER",
    help="Fit only what is white in this mask, painted over the photograph or (square) over its crop;"
    " a folder holds one for each photograph, by its name.",
)
@record_options(Recipe, Settings, *METHODS)
@click.option(
    "--compute",
    type=click.Choice(get_args(Wanted)),
    default="auto",
    show_default=True,
    help="Path through the networks; `wplus info --machine` lists those of this machine.",
)
@click.option(
    "--batch",
    type=click.IntRange(1),
    help="Batch size; overrides --memory.  [8 up to 128 px or on a GPU, else 1]",
)
@memory_option("Memory limit, such as 8GB (per GPU); bounds the batch.  [what is free]")
@click.option("--workers", type=click.IntRange(1), help="Number of optimising processes.  [one per GPU; 1 on the CPU]")
@device_option
@json_option
def command(
    photos: tuple[Path, ...],
    output: Path,
    generator: str,
    cropped: bool,
    face: int,
    space: str,
    start: str | None,
    method: str | None,
    encoder: Path | None,
    perceptual: str | None,
    taps: str,
    preset: str,
    mask: Path | None,
    compute: str,
    batch: int | None,
    memory: int | None,
    workers: int | None,
    device: str,
    as_json: bool,
    **changed: Any,
) -> None:
    """Embed PHOTOS (files or folders) in W+, or as stylemaps: align, then optimise the codes (Image2StyleGAN).

    NAME.safetensors is the latent, NAME.png its picture; manifest.csv tells what became of every input. A rerun skips
    what is finished, and goes on with what Ctrl-C broke off.

    \b
    Examples:
      wplus invert portrait.jpg -o codes
      wplus invert holiday/ -o codes --steps 1000
      wplus invert holiday/ -o codes --method encoder
      wplus invert crops/ --crop -o codes --preset paper --perceptual vgg16
    """
    if method == "encoder":
        if changed["steps"]:
            raise click.UsageError("--method encoder takes no steps; --start encoder begins with its codes")
        start, method, changed["steps"] = "encoder", None, 0
    begin = PRESETS[preset].start
    given = {name: value for name, value in changed.items() if value is not None}
    fitting = {item.name: given.pop(item.name) for item in fields(Recipe) if item.name in given}
    try:
        recipe = Recipe(
            generator,
            perceptual,
            tuple(name.strip() for name in taps.split(",")),
            space,
            start or ("guess" if isinstance(begin, Encoder) else begin.name),  # not every generator has an encoder
            encoder,
            _changed(PRESETS[preset].settings, method, given),
            cast(Wanted, compute),
            **{"editability": PRESETS[preset].editability} | fitting,
        )
        prepared = recipe.on(device)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    reading = Reading(prepared.generator.resolution, cropped, face, recipe.identity_weight != 0, mask)
    readers = 0 if memory is not None and device == "cpu" else None  # what they take is part of it
    unfinished = Unfinished(output)

    def work(jobs: Sequence[Job], todo: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        if todo:
            remark(prepared.title)
            LOG.debug("compute: %s", compute_for(prepared.generator, wanted=prepared.compute))
            _measure(prepared)
        keys, by_source = {job.source: job.key for job in jobs}, {job.source: job for job in todo}
        size = functools.partial(batch_size, prepared, reading, list(by_source), memory=memory, among=workers or 1)
        asked = {"batch": batch, "memory": memory}
        LOG.debug("%d to do of %d", len(todo), len(jobs))
        groups = unfinished.groups(keys, list(by_source), asked=asked, batch=lambda: batch or size())
        watching = _watching(recipe.evaluations, len(todo))
        executor = executor_for(recipe, prepared, groups=len(groups), workers=workers, watching=watching, stop=stop)
        photo_bar = progress(len(todo), text="invert", unit="photo")
        with nullcontext() if isinstance(executor, Here) else photo_bar as bar:  # here every step is shown
            for inverted in invert_groups(groups, reading, executor, workers=readers):
                job = by_source[inverted.photo]
                yield job, attempt(job, functools.partial(_save, prepared, inverted, unfinished))
                if bar:
                    bar.update()
        if not stop():
            unfinished.end()

    common, masks = prepared.to_json() | {"cropped": cropped, "face": face}, mask_sums(mask)

    def described(photo: Path) -> Mapping[str, Any]:
        return common | masks(photo)

    with stop_at_ctrl_c() as stop:
        summary = run(photos, output, settings=described, suffix=".safetensors", work=work, note=remark)
        if stop():
            raise KeyboardInterrupt
    report(summary, as_json=as_json)


def _changed(settings: Settings, name: str | None, changed: Mapping[str, Any]) -> Settings:
    """Settings with other values, of the method of that name, or of their own where none is named.

    Raises:
        ValueError: the method has no such value, or a value is out of its range.
    """
    own = {item.name for item in fields(settings)}
    theirs = {key: value for key, value in changed.items() if key not in own}
    known: list[Any] = [settings.method, *(kind() for kind in METHODS)]
    method = next(item for item in known if name in (None, item.name))
    strangers = theirs.keys() - {item.name for item in fields(method)}
    if strangers:
        options = ", ".join("--" + key.replace("_", "-") for key in theirs if key in strangers)
        owners = [item.name for item in known[1:] if strangers <= {field.name for field in fields(item)}]
        hint = f"; it goes with --method {' or '.join(owners)}" if owners else ""
        raise ValueError(f"the method {method.name} has no {options}{hint}")
    return replace(settings, method=replace(method, **theirs), **{key: changed[key] for key in own & changed.keys()})


def _measure(prepared: Prepared) -> None:
    """What is measured once for a generator, with a bar where that takes time."""
    with progress(0, text="measure the generator, once", unit="direction", delay=1) as bar:

        def watch(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        prepared.measure(watch)


def _watching(evaluations: int, photos: int) -> Callable[[Task], AbstractContextManager[Callable[[Record], None]]]:
    """A bar for every group."""
    done = 0

    @contextmanager
    def watching(task: Task) -> Iterator[Callable[[Record], None]]:
        nonlocal done
        done += len(task.crops)
        begun = 0 if task.resume is None else task.resume.step
        with descent(evaluations - begun, text=f"invert {done}/{photos}") as watch:
            yield watch

    return watching


def _save(prepared: Prepared, inverted: Inverted, unfinished: Unfinished, job: Job) -> Outcome:
    """Write latent and picture."""
    if inverted.latent is None:
        return Outcome("failed", reason=inverted.reason)
    unfinished.begin()
    reason = f"broken off before step {inverted.interrupted}; a rerun goes on"
    if inverted.interrupted is not None and job.finished:
        return Outcome("interrupted", reason=reason)  # what there is is not given up for less
    file = job.stem.with_name(job.stem.name + ".safetensors")
    inverted.latent.save(file)
    write_picture(job.stem.with_name(job.stem.name + ".png"), render_one(prepared.generator, inverted.latent)[0])
    if inverted.interrupted is not None:
        return Outcome("interrupted", file.name, reason)
    return Outcome("done", file.name, inverted.reason)

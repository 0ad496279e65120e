"""What several commands share: options, devices, progress bars, the writing of results."""

import functools
import logging
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
import torch
from tqdm import tqdm

from wplus.core import Latent, LatentError, OutputError
from wplus.core.files import replacing
from wplus.core.images import write_picture
from wplus.inversion import Record
from wplus.models import Generator
from wplus.pipelines.rendering import generator_of, render_one

Command = TypeVar("Command", bound=Callable[..., Any])

LOG = logging.getLogger("wplus")

DEFAULT_GENERATOR = "faces-64"


def generator_option(command: Command) -> Command:
    """--generator, with the shipped one as default."""
    return click.option("--generator", default=DEFAULT_GENERATOR, show_default=True, help="Catalogue name or file.")(
        command
    )


def device_option(command: Command) -> Command:
    """--device."""
    choices = click.Choice(["auto", "cpu", "cuda", "mps"])
    return click.option(
        "--device", type=choices, default="auto", show_default=True, callback=_device, help="Device to compute on."
    )(command)


def json_option(command: Command) -> Command:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


class _Finite(click.types.FloatParamType):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


class FiniteRange(_Finite, click.FloatRange):
    """A number within a range, without NaN, which click takes for within any."""


FINITE = _Finite()
"""A number that is neither infinite nor none."""

SHARE = FiniteRange(0, 1)
"""A number from 0 to 1."""

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
"""Suffixes of pictures that are written."""


def output_option(*, folder: bool, default: str | None = None) -> Callable[[Command], Command]:
    """-o, a folder or a file; what is there instead is told when it is written to."""
    kind = click.Path(path_type=Path)
    text = "Folder for the results; made if it is not there." if folder else "File to write; the suffix tells the form."
    if default is None:  # a default of None would count as one
        return click.option("-o", "--output", type=kind, required=True, help=text)
    return click.option("-o", "--output", type=kind, default=default, show_default=True, help=text)


def memory_option(text: str) -> Callable[[Command], Command]:
    """--memory, an amount such as 8GB, 500 MB or 2GiB, in bytes."""
    return click.option("--memory", metavar="AMOUNT", callback=_bytes, help=text)


def _bytes(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Turn an amount of memory into bytes."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MGT])(i?)B?", value.strip(), re.IGNORECASE)
    if found is None:
        raise click.BadParameter(f"'{value}' is no amount of memory; write 8GB or 500MB")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** (2 + "MGT".index(unit.upper())))


def record_options(*records: type) -> Callable[[Command], Command]:
    """One option for every field of frozen records that has a help text: name, default and help come from there."""
    found: dict[str, list[Field[Any]]] = {}
    for item in (item for record in records for item in fields(record) if "help" in item.metadata):
        found.setdefault(item.name, []).append(item)

    def decorate(command: Command) -> Command:
        for items in reversed(found.values()):
            command = _field_option(items)(command)
        return command

    return decorate


def _field_option(items: Sequence[Field[Any]]) -> Callable[[Command], Command]:
    """The option of a field that records share; where their defaults differ, all are told, in the records' order."""
    first = items[0]
    defaults = " or ".join(dict.fromkeys(str(item.default) for item in items))
    name = "--" + first.name.replace("_", "-")
    kind = FINITE if isinstance(first.default, float) else type(first.default)
    return click.option(name, type=kind, default=None, help=f"{first.metadata['help']}  [{defaults}]")


def _device(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Turn `auto` into what there is; refuse what there is not."""
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if value == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if present[name])
    if not present[value]:
        raise click.BadParameter(f"this machine has no {value}")
    return value


def remark(line: str) -> None:
    """Print a line that is no result, on standard error, unless --quiet."""
    LOG.info("%s", line)


@contextmanager
def progress(total: int, *, text: str, unit: str = "step", delay: float = 0) -> Iterator["tqdm[Any]"]:
    """A bar on standard error after `delay` seconds, silent when that is no terminal, or with --quiet."""
    hidden = None if LOG.isEnabledFor(logging.INFO) else True  # None: where there is no terminal
    with tqdm(total=total, desc=text, unit=unit, disable=hidden, leave=False, dynamic_ncols=True, delay=delay) as bar:
        yield bar


@contextmanager
def descent(steps: int, *, text: str) -> Iterator[Callable[[Record], None]]:
    """The bar of an inversion, with its mean loss: yields what to show every record to."""
    with progress(steps, text=text) as bar:

        def watch(record: Record) -> None:
            bar.update()
            bar.set_postfix_str(f"loss {float(record.total.mean()):.4f}", refresh=False)

        yield watch


def opener(latents: Sequence[Latent], name: str | None, device: str) -> Callable[[], Generator]:
    """What opens the generator of latents when it is first asked for; one that --generator names is opened at once.

    Raises:
        GeneratorError: there is no such generator.
        LatentError: a latent belongs to another, or names none.
    """

    @functools.cache
    def generator() -> Generator:
        network = generator_of(latents[0], name).to(device)
        for latent in latents:
            network.check(latent)
        return network

    if name is not None:
        generator()
    return generator


def write_result(path: Path, latent: Latent, generator: Callable[[], Generator]) -> None:
    """Write what was made, in the form the suffix tells: a picture, exact values (.npy), or the latent itself.

    Args:
        path: the file.
        latent: what was made.
        generator: opens its generator; not called for a latent, which needs none.

    Raises:
        LatentError: more codes than the form holds.
        OutputError: another suffix, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if len(latent) > 1 and suffix != ".safetensors":
        raise LatentError(f"{path}: {len(latent)} codes do not go into one picture")
    if suffix == ".safetensors":
        latent.save(path)
    elif suffix == ".npy":
        with replacing(path) as temporary, temporary.open("wb") as file:  # a file: to a path numpy adds ".npy"
            np.save(file, render_one(generator(), latent)[0].numpy())
    elif suffix in PICTURES:
        write_picture(path, render_one(generator(), latent)[0])
    else:
        raise OutputError(f"{path}: unknown suffix '{suffix}'; use .png, .jpg, .webp, .npy or .safetensors")
    click.echo(path)

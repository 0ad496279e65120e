"""wplus models: which models have names, what they may be used for, and how to get them."""

import json
import sys

import click

from wplus.cli.options import json_option, progress
from wplus.core import DownloadError
from wplus.models.catalogue import fetch, find
from wplus.models.download import megabytes, recorded_sum
from wplus.models.entries import ENTRIES, Entry


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List the models that can be given by name, with their licences, and what of them is here.

    \b
    Examples:
      wplus models
      wplus models show stylegan3-t-ffhq-1024
      wplus models fetch stylegan3-t-ffhq-1024

    Fetched files lie in the folder WPLUS_CACHE (~/.cache/wplus if that is not set).
    """
    if context.invoked_subcommand is None and as_json:
        click.echo(json.dumps([_facts(entry) for entry in ENTRIES], indent=2))
    elif context.invoked_subcommand is None:
        width = max(len(entry.name) for entry in ENTRIES)
        click.echo(f"{'name':{width}}  {'pixels':>6}  {'size':>9}  {'here':11}  licence")
        for entry in ENTRIES:
            side = str(entry.resolution or "-")
            told = f"{entry.name:{width}}  {side:>6}  {_size(entry):>9}  {entry.state:11}  {entry.release.licence}"
            click.echo(told)


@command.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Tell all about the model NAME.

    \b
    Example:
      wplus models show faces-64
    """
    facts = _facts(find(name))
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        _tell(facts, to_stderr=False)


def _facts(entry: Entry) -> dict[str, str]:
    """All that is known of a model."""
    return {
        "name": entry.name,
        "kind": entry.kind,
        "here": entry.state,
        "file": str(entry.path) if entry.path.is_file() else entry.file,
        "format": entry.release.format,
        "resolution": str(entry.resolution or "-"),
        "size": _size(entry),
        "sha256": entry.sha256 or recorded_sum(entry.path) or "unknown; recorded when it is fetched",
        "perceptual network": entry.perceptual if entry.kind == "generator" else "-",
        **_terms(entry),
    }


@command.command(name="fetch")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask; without a terminal nothing is asked anyway.")
@click.option("--again", is_flag=True, help="Download it even if it is here.")
@click.option("--offline", is_flag=True, help="Only check what is here, as with WPLUS_OFFLINE=1.")
def fetch_command(name: str, yes: bool, again: bool, offline: bool) -> None:
    """Show the terms of the model NAME, download it, check its sum, and print its path.

    A download that broke off goes on where it stopped.

    \b
    Example:
      wplus models fetch stylegan3-t-ffhq-1024
    """
    entry = find(name)
    if entry.url:
        _tell(_terms(entry), to_stderr=True)
        asks = (
            sys.stdin is not None
            and sys.stdin.isatty()
            and not (yes or offline or (entry.path.is_file() and not again))
        )
        if asks and not click.confirm("Fetch it?", default=True, err=True):
            raise DownloadError(f"{name}: not fetched")
    with progress(0, text=name, unit="B") as bar:
        bar.unit_scale = True

        def watch(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        path = fetch(entry, watch=watch, again=again, offline=offline)
    click.echo(path)


def _terms(entry: Entry) -> dict[str, str]:
    release = entry.release
    told = {"licence": release.licence, "terms": entry.terms, "source": release.source, "paper": release.paper}
    return told | ({"url": entry.url} if entry.url else {})


def _size(entry: Entry) -> str:
    """The size of its file, or "-" while that is not known."""
    size = entry.path.stat().st_size if entry.path.is_file() else entry.size
    return "-" if size is None else megabytes(size)


def _tell(facts: dict[str, str], *, to_stderr: bool) -> None:
    width = max(map(len, facts))
    for name, text in facts.items():
        click.echo(f"{name:{width}}  {text}", err=to_stderr)

"""What commands that go through folders print at their end."""

import json

import click

from wplus.core import WplusError
from wplus.pipelines.folder.jobs import Summary


def report(summary: Summary, *, as_json: bool = False) -> None:
    """Print how a run ended; failures on standard error.

    Raises:
        KeyboardInterrupt: the run was interrupted.
        WplusError: inputs failed.
    """
    if summary.interrupted:
        raise KeyboardInterrupt
    for reason in summary.failures:
        click.echo(f"wplus: {reason}", err=True)
    click.echo(json.dumps(summary.to_json()) if as_json else summary)
    if summary.failures:
        failed = len(summary.failures)
        raise WplusError(f"{failed} of {summary.total} inputs failed; {summary.folder / 'manifest.csv'} says why")

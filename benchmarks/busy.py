"""`wplus invert` of one photograph on an idle machine, and beside one spinning process a core.

    python -m benchmarks.busy [--runs 3]

Every round takes the four cases in turn, each in a process of its own: as wplus sets OpenMP, and as the runtime is
without that. `busy / idle` must be at most 2.5, and what waiting threads are told must cost at most 3 % of the idle
time. Other work on the machine spoils both: look at the load that is told first.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import click
from PIL import Image
from skimage import data

SPUN = {"GOMP_SPINCOUNT": "300000"}
"""libgomp's own count where no environment variable says another."""


def spin() -> None:
    """Keep a core busy."""
    while True:
        pass


def seconds(photo: Path, folder: Path, *, environment: dict[str, str]) -> float:
    """Wall time of one command."""
    command = [sys.executable, "-c", "from wplus.cli.main import main; main()", "invert", photo, "-o", folder]
    began = time.perf_counter()
    subprocess.run(command, env=os.environ | environment, check=True, capture_output=True)
    return time.perf_counter() - began


@click.command()
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True, help="Rounds; medians are told.")
@click.option("--without", is_flag=True, help="Also as libgomp spins by itself: minutes a round.")
def main(runs: int, without: bool) -> None:
    """Print medians and ratios."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    click.echo(f"{cores} cores, load {os.getloadavg()[0]:.1f} before the first run")
    cases = {"as wplus sets it": {}, **({"as libgomp is": SPUN} if without else {})}
    times: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        photo = Path(name) / "astronaut.jpg"
        Image.fromarray(data.astronaut()).save(photo, quality=95)
        for turn in range(runs):
            for state in ("idle", "busy"):
                others = [multiprocessing.Process(target=spin, daemon=True) for _ in range(cores * (state == "busy"))]
                for process in others:
                    process.start()
                for case, environment in cases.items():
                    folder = Path(name) / f"{turn}-{state}-{case}"
                    times.setdefault((case, state), []).append(seconds(photo, folder, environment=environment))
                for process in others:
                    process.terminate()
                    process.join()
    for case in cases:
        idle, busy = (median(times[case, state]) for state in ("idle", "busy"))
        click.echo(f"{case:17}  idle {idle:6.2f} s   busy {busy:6.2f} s   busy / idle {busy / idle:.2f}")
    if without:
        loss = median(times["as wplus sets it", "idle"]) / median(times["as libgomp is", "idle"]) - 1
        click.echo(f"idle loss {loss:+.1%}")


if __name__ == "__main__":
    main()

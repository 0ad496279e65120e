"""How long opening a generator of 1024 px takes, and how much memory, beside `torch.load` of the same weights.

    python -m benchmarks.loading

Every format's file is made of random weights, and opened in a process of its own: seconds from the call to the
generator, and the peak of resident memory over what the process had before, as a multiple of the weights' size. `torch`
is `torch.load(weights_only=True)` of the state dict in the same run; `beyond reading` is the time beyond reading the
file's bytes, which are in the system's cache.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import torch

from benchmarks import foreign
from wplus.models import Card, Generator, StyleGAN1Config, StyleGAN2Config, StyleGAN3Config
from wplus.models.architectures import ARCHITECTURES
from wplus.models.checkpoints.writing import write_checkpoint

CHANNELS = (512, 512, 512, 512, 512, 256, 128, 64, 32)
ONE = StyleGAN1Config((512, 512, 512, 512, 256, 128, 64, 32, 16), 512, 512)
TWO = StyleGAN2Config(CHANNELS, 512, 512, 8)
THREE = StyleGAN3Config(1024)

MOST_MEMORY, MOST_SECONDS = 2.2, 1.5
"""The bars: times the weights' size, and seconds beyond reading the file."""


def save_own(path: Path, config: object, state: foreign.State) -> None:
    """Our own safetensors."""
    module = next(module for sizes, module in ARCHITECTURES.values() if isinstance(config, sizes))
    with torch.device("meta"):
        network = module(config)
    network.load_state_dict(dict(state), assign=True)
    Generator(network, Card("random")).save(path)


FILES = {
    "torch, StyleGAN2": (TWO, lambda path, config, state: torch.save(dict(state), path)),
    "wplus, StyleGAN1": (ONE, save_own),
    "wplus, StyleGAN2": (TWO, save_own),
    "wplus, StyleGAN3-t": (THREE, save_own),
    "nvidia, StyleGAN2": (TWO, lambda path, config, state: write_checkpoint(path, config, state, form="nvidia")),
    "nvidia, StyleGAN3-t": (THREE, lambda path, config, state: write_checkpoint(path, config, state, form="nvidia")),
    "state dict, StyleGAN2": (TWO, lambda path, config, state: torch.save(dict(state), path)),
    "tensorflow, StyleGAN1": (ONE, foreign.write_tensorflow),
    "tensorflow, StyleGAN2": (TWO, foreign.write_tensorflow),
    "rosinality": (TWO, lambda path, config, state: write_checkpoint(path, config, state, form="rosinality")),
    "encoder bundle": (TWO, foreign.write_bundle),
    "genforce, StyleGAN1": (ONE, foreign.write_genforce),
    "genforce, StyleGAN2": (TWO, foreign.write_genforce),
    "lernapparat": (ONE, foreign.write_lernapparat),
}
"""What is opened, and how its file is made."""


def measure(path: Path, kind: str) -> dict[str, float]:
    """Open a file here, in a process that has done nothing else yet."""
    from wplus.models.generator import read_generator

    torch.zeros(1).add(1)
    began = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
    reading = time.perf_counter() - began
    before = _memory("VmRSS")
    began = time.perf_counter()
    if kind == "torch":
        state = torch.load(path, weights_only=True)
        size = sum(tensor.numel() * 4 for tensor in state.values())
    else:
        generator = read_generator(path)
        size = sum(tensor.numel() * 4 for tensor in generator.network.state_dict().values())
    seconds = time.perf_counter() - began
    peak = _memory("VmHWM") - before
    return {"seconds": seconds, "reading": reading, "memory": peak / size, "size": size / 1e6}


def _memory(kind: str) -> int:
    """Bytes of memory that this process has (VmRSS) or had at most (VmHWM); rusage's peak is also its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(kind))


@click.command(help=__doc__)
@click.option("--only", help="Formats whose names contain this.")
@click.option("--measure", "one", nargs=2, hidden=True)
def main(only: str | None, one: tuple[str, str] | None) -> None:
    """Make and open every file."""
    if one is not None:
        click.echo(json.dumps(measure(Path(one[0]), one[1])))
        return
    click.echo(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    click.echo(f"{'format':24} {'MB':>6} {'seconds':>8} {'beyond reading':>15} {'peak / size':>12}")
    for name, (config, write) in FILES.items():
        if only is not None and only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "generator"
            write(path, config, weights(config))
            command = [sys.executable, "-m", "benchmarks.loading", "--measure", str(path), name.split(",")[0]]
            shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(shown)
        beyond = found["seconds"] - found["reading"]
        passed = found["memory"] <= MOST_MEMORY and beyond <= MOST_SECONDS
        figures = f"{found['size']:6.0f} {found['seconds']:8.2f} {beyond:15.2f} {found['memory']:12.2f}"
        click.echo(f"{name:24} {figures}{'' if passed or name.startswith('torch') else '  over the bar'}")


def weights(config: object) -> dict[str, torch.Tensor]:
    """Random weights of a network of these sizes."""
    module = next(module for sizes, module in ARCHITECTURES.values() if isinstance(config, sizes))
    torch.manual_seed(0)
    return {name: tensor.clone() for name, tensor in module(config).state_dict().items()}


if __name__ == "__main__":
    main()

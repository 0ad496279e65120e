"""Generators as programs for other runtimes: ONNX and TorchScript, from codes of W+ to pictures."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from wplus.core.extras import need
from wplus.core.files import replacing
from wplus.core.shapes import Ws
from wplus.models.generator import Generator
from wplus.models.network import Rendered, Synthesis

OPSET = 18
"""The version of ONNX's operators: what torch's exporter writes without converting."""


class Renderer(nn.Module):
    """The synthesis network alone, with the noise that it was saved with."""

    def __init__(self, synthesis: Synthesis) -> None:
        super().__init__()
        self.synthesis = synthesis

    def forward(self, ws: Ws) -> Rendered:
        return self.synthesis(ws, noise="const", dtype=torch.float32)


def write_onnx(path: str | Path, generator: Generator) -> None:
    """Write an ONNX model: input `ws` (batch, layers, w_dim), output `image` (batch, colours, height, width), fp32.

    Raises:
        ExtraError: the packages `onnx` and `onnxscript`, which torch's exporter asks for, are not installed.
        OutputError: the file cannot be written.
    """
    need("onnx", "onnxscript")
    renderer, ws = _example(generator)
    batch = torch.export.Dim("batch", min=1, max=1024)
    with replacing(path) as temporary, _silent():
        torch.onnx.export(
            renderer,
            (ws,),
            temporary,
            input_names=["ws"],
            output_names=["image"],
            dynamo=True,
            dynamic_shapes={"ws": {0: batch}},
            external_data=False,
            opset_version=OPSET,
            verbose=False,
        )


def write_torchscript(path: str | Path, generator: Generator) -> None:
    """Write a TorchScript program of the same input and output, for `torch.jit.load` and libtorch.

    Raises:
        OutputError: the file cannot be written.
    """
    renderer, ws = _example(generator)
    with replacing(path) as temporary, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # shapes that are the same for every code become constants
        program = torch.jit.trace(renderer, (ws,), check_trace=False)
        with temporary.open("wb") as file:  # a file: torch refuses a path of ours without a suffix
            torch.jit.save(program, file)


@contextmanager
def _silent() -> Iterator[None]:
    """Without what torch's exporter warns of itself, and its optimiser of operators that it leaves alone."""
    logger = logging.getLogger("onnxscript")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _example(generator: Generator) -> tuple[Renderer, torch.Tensor]:
    """The program in PyTorch, and an input of two codes: a batch of one would become a constant."""
    generator = generator.to("cpu")
    return Renderer(generator.network.synthesis).eval(), generator.mean_ws.expand(2, -1, -1).clone()

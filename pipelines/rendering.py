"""Latents to pictures, with the generator that each names."""

import torch

from wplus.core import GeneratorError, Latent, LatentError
from wplus.core.shapes import Images
from wplus.models import Generator, load_generator


def generator_of(latent: Latent, given: str | None) -> Generator:
    """The generator that a latent names, or the one given.

    Raises:
        LatentError: the latent names none, and none is given.
        GeneratorError: the one it names is neither in the catalogue nor a file.
    """
    if given is not None:
        return load_generator(given)
    if latent.origin is None:
        raise LatentError("the latent does not say which generator it belongs to; give --generator")
    try:
        return load_generator(latent.origin.generator)
    except GeneratorError as error:
        raise GeneratorError(f"{error}; give the latent's generator by --generator FILE") from error


def render_one(generator: Generator, latent: Latent) -> Images:
    """Render a batch one by one: a convolution's last bits depend on the batch, and files must re-render exactly."""
    with torch.inference_mode():
        return torch.cat([generator(latent[index]) for index in range(len(latent))]).cpu()

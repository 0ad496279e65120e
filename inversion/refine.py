"""Noise maps that show what codes left over: Image2StyleGAN++'s second stage (Abdal et al. 2020, arXiv 1911.11544)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle

from wplus.alignment import Crop
from wplus.core.latent import Latent, join
from wplus.inversion.invert import Inversion, invert
from wplus.inversion.noise import Still, WithNoise
from wplus.inversion.objective import image2stylegan, perceptual_network
from wplus.inversion.penalties import NoiseCorrelation
from wplus.inversion.starts import Given
from wplus.inversion.steps import Record
from wplus.models import Generator
from wplus.models.fast import Wanted
from wplus.optimisation import Objective, Progress, QuasiNewton, Settings

NOISE_SETTINGS = Settings(steps=100, method=QuasiNewton())
"""Of the second stage. Adam moves every map as far, those too that the network hardly sees; L-BFGS does not."""


def refine_noise(
    generator: Generator,
    crop: Crop | Sequence[Crop],
    latent: Latent | Sequence[Latent],
    *,
    objective: Objective | None = None,
    scale: float = 1.0,
    settings: Settings = NOISE_SETTINGS,
    compute: Wanted = "auto",
    resume: Progress | None = None,
    watch: Callable[[Record], None] = lambda record: None,
    stop: Callable[[Record], bool] = lambda record: False,
) -> Inversion:
    """Fit noise maps to a crop whose codes are known: the codes stay, the picture comes nearer.

        latent = refine_noise(generator, crop, invert(generator, crop).latents).latent

    Args:
        generator: frozen; one that takes noise.
        crop: one crop, or several.
        latent: one code a crop, or one for all; its noise maps, where it has some, are gone on from.
        objective: by default Image2StyleGAN's with `NoiseCorrelation`.
        scale, settings: how far a step moves the maps, and how the descent goes.
        compute, resume, watch, stop: as of `invert`.

    Returns:
        Latents with their codes as they were, and noise; the settings by which codes were found stand under "codes".

    Raises:
        GeneratorError: the generator takes no noise.
        LatentError: the latent belongs to another generator.
        ValueError: another number of codes than of crops.
        WeightsError: the perceptual network's weights are missing.
    """
    if objective is None:
        network = perceptual_network(generator, compute=compute)
        objective = replace(image2stylegan(network), penalties=(NoiseCorrelation(),))
    given = join([latent] if isinstance(latent, Latent) else latent)
    space = WithNoise(Still(), given.noise, scale=scale)
    found = invert(
        generator,
        crop,
        objective=objective,
        space=space,
        start=Given(given),
        settings=settings,
        compute=compute,
        resume=resume,
        watch=watch,
        stop=stop,
    )
    before = [given] if isinstance(latent, Latent) else latent
    pairs = zip(found.latents, cycle(before), strict=False)
    return replace(found, latents=tuple(_after(item, first) for item, first in pairs))


def _after(latent: Latent, first: Latent) -> Latent:
    """The latent with the settings of the first stage beside those of the second."""
    assert latent.origin is not None
    codes = {} if first.origin is None else dict(first.origin.settings)
    return replace(latent, origin=replace(latent.origin, settings={**latent.origin.settings, "codes": codes}))

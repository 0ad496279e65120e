"""Image2StyleGAN's objective, and II2S's penalty beside it."""

from wplus.inversion.penalties import on_unlikely
from wplus.inversion.presets import EDITABILITY
from wplus.models import VGG, Generator, compute_for, fast, load_perceptual
from wplus.models.fast import Wanted
from wplus.optimisation import Objective, Perceptual, Pixel


def perceptual_network(generator: Generator, name: str | None = None, *, compute: Wanted = "auto") -> VGG:
    """The perceptual network `name`, by default the one that the generator's card names, on its device and path.

    Raises:
        WeightsError: its weights are missing.
    """
    network = load_perceptual(name or generator.card.perceptual).to(generator.device)
    return fast(network, compute_for(network, generator.device, compute))


def image2stylegan(network: VGG) -> Objective:
    """Perceptual loss at four taps plus MSE, every lambda 1 (Image2StyleGAN equation 1)."""
    return Objective((Perceptual(network), Pixel()))


def objective_for(generator: Generator, network: VGG, *, editability: float = EDITABILITY) -> Objective:
    """Image2StyleGAN's objective, with II2S's penalty on unlikely codes where the generator has a W.

    Without it a quasi-Newton descent ends further from the mean code than Adam does at the same loss.

    Raises:
        ValueError: `editability`, the penalty's weight, is negative or not finite.
    """
    return Objective(image2stylegan(network).terms, on_unlikely(generator, editability))

"""Low-pass filters by the window method (Kaiser 1974), as StyleGAN3 uses them (Karras et al. 2021, appendix C.1)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def lowpass(taps: int, *, cutoff: float, width: float, rate: float) -> Float[Tensor, " taps"]:
    """A low-pass filter of sum 1, in fp32.

    Args:
        taps: its length.
        cutoff: frequency where it falls to a half.
        width: of the transition band.
        rate: samples per unit of length; frequencies are in cycles per unit of length.
    """
    at = torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2
    return _normalised(torch.sinc(at * (2 * cutoff / rate)) * _window(taps, width / rate))


def radial_lowpass(taps: int, *, cutoff: float, width: float, rate: float) -> Float[Tensor, "taps taps"]:
    """The two-dimensional filter with the same response in every direction; arguments as of `lowpass`."""
    at = (torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2) / rate
    radius = torch.hypot(at[:, None], at[None, :]) * math.pi
    window = _window(taps, width / rate)
    # the Fourier transform of a disc is a Bessel function over the radius
    return _normalised(torch.special.bessel_j1(2 * cutoff * radius) / radius * torch.outer(window, window))


def _window(taps: int, width: float) -> Tensor:
    """Kaiser's window for a transition band of `width`, in cycles per sample (his empirical formulae)."""
    attenuation = 2.285 * (taps - 1) * math.pi * 2 * width + 7.95  # in decibel
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    elif attenuation > 21:
        beta = 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    else:
        beta = 0.0
    return torch.kaiser_window(taps, periodic=False, beta=beta, dtype=torch.float64)


def _normalised(kernel: Tensor) -> Tensor:
    return (kernel / kernel.sum()).float()

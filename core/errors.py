"""Every mistake a user can make has a class here; its message is one line that says what to do.

    WplusError
    ├── ImageError        a file is no picture, is damaged, or is too large to open
    ├── FaceError         no face was found, or not the one asked for
    ├── LatentError       a latent file is damaged, or latents do not belong together
    ├── DirectionError    an unknown direction, a damaged file of some, or one of another generator
    ├── GeneratorError    an unknown generator name, or a file that holds none
    ├── WeightsError      the weights of a perceptual or landmark network are missing or damaged
    ├── DownloadError     a file cannot be fetched, or is not the one it should be
    ├── OutputError       a result cannot be written
    ├── ExtraError        a package of an extra is not installed
    └── TrainingError     a training folder holds no faces, or a run cannot be resumed

A programmer's mistake is a plain ValueError; the impossible is an assert.
"""


def printable(words: str) -> str:
    """Words of a file, or of its name, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in words)


class WplusError(Exception):
    """A user's mistake, told in one line."""


class ImageError(WplusError):
    """A file is no picture, is damaged, or is too large to open."""


class FaceError(WplusError):
    """No face was found, or not the one asked for."""


class LatentError(WplusError):
    """A latent file is damaged, or latents do not belong together."""


class DirectionError(WplusError):
    """An unknown direction, a damaged file of some, or one of another generator."""


class GeneratorError(WplusError):
    """An unknown generator name, or a file that holds no generator."""


class WeightsError(WplusError):
    """The weights of a perceptual or landmark network are missing or damaged."""


class DownloadError(WplusError):
    """A file cannot be fetched, or is not the one it should be."""


class OutputError(WplusError):
    """A result cannot be written."""


class ExtraError(WplusError):
    """A package of an extra is not installed."""


class TrainingError(WplusError):
    """A training folder holds no faces, or a run cannot be resumed."""

"""How far codes lie from where faces lie: from the mean code, and from the middle of P_N."""

from wplus.core.shapes import Losses, Ws
from wplus.models import Generator
from wplus.models.pn import PNSpace


def distance_to_mean(ws: Ws, generator: Generator) -> Losses:
    """Euclidean distance of whole codes from the generator's mean code, over all rows (Image2StyleGAN, table 1).

    It grows with the square root of the number of rows: compare figures of one generator.
    """
    return (ws - generator.mean_ws.to(ws)).square().sum(dim=(1, 2)).sqrt()


def pn_norm(ws: Ws, space: PNSpace) -> Losses:
    """Root mean square of codes in P_N, over rows and axes: about 1 for mapped codes, more for less likely ones.

    Its square is the penalty of Zhu et al. 2020 (arXiv 2012.09036, section 3.3) for each code.
    """
    return space.to_pn(ws).square().mean(dim=(1, 2)).sqrt()

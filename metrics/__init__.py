"""Numbers about pictures, codes and generators: each says its range, size, network and version."""

from wplus.metrics.consistency import editing_consistency
from wplus.metrics.disentanglement import DCI, dci
from wplus.metrics.distribution import Moments, frechet_distance, kernel_distance, moments
from wplus.metrics.expression import eye_opening, mouth_opening, mouth_width
from wplus.metrics.features import FEATURE_NETWORKS, FeatureNetwork, features_of, find_features
from wplus.metrics.figures import Figure, Measure, Quantity, bootstrap, figures, write_measures
from wplus.metrics.identity import SAME_PERSON, identity, identity_distance
from wplus.metrics.latents import distance_to_mean, pn_norm
from wplus.metrics.measure import METRICS, OFFLINE, Metric, find_metric, measure, same_size
from wplus.metrics.path import path_lengths
from wplus.metrics.perceptual import load_lpips, perceptual_loss
from wplus.metrics.reconstruction import ms_ssim, mse, psnr, ssim
from wplus.metrics.separability import linear_separability

__all__ = [
    "DCI",
    "FEATURE_NETWORKS",
    "METRICS",
    "OFFLINE",
    "SAME_PERSON",
    "FeatureNetwork",
    "Figure",
    "Measure",
    "Metric",
    "Moments",
    "Quantity",
    "bootstrap",
    "dci",
    "distance_to_mean",
    "editing_consistency",
    "eye_opening",
    "features_of",
    "figures",
    "find_features",
    "find_metric",
    "frechet_distance",
    "identity",
    "identity_distance",
    "kernel_distance",
    "linear_separability",
    "load_lpips",
    "measure",
    "moments",
    "mouth_opening",
    "mouth_width",
    "ms_ssim",
    "mse",
    "path_lengths",
    "perceptual_loss",
    "pn_norm",
    "psnr",
    "same_size",
    "ssim",
    "write_measures",
]

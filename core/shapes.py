"""The named tensor shapes of the project; tests check them at run time."""

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

Images = Float[Tensor, "batch 3 height width"]
"""RGB, values in [-1, 1] (nominal: a generator may overshoot)."""

Picture = Float[Tensor, "3 height width"]
"""One RGB image, values in [-1, 1]."""

Resized = Float[Tensor, "3 new_height new_width"]
"""A `Picture` of another size than the one beside it in a signature."""

ResizedImages = Float[Tensor, "batch 3 new_height new_width"]
"""`Images` of another size than those beside them in a signature."""

AnyPicture = Float[Tensor, "3 _ _"]
"""A `Picture` among others of other sizes."""

CommonImages = Float[Tensor, "batch 3 common_height common_width"]
"""`Images` brought to a size in common with others."""

Bytes = UInt8[np.ndarray, "height width 3"]
"""RGB, 0 to 255."""

Mask = Float[Tensor, "height width"]
"""Weights in [0, 1]."""

PooledMask = Float[Tensor, "pooled_height pooled_width"]
"""A `Mask` brought to another size."""

LabelMap = Int[Tensor, "height width"]
"""What each place shows, as numbers of classes."""

Z = Float[Tensor, "batch z_dim"]
"""Gaussian codes."""

W = Float[Tensor, "batch w_dim"]
"""Mapped codes, one vector an image."""

Ws = Float[Tensor, "batch layers w_dim"]
"""W+ codes, one vector a synthesis layer."""

FittedWs = Float[Tensor, "batch fitted_layers w_dim"]
"""`Ws` of another number of layers than those beside them in a signature."""

DirectionRows = Float[Tensor, "layers w_dim"]
"""What a direction adds to every row of W+."""

Rows = Float[Tensor, "batch layers"]
"""One number a row of W+."""

Chips = Float[Tensor, "batch 3 150 150"]
"""Faces as an identity network wants them, RGB in [-1, 1]."""

Descriptors = Float[Tensor, "batch 128"]
"""Faces as vectors, near for one person."""

Affine = Float[Tensor, "2 3"]
"""x' = A (x, y, 1)."""

Places = Float[Tensor, "batch 2 3"]
"""An `Affine` for every image."""

Losses = Float[Tensor, " batch"]
"""One number an image."""

Flags = Bool[Tensor, " batch"]
"""One truth value an image."""

Features = Float[Tensor, "batch dims"]
"""One vector an image."""

OtherFeatures = Float[Tensor, "other_batch dims"]
"""`Features` of another number of images than those beside them in a signature."""

Attributes = Float[Tensor, "batch attributes"]
"""What is known of every image: one number an attribute."""

Axis = Float[Tensor, " w_dim"]
"""One number a dimension of W."""

Axes = Float[Tensor, "w_dim w_dim"]
"""Directions of W, one a row."""

Offsets = Float[Tensor, "batch layers w_dim"]
"""What each row of W+ is away from a common vector."""

StyleMaps = Float[Tensor, "batch style_dim style_height style_width"]
"""Style vectors in their places: a stylemap, or one resized for a layer."""

FeatureMaps = Float[Tensor, "_ _ _ _"]
"""Vectors in their places, of any number, length and size: (batch, channels, height, width)."""

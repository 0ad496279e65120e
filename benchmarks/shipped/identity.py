"""Whether the identity network in PyTorch is dlib's."""

from pathlib import Path

import dlib
import numpy as np
import torch
from tqdm import tqdm

from benchmarks.shipped.figures import Figure
from wplus.alignment import detect
from wplus.core.images import find_pictures, read_photo, to_bytes
from wplus.metrics.identity import enlarged
from wplus.models import load_identity
from wplus.models.identity import CHIP, identity_file

FACES = 50
RANDOM = 10


def chips(photos: Path) -> list[np.ndarray]:
    """Faces as dlib cuts them out, bytes (150, 150, 3)."""
    found = []
    paths = [path for name in ("expressions", "aligned") for path in find_pictures(photos / name)]
    for path in tqdm(paths, desc="faces", disable=None):
        picture = enlarged(read_photo(path))
        for face in detect(picture)[:1]:
            points = [dlib.point(round(x), round(y)) for x, y in face.landmarks.tolist()]
            shape = dlib.full_object_detection(dlib.rectangle(*(round(value) for value in face.box)), points)
            found.append(dlib.get_face_chip(to_bytes(picture), shape, CHIP))
        if len(found) == FACES:
            break
    return found


def parity(photos: Path) -> list[Figure]:
    """The largest difference of any number of any descriptor."""
    theirs, ours = dlib.face_recognition_model_v1(str(identity_file())), load_identity()

    def largest(pictures: list[np.ndarray]) -> float:
        expected = torch.from_numpy(np.array([theirs.compute_face_descriptor(chip) for chip in pictures]))
        images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.inference_mode():
            return float((ours(images) - expected).abs().max())

    random = list(np.random.default_rng(0).integers(0, 256, (RANDOM, CHIP, CHIP, 3), dtype=np.uint8))
    faces = chips(photos)
    return [
        Figure(f"identity network against dlib, {len(faces)} faces", largest(faces), 1e-4),
        Figure(f"identity network against dlib, {RANDOM} random pictures", largest(random), 1e-4),
    ]

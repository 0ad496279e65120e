"""How wide a mouth and how open eyes are, from 68 landmarks, in units that do not depend on the picture's size."""

from wplus.alignment import Face, measures


def mouth_width(face: Face) -> float:
    """Distance of the corners of the mouth over that of the outer corners of the eyes; a smile widens it."""
    return measures.mouth_width(face.landmarks)


def mouth_opening(face: Face) -> float:
    """Distance of the inner lips over that of the outer corners of the eyes."""
    return measures.mouth_opening(face.landmarks)


def eye_opening(face: Face) -> float:
    """Height over width of an eye, mean of both (Soukupova & Cech 2016); 0 is closed, surprise raises it."""
    return measures.eye_opening(face.landmarks)

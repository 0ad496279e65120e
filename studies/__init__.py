"""The experiments of Image2StyleGAN and its neighbours, run again on any generator and any photographs."""

from typing import NamedTuple

from wplus.core.extras import need

need("matplotlib", "jinja2")


class Entry(NamedTuple):
    """A study's name, which is that of its module, and its question in one line."""

    name: str
    question: str


STUDIES = (
    Entry("classes", "Which classes of pictures can be embedded, and how well?"),
    Entry("start", "Is it better to start from the mean code or at random?"),
    Entry("robustness", "What do translation, zoom and rotation do to an embedding?"),
    Entry("defects", "Are erased parts of a face filled in?"),
    Entry("spaces", "Z, W or W+, and does it need the trained weights?"),
    Entry("objective", "Which terms of the loss matter?"),
    Entry("iterations", "When does the descent stop getting better?"),
    Entry("reembed", "What is left of a picture after seven embeddings?"),
    Entry("morphing", "Are the pictures between two embeddings still pictures of something?"),
    Entry("crossover", "Which layers carry what of a picture?"),
    Entry("expression", "Can an expression be moved from one face to another?"),
    Entry("interpolation", "Are paths between embeddings as smooth as between sampled codes?"),
    Entry("structure", "What is the shape of W, and what does each of its rows change?"),
)

__all__ = ["STUDIES", "Entry"]

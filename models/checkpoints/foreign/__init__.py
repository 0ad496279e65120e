"""Other programs' files as plain data, without running anything in them."""

from wplus.models.checkpoints.foreign.tree import Thing, Tree, read_tree

__all__ = ["Thing", "Tree", "read_tree"]

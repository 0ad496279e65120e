"""Labels of training faces: numbers by measure and by the face's file, from tables of several forms.

| form | holds |
|------|-------|
| .npz | `path` (n,), `names` (m,), `labels` (n, m) |
| .csv | a first column of files, and columns of numbers under their names |
| .txt | CelebA's list_attr_celeba.txt: a count, the names, then a file and -1 or 1 for each name in every line |
"""

import csv
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wplus.core.errors import TrainingError

Labels = dict[str, dict[str, float]]
"""Measure -> file -> number."""


def read_labels(paths: list[Path]) -> Labels:
    """All tables as one; a folder stands for the tables in it.

    Raises:
        TrainingError: no such file, another form, or a damaged table.
    """
    found: Labels = {}
    for path in _tables(paths):
        try:
            table = _READERS[path.suffix.lower()](path)
        except (OSError, KeyError, ValueError, IndexError, csv.Error) as error:
            raise TrainingError(f"{path}: not a table of labels: {' '.join(str(error).split())[:200]}") from error
        for name, numbers in table.items():
            found.setdefault(name, {}).update(numbers)
    return found


def values_of(labels: Mapping[str, Mapping[str, float]], files: list[str]) -> dict[str, np.ndarray]:
    """Measure -> one number a file, NaN where it is not known; measures that are known of no file are left out."""
    found = {name: np.array([table.get(file, math.nan) for file in files]) for name, table in labels.items()}
    return {name: numbers for name, numbers in found.items() if np.isfinite(numbers).any()}


def _tables(paths: list[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(item for item in path.iterdir() if item.suffix.lower() in (".npz", ".csv"))
        elif path.suffix.lower() in _READERS and path.is_file():
            found.append(path)
        else:
            raise TrainingError(f"{path}: no table of labels; expected a file that ends in {', '.join(_READERS)}")
    return found


def _npz(path: Path) -> Labels:
    with np.load(path, allow_pickle=False) as table:
        files, names, labels = (table[key] for key in ("path", "names", "labels"))
    if labels.shape != (len(files), len(names)):
        raise ValueError(f"labels of shape {labels.shape} for {len(files)} files and {len(names)} names")
    columns = labels.astype(np.float64).T
    return {
        str(name): dict(zip(map(str, files), column.tolist(), strict=True))
        for name, column in zip(names, columns, strict=True)
    }


def _csv(path: Path) -> Labels:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    found: Labels = {name: {} for name in rows[0][1:]}
    for row in rows[1:]:
        for name, text in zip(rows[0][1:], row[1:], strict=True):
            try:
                found[name][row[0]] = float(text)
            except ValueError:
                continue  # a column of words, or an empty place
    return {name: table for name, table in found.items() if table}


def _celeba(path: Path) -> Labels:
    lines = path.read_text(encoding="utf-8").splitlines()
    names = lines[1].split()
    rows = [line.split() for line in lines[2:] if line.strip()]
    return {name: {row[0]: float(float(row[1 + index]) > 0) for row in rows} for index, name in enumerate(names)}


_READERS = {".npz": _npz, ".csv": _csv, ".txt": _celeba}

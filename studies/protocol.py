"""What every study module offers."""

from typing import Protocol, runtime_checkable

from wplus.studies.bench import Bench
from wplus.studies.study import Conclusion, Data, Measured


@runtime_checkable
class Study(Protocol):
    """A study is a module: its docstring tells what is done, what the paper found, and how sure we are of that."""

    SOURCE: str
    """Which figure or table of which paper."""

    def measure(self, bench: Bench) -> Measured:
        """Do the work."""

    def conclude(self, data: Data) -> Conclusion:
        """Read the rows: a function of what stands in the CSV files, and of nothing else."""

"""Workers and scripts for Bellis, the blockwise task scheduler.

A worker takes blocks from a broker, one after the other, until there are no more:

    import bellis

    def smooth(block: bellis.Block) -> None:
        data = source[block.read_roi.to_slices()]
        ...

    bellis.work(smooth)

`Client` is the same with the loop in your hands; `Control` submits jobs and follows them.
"""

from bellis.block import Block, BlockStatus
from bellis.control import Control
from bellis.errors import BrokerError
from bellis.roi import Roi
from bellis.worker import Client, check, work

__version__ = "0.1.0"

__all__ = [
    "Block",
    "BlockStatus",
    "BrokerError",
    "Client",
    "Control",
    "Roi",
    "__version__",
    "check",
    "work",
]

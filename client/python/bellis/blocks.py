"""Fits ROIs to the grid of a task's blocks."""

from funlib.geometry import Roi


def expand_roi_to_grid(sub_roi: Roi, total_roi: Roi, read_roi: Roi, write_roi: Roi) -> Roi:
    """The smallest region of whole write ROIs that contains `sub_roi`.

    The grid is that of a task with these ROIs: it begins at `total_roi.begin` plus the context.
    """
    origin = total_roi.begin + (write_roi.begin - read_roi.begin)
    return (sub_roi - origin).snap_to_grid(write_roi.shape, mode="grow") + origin


def expand_request_roi_to_grid(req_roi: Roi, total_roi: Roi, read_roi: Roi, write_roi: Roi) -> Roi:
    """The region that the blocks read that write `expand_roi_to_grid(req_roi, ...)`."""
    written = expand_roi_to_grid(req_roi, total_roi, read_roi, write_roi)
    return written.grow(write_roi.begin - read_roi.begin, read_roi.end - write_roi.end)


def expand_write_roi_to_grid(roi: Roi, write_roi: Roi) -> Roi:
    """The smallest region of multiples of `write_roi.shape` that contains `roi`."""
    return roi.snap_to_grid(write_roi.shape, mode="grow")

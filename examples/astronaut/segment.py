"""A Bellis worker: finds the blue objects in the blocks of the task "segment".

Neighbours agree on the labels because a block reads what earlier blocks wrote. The task has context
and read_write_conflict, so that blocks that read each other's output run in a fixed order, never at
the same time. This gives an object one label across a border between two blocks. But the
parts of an object may have got different labels before the block between them runs. Then that block
takes one of the labels, and the parts keep theirs: such objects need a second pass.
"""

import bellis
import numpy as np
import skimage.color
import skimage.measure
import store

# More than the objects that fit into a block's read ROI, so that no two blocks use the same label.
LABELS_PER_BLOCK = 128 * 128


def blue_mask(image: store.Array) -> store.Array:
    """Whether each pixel of the image (3, row, column), RGB from 0 to 1, is blue.

    Blue means hue 200 to 300 degrees and saturation at least 30 of 255, of the colour in 8 bits.
    """
    rgb = (image.transpose(1, 2, 0) * 255).astype(np.uint8)
    hsv = skimage.color.rgb2hsv(rgb)
    hue = np.rint(hsv[..., 0] * 180)  # in OpenCV's units of 2 degrees
    saturation = np.rint(hsv[..., 1] * 255)
    mask: store.Array = (hue >= 100) & (hue <= 150) & (saturation >= 30)
    return mask


def overlapping_labels(labels: store.Array, others: store.Array) -> store.Array:
    """The pairs (label, other) that occur at the same pixel, without the background, sorted."""
    both = (labels != 0) & (others != 0)
    pairs: store.Array = np.unique(np.stack([labels[both], others[both]], axis=1), axis=0)
    return pairs


def segment(image: store.Array, existing: store.Array, block_number: int) -> store.Array:
    """Labels the blue objects of `image`, with 0 for the background.

    An object that overlaps a label of `existing` takes that label (the lowest, if it overlaps
    several). Any other object gets a label of its own, unique to `block_number`.
    """
    mask = blue_mask(image)
    labels: store.Array = skimage.measure.label(mask).astype(np.int64)
    labels[mask] += block_number * LABELS_PER_BLOCK
    for label, existing_label in overlapping_labels(labels, existing.astype(np.int64)):
        labels[labels == label] = existing_label
    return labels.astype(np.uint32)


def segment_block(block: bellis.Block) -> None:
    """Segments one block of the array `smoothed` into the array `labels`."""
    labels = store.open_array("labels", "r+")
    found = segment(
        image=store.read(store.open_array("smoothed"), block.read_roi),
        existing=store.read(labels, block.read_roi),
        block_number=block.block_id[1],
    )
    store.write(labels, block.write_roi, store.crop(found, block.read_roi, block.write_roi))


if __name__ == "__main__":
    bellis.work(segment_block)  # does the same as the loop in smooth.py's main

"""A Bellis worker: finds the blue objects in the blocks of the task "segment".

Neighbours agree on the labels because a block reads what those before it wrote: the task has
context and read_write_conflict, so that blocks that see each other never run at the same time, and
run in a fixed order. This joins an object across a border that two blocks share. An object whose
parts got different labels before the block that joins them came keeps them (the block takes one):
for such objects, a second pass is needed.
"""

import bellis
import numpy as np
import skimage.color
import skimage.measure
import store

# More than the objects that fit into a block's read ROI, so that no two blocks use the same label.
LABELS_PER_BLOCK = 128 * 128


def blue_mask(image: store.Array) -> store.Array:
    """Where the image (3, row, column), RGB from 0 to 1, is blue: a bool each pixel.

    Hue 200 to 300 degrees, saturation at least 30 of 255, of the colour in 8 bits.
    """
    rgb = (image.transpose(1, 2, 0) * 255).astype(np.uint8)
    hsv = skimage.color.rgb2hsv(rgb)
    hue = np.rint(hsv[..., 0] * 180)  # in OpenCV's units of 2 degrees
    saturation = np.rint(hsv[..., 1] * 255)
    mask: store.Array = (hue >= 100) & (hue <= 150) & (saturation >= 30)
    return mask


def overlapping_labels(labels: store.Array, others: store.Array) -> store.Array:
    """The pairs (label, other) that occur at the same pixel, background left out; in order."""
    both = (labels != 0) & (others != 0)
    pairs: store.Array = np.unique(np.stack([labels[both], others[both]], axis=1), axis=0)
    return pairs


def segment(image: store.Array, existing: store.Array, block_number: int) -> store.Array:
    """Labels the blue objects of `image`, with 0 for the background.

    An object that meets a label of `existing` takes it (the lowest, if it meets several); any
    other gets a label of its own, unique to `block_number`.
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
    bellis.work(segment_block)  # the loop of smooth.py's main, in a call

# %% [markdown]
# # Bellis from Python, step by step
#
# Big volumes are processed block by block. You write a function that handles one block. Bellis cuts
# the volume into blocks, runs the function on each in as many processes as you say, keeps apart
# blocks that would get in each other's way, retries failed blocks, and reports what happened.
#
# The calls are those of daisy 1.2. Set `TUTORIAL_MODULE=daisy` in the environment, and this very
# file runs on daisy: nothing but the import differs.

# %%
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import timeit
from functools import partial
from pathlib import Path

import dask.array
import matplotlib.pyplot as plt
import numpy as np
import skimage.color
import skimage.data
import skimage.measure
import zarr
from funlib.persistence import Array, open_ds, prepare_ds
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle
from skimage.filters import gaussian

if os.environ.get("TUTORIAL_MODULE") == "daisy":
    import daisy
else:
    import bellis as daisy

# Functions that are defined here, in the script or the notebook, reach the workers by fork.
multiprocessing.set_start_method("fork", force=True)

# The tutorial writes to the working directory. Each run of it starts from an empty store.
STORE = Path("sample_data.zarr")
FIGURES = Path("figures")
shutil.rmtree(STORE, ignore_errors=True)
FIGURES.mkdir(exist_ok=True)


def keep_figure(figure, name):
    """Saves a figure as a file; a notebook shows it too."""
    figure.savefig(FIGURES / f"{name}.png")
    if "ipykernel" in sys.modules:
        import IPython.display

        IPython.display.display(figure)
    plt.close(figure)


# %% [markdown]
# # Part 1: tasks
#
# ## A first task
#
# A task has a name, a region to process (`total_roi`), what one block reads and writes, and a
# function. Here a line of 100 pixels is cut into 100 blocks, and the function only takes its time.

# %%
Coordinate = daisy.Coordinate
Roi = daisy.Roi

nap_task = daisy.Task(
    "Nap",
    total_roi=Roi((0,), (100,)),
    read_roi=Roi((0,), (1,)),
    write_roi=Roi((0,), (1,)),
    process_function=lambda block: time.sleep(0.05),
    num_workers=5,
)

# %% [markdown]
# With `multiprocessing=False` the blocks run one after the other in this process: about 5 seconds.
# Use this mode with a debugger. By default, 5 processes share the blocks: about 1 second.

# %%
begin = time.perf_counter()
nap_serial = daisy.run_blockwise([nap_task], multiprocessing=False)
nap_serial_s = time.perf_counter() - begin

begin = time.perf_counter()
nap_parallel = daisy.run_blockwise([nap_task], multiprocessing=True)
nap_parallel_s = time.perf_counter() - begin

print(f"one process: {nap_serial_s:.1f} s, five processes: {nap_parallel_s:.1f} s")

# %% [markdown]
# `run_blockwise` returns, for each task, how many of its blocks were completed, failed, and so on.

# %%
print(nap_serial["Nap"])

# %% [markdown]
# ## Blocks that fail
#
# A block fails when the function raises an exception, or when it sets the block's status to failed.
# Failed blocks are tried again up to `max_retries` times. Without retries, if each block fails with
# a chance of 1 in 5, about 20 of 100 blocks fail.

# %%
dice = random.Random(1)


def fail_sometimes(block):
    if dice.random() < 0.2:
        block.status = daisy.BlockStatus.FAILED
    return block


failing_task = daisy.Task(
    "Failures",
    total_roi=Roi((0,), (100,)),
    read_roi=Roi((0,), (1,)),
    write_roi=Roi((0,), (1,)),
    process_function=fail_sometimes,
    max_retries=0,
)
failures = daisy.run_blockwise([failing_task], multiprocessing=False)
print(failures["Failures"].failed_count, "blocks failed")

# %% [markdown]
# To run only the missing blocks, tell Bellis which blocks are done: `check_function` is called with
# each block before it is handed out. If it returns true, the block is skipped. Here every finished
# block leaves a file behind, and we run the task until no block fails.

# %%
dice = random.Random(68)
rounds = []
with tempfile.TemporaryDirectory() as done_dir:

    def done_marker(block):
        return Path(done_dir, str(block.block_id[1]))

    def fail_or_mark(block):
        if dice.random() < 0.2:
            block.status = daisy.BlockStatus.FAILED
        else:
            done_marker(block).touch()

    def is_marked(block):
        return done_marker(block).exists()

    while not rounds or rounds[-1]["Checked"].failed_count > 0:
        checked_task = daisy.Task(
            "Checked",
            total_roi=Roi((0,), (100,)),
            read_roi=Roi((0,), (1,)),
            write_roi=Roi((0,), (1,)),
            process_function=fail_or_mark,
            check_function=is_marked,
            max_retries=0,
        )
        rounds.append(daisy.run_blockwise([checked_task], multiprocessing=False))

for number, states in enumerate(rounds, start=1):
    state = states["Checked"]
    print(
        f"round {number}: {state.skipped_count} skipped, "
        f"{state.completed_count - state.skipped_count} newly done, {state.failed_count} failed"
    )

# %% [markdown]
# ## Blocks that do not fit
#
# A block of 5 pixels that reads 2 more on either side leaves [2, 98) of a line of 100 to write:
# 96 pixels, 19 blocks and a rest of 1. `fit` says what to do with the rest:
#
# - "valid" leaves it out: 19 blocks;
# - "overhang" adds a whole block, which reads and writes beyond the end: 20 blocks;
# - "shrink" adds a block that is cut to what is left: 20 blocks as well.

# %%
fits = {}
for fit in ("overhang", "valid", "shrink"):
    fit_task = daisy.Task(
        fit,
        total_roi=Roi((0,), (100,)),
        read_roi=Roi((0,), (9,)),
        write_roi=Roi((2,), (5,)),
        process_function=lambda block: None,
        fit=fit,
    )
    fits.update(daisy.run_blockwise([fit_task], multiprocessing=False))

print({fit: state.total_block_count for fit, state in fits.items()})

# %% [markdown]
# ## One task after another
#
# A task may name other tasks that it needs. Each of its blocks waits only for the blocks of the
# other task that overlap its read Roi, so both tasks run at the same time.

# %%
plane = Roi((0, 0), (1250, 1250))
margin = Coordinate(75, 75)
plane_with_margin = plane.grow(margin, margin)

a_to_b = daisy.Task(
    "A_to_B",
    total_roi=plane_with_margin,
    read_roi=Roi((0, 0), (400, 400)),
    write_roi=Roi(margin, (250, 250)),
    process_function=lambda block: None,
    read_write_conflict=False,
)
b_to_c = daisy.Task(
    "B_to_C",
    total_roi=plane_with_margin,
    read_roi=Roi((0, 0), (400, 400)),
    write_roi=Roi(margin, (250, 250)),
    process_function=lambda block: None,
    read_write_conflict=False,
    upstream_tasks=[a_to_b],
)
chain = daisy.run_blockwise([a_to_b, b_to_c], multiprocessing=False)

# %% [markdown]
# # Part 2: an image
#
# ## Coordinates, regions, arrays, blocks
#
# We work on a photograph of the astronaut Eileen Collins. Rows count from the bottom here.

# %%
photo = np.flip(skimage.data.astronaut(), axis=0)


def draw_image(axes, channels_first):
    axes.imshow(np.moveaxis(channels_first, 0, -1), origin="lower")


def draw_roi(axes, roi, color):
    (row, column), (height, width) = roi.offset, roi.shape
    axes.add_patch(Rectangle((column, row), width, height, alpha=0.4, color=color))


# %% [markdown]
# A `Coordinate` is a tuple whose arithmetic goes element by element. It holds no data: it points
# to a place, or says how far it is from one place to another.

# %%
near = Coordinate(10, 10)
far = Coordinate(452, 250)
step = far - near

figure, axes = plt.subplots()
axes.imshow(photo, origin="lower")
for (row, column), color in ((near, "white"), (far, "yellow"), (step, "orange")):
    axes.scatter(column, row, color=color, edgecolors="black")
keep_figure(figure, "coordinates")

# %% [markdown]
# A `Roi` is a box: an offset and a shape. It can be grown and shrunk, shifted, and intersected.

# %%
head = Roi(offset=(320, 150), shape=(180, 150))
nose = head.grow(Coordinate(-60, -55), Coordinate(-90, -55))  # negative: shrinks it
body = Roi(offset=near, shape=(330, 350))
neck = head.intersect(body)

figure, axes = plt.subplots()
axes.imshow(photo, origin="lower")
for roi, color in ((head, "purple"), (nose, "orange"), (body, "grey"), (neck, "blue")):
    draw_roi(axes, roi, color)
keep_figure(figure, "rois")

# %% [markdown]
# We read and write data with funlib.persistence, whose `Array` is indexed by a Roi. Channels are
# the first axis; the other axes are spatial.

# %%
image = np.moveaxis(photo, -1, 0)
total_roi = Roi((0, 0), image.shape[1:])
image_array = Array(image, offset=total_roi.offset, voxel_size=(1, 1))

head_pixels = image_array[head]
body_pixels = image_array.to_ndarray(body)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 5))
draw_image(left, head_pixels)
draw_image(right, body_pixels)
keep_figure(figure, "arrays")

# %% [markdown]
# A worker gets a `Block`: where to read, where to write, a number, and a status. You never make a
# block yourself, except to try a function out, as we shall do below.

# %%
block_shape = Coordinate(64, 64)
block = daisy.Block(
    total_roi=total_roi,
    read_roi=Roi((128, 128), block_shape),
    write_roi=Roi((128, 128), block_shape),
)
print(block.block_id, block.read_roi, block.write_roi, block.status)

figure, axes = plt.subplots()
axes.imshow(photo, origin="lower")
draw_roi(axes, block.write_roi, "white")
keep_figure(figure, "block")

# %% [markdown]
# ## Smoothing
#
# The scheduler never touches data: workers read their input from disk and write their output
# there. So the output must exist before the run, and no two blocks may write into the same file.
# Zarr keeps one file for each chunk, so chunks that are as large as the blocks are safe.

# %%
raw = image.astype(np.float32) / 255
root = zarr.open(str(STORE), "w")
root["raw"] = raw
root["raw"].attrs["offset"] = (0, 0)
root["raw"].attrs["resolution"] = (1, 1)


def prepare_picture(name):
    """An empty picture in the store: all black, in chunks as large as the blocks."""
    if name in root:
        del root[name]
    prepare_ds(
        f"{STORE}/{name}",
        shape=(3, *total_roi.shape),
        offset=total_roi.offset,
        voxel_size=Coordinate(1, 1),
        dtype=np.float32,
        chunk_shape=(3, *block_shape),
    )


def show_picture(name):
    figure, axes = plt.subplots()
    draw_image(axes, root[name][:])
    keep_figure(figure, name)


prepare_picture("smoothed")
print(root["smoothed"].shape, "in chunks of", root["smoothed"].chunks)

# %% [markdown]
# The function reads, computes, and writes. We try it on the one block that we have.

# %%
SIGMA = 5.0


def smooth(block):
    pixels = open_ds(f"{STORE}/raw").to_ndarray(block.read_roi)
    smoothed = open_ds(f"{STORE}/smoothed", "a")
    smoothed[block.write_roi] = gaussian(pixels, sigma=SIGMA, channel_axis=0)


smooth(block)
one_block = root["smoothed"][:]

# %% [markdown]
# Now we run it on all of the picture, with 5 workers. The offsets of a task's block do not matter,
# only the shapes of the two Rois and how they lie to each other: the pair moves over `total_roi`.

# %%
smoothing = daisy.run_blockwise(
    [
        daisy.Task(
            "Smoothing",
            process_function=smooth,
            total_roi=total_roi,
            read_roi=block.read_roi,
            write_roi=block.write_roi,
            num_workers=5,
        )
    ]
)
show_picture("smoothed")

# %% [markdown]
# ## Context
#
# The blocks can be seen: each was smoothed as if the world ended at its border. A block that reads
# 2 sigma more on every side sees nearly all pixels that count. `total_roi` is all that may be read.
# It grows by the same 2 sigma, so that the same pixels are written.

# %%
context = round(2 * SIGMA)
write_roi = block.write_roi
read_roi = write_roi.grow(context, context)
total_read_roi = total_roi.grow(context, context)

figure, axes = plt.subplots()
axes.imshow(photo, origin="lower")
draw_roi(axes, read_roi, "purple")
draw_roi(axes, write_roi, "white")
keep_figure(figure, "context")

# %% [markdown]
# The function now also reads beyond the edge of the picture, where it gets `fill_value`, and writes
# only the inner part of its result. It takes the name of its output as well: `functools.partial`
# turns it into a function of the block alone, if the block is the last argument.


# %%
def smooth_into(output, block):
    pixels = open_ds(f"{STORE}/raw").to_ndarray(block.read_roi, fill_value=0)
    smoothed = Array(
        gaussian(pixels, sigma=SIGMA, channel_axis=0),
        offset=block.read_roi.offset,
        voxel_size=(1, 1),
    )
    open_ds(f"{STORE}/{output}", "a")[block.write_roi] = smoothed.to_ndarray(block.write_roi)


prepare_picture("smoothed_with_context")
smoothing_with_context = daisy.run_blockwise(
    [
        daisy.Task(
            "Smoothing with context",
            process_function=partial(smooth_into, "smoothed_with_context"),
            total_roi=total_read_roi,
            read_roi=read_roi,
            write_roi=write_roi,
            num_workers=5,
        )
    ],
    multiprocessing=False,
)
show_picture("smoothed_with_context")

# %% [markdown]
# There are no seams. The picture fades to black at its edge, because there is black beyond it.
#
# For a case as simple as this, dask does the same in a few lines. Bellis is for the cases that
# follow: blocks that must not run together, that see what their neighbours wrote, or that run on
# many machines; work that goes on where it stopped; workers that take long to set up.

# %%
with_dask = dask.array.map_overlap(
    partial(gaussian, sigma=SIGMA, channel_axis=0),
    dask.array.from_array(raw, chunks=(3, 64, 64)),
    depth=(0, context, context),
    boundary=0,
    dtype=np.float32,
).compute()
print("largest difference:", float(abs(with_dask - root["smoothed_with_context"][:]).max()))

# %% [markdown]
# ## Workers of your own
#
# A function without arguments is not called for a block. It is called once for each worker: it
# starts the worker, here or on a cluster, and returns when the worker has ended. The worker makes a
# `Client`, which finds the scheduler by environment variables, and asks for blocks in a loop, one
# after another. This pays when the set-up is expensive, such as loading a network's weights.
#
# `tutorial_worker.py` is such a worker, with a set-up that sleeps; `tutorial_config.json` holds its
# settings.

# %%
print(Path("tutorial_worker.py").read_text())
print(json.loads(Path("tutorial_config.json").read_text()))

# %%
prepare_picture("smoothed_subprocess")


def start_worker(where):
    command = [sys.executable, "tutorial_worker.py", "tutorial_config.json"]
    if where == "cluster":
        command = ["bsub", "-I", "-n", "1", *command]
    subprocess.run(command, check=True)


subprocess_smoothing = daisy.run_blockwise(
    [
        daisy.Task(
            "smoothing_subprocess",
            process_function=partial(start_worker, where="here"),
            total_roi=total_read_roi,
            read_roi=read_roi,
            write_roi=write_roi,
            num_workers=2,
        )
    ]
)
show_picture("smoothed_subprocess")

# %% [markdown]
# ## What goes wrong, and goes on
#
# Machines are busy, disks are full, jobs are killed. Here a coin is tossed at each attempt, and
# the block fails on tails. (The coin falls the same way in every run of this tutorial: each attempt
# leaves a mark, and the seed is made of the block's number and the number of the attempt.)

# %%
attempts_dir = tempfile.mkdtemp()


def toss(number, attempt):
    return "heads" if random.Random(f"{number}, {attempt}").random() < 0.5 else "tails"


def smooth_with_luck(block):
    number = block.block_id[1]
    with open(Path(attempts_dir, str(number)), "a") as marks:
        marks.write("I")
        attempt = marks.tell()
    if toss(number, attempt) == "tails":
        raise ValueError("bad luck")
    smooth_into("fault_tolerance", block)


# %% [markdown]
# About 7 of 8 blocks make it, not half of them: a block has two more attempts by default. The
# summary names the exceptions and the log files of the workers, which hold the tracebacks.

# %%
prepare_picture("fault_tolerance")
with_retries = daisy.run_blockwise(
    [
        daisy.Task(
            "fault tolerance test",
            process_function=smooth_with_luck,
            total_roi=total_read_roi,
            read_roi=read_roi,
            write_roi=write_roi,
            read_write_conflict=False,
            num_workers=5,
        )
    ]
)
written_with_retries = root["fault_tolerance"][:]

# %% [markdown]
# With `max_retries=0`, half of the blocks fail. Workers that fail again and again are replaced, in
# case the fault lies with the worker.

# %%
prepare_picture("fault_tolerance")
without_retries = daisy.run_blockwise(
    [
        daisy.Task(
            "fault tolerance test",
            process_function=smooth_with_luck,
            total_roi=total_read_roi,
            read_roi=read_roi,
            write_roi=write_roi,
            read_write_conflict=False,
            max_retries=0,
            num_workers=5,
        )
    ]
)
written_without_retries = root["fault_tolerance"][:]
show_picture("fault_tolerance")

# %% [markdown]
# The next run goes on where that one ended: a check function looks whether there is anything but
# black where a block writes. (For that it has to read the output. In a long job, write down which
# blocks are done instead, as in part 1, and look there.)


# %%
def is_written(output, block):
    return bool(open_ds(f"{STORE}/{output}").to_ndarray(block.write_roi).max() > 0)


resumed = daisy.run_blockwise(
    [
        daisy.Task(
            "fault tolerance test",
            process_function=smooth_with_luck,
            check_function=partial(is_written, "fault_tolerance"),
            total_roi=total_read_roi,
            read_roi=read_roi,
            write_roi=write_roi,
            read_write_conflict=False,
            max_retries=1,
            num_workers=5,
        )
    ]
)
written_resumed = root["fault_tolerance"][:]
show_picture("fault_tolerance")
shutil.rmtree(attempts_dir)

# %% [markdown]
# ## Blue objects
#
# Next we look for blue things in the smoothed picture, and give each a number. The second task has
# larger blocks than the first, and needs no context: whether a pixel is blue shows in the pixel.

# %%
LABELS_PER_BLOCK = 128 * 128  # no block has more objects than pixels


def blue(rgb):
    """Where a picture is blue; channels come first, values are from 0 to 1."""
    hue, saturation, _ = skimage.color.rgb2hsv(rgb, channel_axis=0)
    return (hue > 0.55) & (hue < 0.84) & (saturation > 0.12)


def label_objects(rgb, block):
    """Numbers the blue objects, with numbers that no other block uses; 0 is the background."""
    labels = skimage.measure.label(blue(rgb)).astype(np.uint32)
    labels[labels > 0] += block.block_id[1] * LABELS_PER_BLOCK
    return labels


def segment(pictures, output, block):
    rgb = open_ds(f"{STORE}/{pictures}").to_ndarray(block.read_roi)
    open_ds(f"{STORE}/{output}", "a")[block.write_roi] = label_objects(rgb, block)


def prepare_labels(name):
    if name in root:
        del root[name]
    prepare_ds(
        f"{STORE}/{name}",
        shape=total_roi.shape,
        offset=total_roi.offset,
        voxel_size=Coordinate(1, 1),
        dtype=np.uint32,
        chunk_shape=segment_roi.shape,
    )


segment_roi = Roi((0, 0), (128, 128))
prepare_picture("smoothed_for_seg")
prepare_labels("blue_objects")

smoothing_task = daisy.Task(
    "smooth_for_seg",
    process_function=partial(smooth_into, "smoothed_for_seg"),
    check_function=partial(is_written, "smoothed_for_seg"),
    total_roi=total_read_roi,
    read_roi=read_roi,
    write_roi=write_roi,
    num_workers=3,
    read_write_conflict=False,
)
segmentation_task = daisy.Task(
    "segmentation",
    process_function=partial(segment, "smoothed_for_seg", "blue_objects"),
    total_roi=total_roi,
    read_roi=segment_roi,
    write_roi=segment_roi,
    read_write_conflict=False,
    num_workers=5,
    upstream_tasks=[smoothing_task],
)
segmentation = daisy.run_blockwise([smoothing_task, segmentation_task])

# %%
label_colors = ListedColormap(
    ["black", *np.random.default_rng(3).uniform(0.3, 1, (4096, 3))], name="labels"
)


def draw_labels(axes, labels):
    _, ranks = np.unique(labels, return_inverse=True)  # 0, which is there, comes first
    axes.imshow(
        ranks.reshape(labels.shape),
        origin="lower",
        cmap=label_colors,
        vmin=0,
        vmax=label_colors.N - 1,
        interpolation="nearest",
    )


def show_labels(name, labels, *rois):
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 5))
    draw_image(left, root["smoothed_for_seg"][:])
    draw_labels(right, labels)
    for axes in (left, right):
        for roi, color in rois:
            draw_roi(axes, roi, color)
    keep_figure(figure, name)


show_labels("blue_objects", root["blue_objects"][:])

# %% [markdown]
# ## Blocks that read what their neighbours wrote
#
# An object that crosses a border between blocks has two numbers now. Suppose that all blocks except
# one were done. That block could read a little of what its neighbours wrote (purple), and see
# which of its objects already have a number.

# %%
one_missing = root["blue_objects"][:]
one_missing[128:256, 128:256] = 0
missing_block = daisy.Block(
    total_roi=total_roi.grow(context, context),
    read_roi=Roi((128, 128), (128, 128)).grow(context, context),
    write_roi=Roi((128, 128), (128, 128)),
)
show_labels(
    "one_missing",
    one_missing,
    (missing_block.read_roi, "purple"),
    (missing_block.write_roi, "white"),
)

# %% [markdown]
# This is right only if no neighbour runs at the same time. `read_write_conflict=True` (the default)
# makes sure of that: two blocks never run together if one reads where the other writes. It costs
# parallelism, so turn it off where it is not needed.
#
# The function below takes a nap before it writes. Try it without the conflict: numbers change at
# borders again.


# %%
def pairs_at_same_pixel(labels, others):
    """The pairs (label, other) that occur at the same pixel, background left out."""
    both = (labels > 0) & (others > 0)
    return np.unique(np.stack([labels[both], others[both]], axis=1), axis=0)


def segment_with_neighbors(pictures, output, block):
    output_array = open_ds(f"{STORE}/{output}", "a")
    rgb = open_ds(f"{STORE}/{pictures}").to_ndarray(block.read_roi, fill_value=0)
    labels = label_objects(rgb, block)
    written_before = output_array.to_ndarray(block.read_roi, fill_value=0)
    for label, known in pairs_at_same_pixel(labels, written_before):
        labels[labels == label] = known
    time.sleep(0.2)
    found = Array(labels, offset=block.read_roi.offset, voxel_size=(1, 1))
    output_array[block.write_roi] = found.to_ndarray(block.write_roi)


prepare_labels("blue_objects_with_context")
segmentation_with_context = daisy.run_blockwise(
    [
        daisy.Task(
            "segmentation_with_context",
            process_function=partial(
                segment_with_neighbors, "smoothed_for_seg", "blue_objects_with_context"
            ),
            total_roi=total_read_roi,
            read_roi=segment_roi.grow(context, context),
            write_roi=segment_roi,
            read_write_conflict=True,
            num_workers=10,
            upstream_tasks=[smoothing_task],
        )
    ]
)
show_labels("blue_objects_with_context", root["blue_objects_with_context"][:])

# %% [markdown]
# The smoothing task ran, too, though it is not in the list, since this task needs it. All of its 64
# blocks were skipped: they are already written. Nearly every object has one number now. But a block
# may find an object under two numbers, if the object winds through many blocks. The block uses one
# of them, but its neighbours keep theirs: joining these takes a second pass.
#
# # Part 3: map, reduce, and how long it takes
#
# We square many numbers, one by one, without and with Bellis. Two cores halve the time at best.

# %%
ELEMENTS = 4096000
numbers = np.arange(ELEMENTS, dtype=np.int64)


def square_each(values):
    with np.nditer([values, None]) as pairs:
        for value, square in pairs:
            square[...] = value * value
        return pairs.operands[1]


plain_s = timeit.timeit(lambda: square_each(numbers), number=1)
print(f"plain loop: {plain_s:.1f} s")

# %%
squares = Array(
    zarr.open_array(zarr.TempStore(), "w", (ELEMENTS,), chunks=(ELEMENTS // 250,), dtype=np.int64),
    offset=(0,),
    voxel_size=(1,),
)
inputs = Array(numbers, offset=(0,), voxel_size=(1,))


def square_block(block):
    squares[block.write_roi] = square_each(inputs[block.read_roi])


line = Roi((0,), ELEMENTS)
part = Roi((0,), (ELEMENTS // 250,))
square_task = daisy.Task(
    task_id="square",
    total_roi=line,
    read_roi=part,
    write_roi=part,
    process_function=square_block,
    num_workers=8,
)

begin = time.perf_counter()
squaring = daisy.run_blockwise([square_task])
square_s = time.perf_counter() - begin
print(f"in blocks: {square_s:.1f} s; {squares[:6]} ...")

# %% [markdown]
# To add up the squares, we use 16 blocks, and a place for each block's sum in memory that all
# processes share. Workers see everything that was made before the run, shared memory included.

# %%
sums = multiprocessing.Array("Q", 16)
sixteenth = Roi((0,), ELEMENTS / 16)


def sum_block(block):
    (index,) = block.write_roi.offset / block.write_roi.shape
    sums[index] = int(np.sum(squares[block.read_roi]))


sum_task = daisy.Task(
    task_id="sum_reduce",
    total_roi=line,
    read_roi=sixteenth,
    write_roi=sixteenth,
    process_function=sum_block,
    num_workers=8,
)
summing = daisy.run_blockwise([sum_task])
print(sums[:])

"""The name that daisy has for bellis.grid."""

from bellis.grid import expand_roi_to_grid as expand_roi_to_grid
from bellis.grid import expand_write_roi_to_grid as expand_write_roi_to_grid

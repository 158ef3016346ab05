"""The public name of what an access file says: where a broker is, and the keys for it."""

from bellis._wire.access import Access as Access
from bellis._wire.access import read_file as read_file

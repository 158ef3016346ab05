"""The public name of Access, the contents of an access file: a broker's endpoint and keys."""

from bellis._wire.access import Access as Access
from bellis._wire.access import read_file as read_file

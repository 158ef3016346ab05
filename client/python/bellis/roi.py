"""The name that daisy has for the home of Roi."""

from funlib.geometry import Roi as Roi

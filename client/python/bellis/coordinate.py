"""The name that daisy has for the home of Coordinate."""

from funlib.geometry import Coordinate as Coordinate

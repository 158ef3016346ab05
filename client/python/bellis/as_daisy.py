"""This package under daisy's name, as PyMySQL stands in for MySQLdb."""

import importlib
import sys


def install_as_daisy() -> None:
    """From now on `import daisy` and `from daisy.block import ...` give Bellis, in this process.

    To be called before anything imports daisy; worker scripts call it, too. ImportError when daisy
    itself is there already.
    """
    package = importlib.import_module("bellis")
    there = sys.modules.get("daisy")
    if there is not None and there is not package:
        raise ImportError(
            f"daisy is imported already (from {getattr(there, '__file__', '?')}): call "
            "bellis.install_as_daisy() before anything imports it"
        )
    for name in package._MODULES:
        module = importlib.import_module(f"bellis.{name}")
        sys.modules[f"daisy.{name}"] = module
    sys.modules["daisy"] = package

"""Makes this package importable as daisy, as PyMySQL can be imported as MySQLdb."""

import importlib
import sys


def install_as_daisy() -> None:
    """From now on `import daisy` and `from daisy.block import ...` give Bellis, in this process.

    Call it before anything imports daisy, in worker scripts, too. Raises ImportError if daisy
    itself is imported already.
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

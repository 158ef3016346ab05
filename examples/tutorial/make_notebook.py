"""Makes tutorial.ipynb from tutorial.py, whose cells begin with "# %%" or "# %% [markdown]".

python make_notebook.py [SCRIPT.py [NOTEBOOK.ipynb]]
"""

import sys
from pathlib import Path

import nbformat

MARK = "# %%"
MARKDOWN = "# %% [markdown]"


def cells(script: str) -> list[nbformat.NotebookNode]:
    """The script's cells. Text before the first mark, if any, belongs to no cell."""
    found = []
    for part in ("\n" + script).split("\n" + MARK)[1:]:
        heading, _, body = (MARK + part).partition("\n")
        if heading == MARKDOWN:
            lines = (line.removeprefix("#").removeprefix(" ") for line in body.strip().split("\n"))
            found.append(nbformat.v4.new_markdown_cell("\n".join(lines)))
        elif heading == MARK:
            found.append(nbformat.v4.new_code_cell(body.strip()))
        else:
            raise ValueError(f"a cell begins with {heading!r}; expected {MARK!r} or {MARKDOWN!r}")
    return found


def notebook(script: str) -> str:
    """The text of the notebook file; the same script always gives the same text."""
    made = nbformat.v4.new_notebook(cells=cells(script))
    made.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    made.metadata["language_info"] = {"name": "python"}
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"
    nbformat.validate(made)
    return nbformat.writes(made) + "\n"


def main() -> None:
    here = Path(__file__).parent
    script = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "tutorial.py"
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else script.with_suffix(".ipynb")
    target.write_text(notebook(script.read_text()))


if __name__ == "__main__":
    main()

"""Every page wraps, every link leads somewhere, and the sections that code cites exist."""

import re
from functools import cache
from pathlib import Path

import pytest

from .tree import ROOT, text_of, tracked

COLUMNS = 120
CODE = (".h", ".cc", ".py", ".pyi", ".txt", ".cmake", ".toml", ".yml", ".yaml", "Makefile")

# Code cites this page by its name alone, without ".md".
SEMANTICS = "SEMANTICS"


def pages() -> list[str]:
    return [name for name in tracked() if name.endswith(".md")]


def code() -> list[str]:
    return [name for name in tracked() if name.endswith(CODE) and "/transcripts/" not in name]


def prose_of(name: str) -> str:
    """The page without its fenced blocks and code spans, which may show anything."""
    unfenced = re.sub(r"^( *)```.*?^\1```", "", text_of(name), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", unfenced)


@cache
def headings(name: str) -> list[str]:
    unfenced = re.sub(r"^( *)```.*?^\1```", "", text_of(name), flags=re.DOTALL | re.MULTILINE)
    return [line.lstrip("#").strip() for line in unfenced.splitlines() if re.match(r"#+ ", line)]


def anchor(heading: str) -> str:
    """The anchor that GitHub makes: lower case, no punctuation, a hyphen for each blank."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


def plain(text: str) -> str:
    return re.sub(r"[`*]", "", text).lower().strip(" .,:")


@cache
def named_places(name: str) -> frozenset[str]:
    """The names of the page's sections: headings, and the bold opening words of rows and items."""
    bold = re.findall(r"^[|\-\d.\s]*\*\*(.+?)\*\*", text_of(name), re.MULTILINE)
    return frozenset(plain(place) for place in [*headings(name), *bold])


def cited_page(citing: str, written: str) -> "str | None":
    """The page that `written` means in the file `citing`: a path from the root or from that file,
    or the only page of that name."""
    here = (ROOT / citing).parent
    for path in (ROOT / written, here / written):
        if path.is_file():
            return str(path.resolve().relative_to(ROOT))
    same_name = [page for page in pages() if Path(page).name == written]
    return same_name[0] if len(same_name) == 1 else None


def joined_comments(text: str) -> str:
    """The text with its comment lines joined, so that a citation may be broken over two lines."""
    return re.sub(r"\n[ \t]*(?://+|#|\*)?[ \t]*", " ", text)


@pytest.mark.parametrize("name", pages())
def test_pages_wrap(name: str) -> None:
    too_long = [
        f"{name}:{number}: {len(line)} columns"
        for number, line in enumerate(text_of(name).splitlines(), 1)
        if len(line) > COLUMNS
    ]
    assert not too_long, "\n".join(too_long)


@pytest.mark.parametrize("name", pages())
def test_links_lead_somewhere(name: str) -> None:
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(name)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        if not page.exists():
            dead.append(f"{name}: {target}: no such file")
        elif fragment:
            anchors = [anchor(text) for text in headings(str(page.resolve().relative_to(ROOT)))]
            if fragment not in anchors:
                dead.append(f"{name}: {target}: no such heading")
    assert not dead, "\n".join(dead)


def citations(name: str) -> list[tuple[str, list[str]]]:
    """The pages that a file cites, each with the sections in quotes right after it."""
    found = []
    text = joined_comments(text_of(name))
    section = r"\"([^\"]{2,60})\""
    pattern = rf"\b((?:[\w./-]+/)?[A-Za-z_]+\.md|{SEMANTICS})\b((?:,? (?:and )?{section})*)"
    for match in re.finditer(pattern, text):
        found.append((match[1], re.findall(section, match[2])))
    return found


def test_what_code_cites_exists() -> None:
    missing = []
    cited = 0
    for name in code():
        if Path(name) == Path(__file__).relative_to(ROOT):
            continue
        for written, sections in citations(name):
            page = cited_page(name, f"{SEMANTICS}.md" if written == SEMANTICS else written)
            if page is None:
                missing.append(f"{name} cites {written}, which is not there")
                continue
            cited += 1
            for section in sections:
                if plain(section) not in named_places(page):
                    missing.append(f"{name} cites {written} {section!r}, no section of {page}")
    assert not missing, "\n".join(missing)
    assert cited > 50, "citations are found at all"


def test_external_workers_have_no_other_name() -> None:
    """docs/GLOSSARY.md: one word for one thing."""
    others = re.compile(r"\b(visitors?|outside workers?|foreign workers?)\b", re.IGNORECASE)
    found = [
        f"{name}: {match[0]}"
        for name in pages()
        if name not in ("CHANGELOG.md", "docs/DEPENDENCIES.md")  # history; msgpack's visitor
        for match in others.finditer(prose_of(name))
    ]
    assert not found, "\n".join(found)

"""The sources of the site, from the pages under docs/: links to code lead to pages of code, terms to the glossary."""

import os
import re
import shutil
from pathlib import Path

from docs.bookshelf.reference import ROOT, file_page, reference_pages, source_files

DOCS = ROOT / "docs"
PICTURES = {".png", ".svg", ".jpg"}
VERBS = {"gain", "mask", "cache", "value", "shape"}  # with an s, these may be something that somebody does
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#\s]*)(#[^)\s]*)?\)")
# Where no term is linked: code, mathematics, links, roles, headings, HTML, fences.
KEPT = re.compile(r"(`[^`]*`|\$[^$]+\$|!?\[[^\]]*\]\([^)]*\)|\{[a-z-]+\}`[^`]*`|<[^>]+>|\*\*[^*]+\*\*|https?://\S+)")


class SiteError(ValueError):
    """A page links to a file that is not there."""


class Site:
    """Pages written into `folder`; files of code that are linked to become pages, too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.linked: set[Path] = set(source_files())
        self.terms = glossary_terms((DOCS / "glossary.md").read_text(encoding="utf-8"))

    def write(self, notebooks: Path) -> None:
        """All pages. Raises SiteError for a dead link."""
        import nbformat  # the rest of this file can do without

        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "book").mkdir(parents=True)
        for name in ("index", "glossary", *self.existing_pages()):
            file = DOCS / f"{name}.md"
            text = file.read_text(encoding="utf-8")
            text = self.links(text, file)
            if name == "index":
                text = with_other_pages(text, self.existing_pages())
            self._page(f"{name}.md", text if name == "glossary" else self.with_terms(github_mathematics(text)))
        for file in sorted(notebooks.glob("*.ipynb")):
            book = nbformat.read(file, as_version=4)
            linked: set[str] = set()
            for cell in book.cells:
                if cell.cell_type == "markdown":
                    text = self.links(cell.source, file)
                    cell.source = self.with_terms(text, linked)
            nbformat.write(book, self.folder / "book" / file.name)
        for name, text in reference_pages().items():
            self._page(f"{name}.md", text)
        for file in sorted(self.linked):
            self._page(f"files/{file.relative_to(ROOT).as_posix()}.md", "---\norphan: true\n---\n\n" + file_page(file))

    def existing_pages(self) -> list[str]:
        """The pages beside the book."""
        return sorted({path.stem for path in DOCS.glob("*.md")} - {"index", "glossary"})

    def _page(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def links(self, text: str, page: Path) -> str:
        """Links as the site needs them: to pages, to pages of code, to pictures that come along."""
        here = self.folder / ("book" if page.suffix == ".ipynb" else page.relative_to(DOCS).parent)

        def rewritten(match: re.Match[str]) -> str:
            mark, words, target, anchor = match[1], match[2], match[3], match[4] or ""
            if not target or "://" in target or target.startswith("mailto:"):
                return match[0]
            file = Path(os.path.normpath(page.parent / target))
            if not file.exists() and file.with_suffix(".md").exists():
                file = file.with_suffix(".md")
            if not file.exists():
                raise SiteError(f"{page.relative_to(ROOT)} links to {target}, which is not there")
            if file.is_dir():
                return words
            if mark or file.suffix in PICTURES:
                place = self.folder / "pictures" / file.name
                place.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, place)
                return f"![{words}]({os.path.relpath(place, here)})"
            if file.suffix == ".ipynb":
                return f"[{words}]({file.name}{anchor})"
            if file == ROOT / "README.md":
                return f"[{words}]({os.path.relpath(self.folder / 'index.md', here)})"
            if file.is_relative_to(DOCS) and file.suffix == ".md":
                chapter = file.parent == DOCS / "book"
                place = self.folder / file.relative_to(DOCS).with_suffix(".ipynb" if chapter else ".md")
                return f"[{words}]({os.path.relpath(place, here)}{anchor})"
            self.linked.add(file)
            place = self.folder / "files" / f"{file.relative_to(ROOT).as_posix()}.md"
            return f"[{words}]({os.path.relpath(place, here)})"

        fences = re.split(r"(^```.*?^```|^~~~.*?^~~~)", text, flags=re.MULTILINE | re.DOTALL)
        return "".join(part if i % 2 else LINK.sub(rewritten, part) for i, part in enumerate(fences))

    def with_terms(self, text: str, linked: set[str] | None = None) -> str:
        """The text with the first use of each glossary term on the page linked to it."""
        linked = set() if linked is None else linked
        lines, fenced, display = [], False, False
        for line in text.split("\n"):
            fenced ^= line.lstrip().startswith("```")
            formula = display or "$$" in line
            display ^= line.count("$$") % 2 == 1
            plain = not fenced and not formula and not line.startswith(("#", "|", "```", ":", "    ", "<"))
            lines.append(self._linked_line(line, linked) if plain else line)
        return "\n".join(lines)

    def _linked_line(self, line: str, linked: set[str]) -> str:
        parts = KEPT.split(line)
        for i in range(0, len(parts), 2):
            for pattern, term in self.terms:
                if term in linked or not (match := pattern.search(parts[i])):
                    continue
                linked.add(term)
                before, after = parts[i][: match.start()], parts[i][match.end() :]
                # What was linked is out of reach for the other terms.
                parts[i : i + 1] = [before, f"{{term}}`{match[0]} <{term}>`", after]
                return (
                    "".join(parts[:i])
                    + before
                    + parts[i + 1]
                    + self._linked_line(after + "".join(parts[i + 3 :]), linked)
                )
        return "".join(parts)


def with_other_pages(index: str, pages: list[str]) -> str:
    """The index with pages that it does not name yet, behind those for users, so that no page is out of reach."""
    named = set(re.findall(r"^([a-z_]+)$", index, re.MULTILINE))
    return index.replace("\ntraining\n", "\n".join(["\ntraining", *(page for page in pages if page not in named), ""]))


def github_mathematics(text: str) -> str:
    """GitHub writes formulas in a line between a dollar sign and a backtick."""
    return re.sub(r"\$`([^`]+)`\$", r"$\1$", text)


def glossary_terms(text: str) -> list[tuple[re.Pattern[str], str]]:
    """The terms of the glossary and how they are found in a text, also in the plural; the longest first."""
    body = re.search(r"^```\{glossary\}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    if body is None:
        raise SiteError("glossary.md has no glossary")
    terms = [line for line in body[1].split("\n") if line and not line.startswith((" ", ":"))]
    found = []
    for term in sorted(terms, key=len, reverse=True):
        plural = "" if term in VERBS else "(?:s|es)?"
        found.append((re.compile(rf"(?<![\w-]){re.escape(term)}{plural}(?![\w-])", re.IGNORECASE), term))
    return found

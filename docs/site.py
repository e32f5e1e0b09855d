"""Build the site: python -m docs.site [-o FOLDER] [--run]. Needs the extra `docs`, and no network.

Pages are those of docs/; the reference of the Python API and of each measure is written from docstrings and
declarations, tutorials from their notebooks (`--run` executes them first, in a real kernel, so that they have outputs).
"""

from __future__ import annotations

import argparse
import inspect
import json
import logging
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

from layeratlas.measures import MEASURES, listing
from layeratlas.measures.declaration import parameters_of

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
#: Files outside docs/ that have a page of their own.
OTHERS = {"zoo/README.md": "zoo.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md",
          "studies/published/README.md": "published.md"}  # fmt: skip
NAV: list[dict[str, Any]] = [
    {"Home": "index.md"},
    {"Tutorials": [
        {"A first answer in five minutes": "tutorials/1-first-answer.md"},
        {"Two fine-tuned models of my own": "tutorials/2-fine-tuned-models.md"},
        {"Attention": "tutorials/3-attention.md"},
        {"Sharing with a collaborator": "tutorials/4-sharing.md"},
    ]},
    {"How to": [
        {"Models, corpora, studies": "models.md"}, {"Ask, draw, browse": "questions.md"}, {"Use Python": "python.md"},
        {"Attention": "attention.md"}, {"Share": "sharing.md"},
        {"Say how sure": "uncertainty.md"}, {"Use many machines": "scale.md"}, {"Be fast": "performance.md"},
        {"Contribute": "contributing.md"},
    ]},
    {"Reference": [
        {"Commands": "commands.md"}, {"Python API": "reference/api.md"}, {"Measures": "measures.md"},
        {"Each measure": "reference/measures.md"}, {"Catalog": "catalog.md"}, {"Architectures": "architectures.md"},
        {"Glossary": "glossary.md"},
    ]},
    {"Explanations": [
        {"Which measure, when": "explain/which-measure.md"},
        {"What a similarity says": "explain/what-a-similarity-says.md"},
        {"Small samples": "explain/small-samples.md"}, {"Decisions": "decisions.md"},
    ]},
    {"Findings": [{"Claims and numbers": "findings.md"}, {"The zoo": "zoo.md"}, {"Published figures": "published.md"}]},
    {"Changelog": "changelog.md"},
]  # fmt: skip
THEME: dict[str, Any] = {
    "name": "material", "font": False, "language": "en",
    "features": ["navigation.tabs", "navigation.top", "toc.follow", "content.code.copy", "search.highlight"],
    "palette": [
        {"media": "(prefers-color-scheme: light)", "scheme": "default", "primary": "white", "accent": "indigo",
         "toggle": {"icon": "material/weather-night", "name": "Dark"}},
        {"media": "(prefers-color-scheme: dark)", "scheme": "slate", "primary": "black", "accent": "amber",
         "toggle": {"icon": "material/weather-sunny", "name": "Light"}},
    ],
}  # fmt: skip


def build(out: Path, *, run: bool = False) -> None:
    """Write the site to a folder, which it replaces. Raises SystemExit where a page or a link is wrong."""
    from mkdocs.commands.build import build as build_site
    from mkdocs.config import load_config

    with tempfile.TemporaryDirectory() as folder:
        pages = Path(folder) / "pages"
        gather(pages, run=run)
        config = load_config(
            config_file=_configuration(Path(folder)), docs_dir=str(pages), site_dir=str(out.resolve()), strict=True
        )
        build_site(config)


def _configuration(folder: Path) -> str:
    """Write mkdocs' configuration; JSON is YAML."""
    settings = {
        "site_name": "layeratlas", "site_description": "A similarity catalog for language models",
        "theme": THEME, "nav": NAV, "extra": {"generator": False}, "extra_css": ["site.css"],
        "use_directory_urls": False,  # the pages can be read without a server
        "plugins": ["search"], "validation": {"anchors": "warn"},
        "markdown_extensions": [
            "tables", "admonition", "md_in_html", "attr_list", {"toc": {"permalink": True}}, "pymdownx.superfences",
            {"pymdownx.highlight": {"use_pygments": True}},
        ],
    }  # fmt: skip
    path = folder / "mkdocs.yml"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return str(path)


def gather(pages: Path, *, run: bool = False) -> None:
    """Put all pages, pictures and styles into a folder, with links that stay inside it."""
    (pages / "reference").mkdir(parents=True)
    shutil.copytree(DOCS / "images", pages / "images")
    shutil.copyfile(DOCS / "site.css", pages / "site.css")
    sources = {str(path.relative_to(DOCS)): path for path in sorted(DOCS.rglob("*.md"))}
    sources |= {page: ROOT / source for source, page in OTHERS.items()}
    for name, path in sources.items():
        _write(pages / name, _linked(path.read_text(encoding="utf-8"), path, name))
    for path in sorted((DOCS / "tutorials").glob("*.ipynb")):
        _write(
            pages / "tutorials" / f"{path.stem}.md", _linked(notebook(path, run=run), path, f"tutorials/{path.name}")
        )
    _write(pages / "reference" / "api.md", api())
    _write(pages / "reference" / "measures.md", measures())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _linked(text: str, path: Path, page: str) -> str:
    """Lead links to where the site has their targets; what it does not have is named, not linked."""
    up = "../" * page.count("/")

    def led(found: re.Match[str]) -> str:
        label, target, anchor = found[1], found[2], found[3] or ""
        if target.startswith(("http:", "https:")):
            return found[0]
        goal = (path.parent / target).resolve()
        inside = str(goal.relative_to(ROOT)) if goal.is_relative_to(ROOT) else ""
        if inside in OTHERS:
            return f"[{label}]({up}{OTHERS[inside]}{anchor})"
        if inside.startswith("docs/") and goal.suffix in (".md", ".png", ".ipynb"):
            return f"[{label}]({up}{inside.removeprefix('docs/').replace('.ipynb', '.md')}{anchor})"
        return label

    return re.sub(r"\[([^\]]*)\]\(([^)#\s]+)(#[^)]*)?\)", led, text)


def notebook(path: Path, *, run: bool) -> str:
    """Write a notebook as a page: its words, its code, and what came of it."""
    cells = _ran(path) if run else json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        parts += [shown for output in cell.get("outputs", []) if (shown := _output(output))]
    return "\n\n".join(parts) + "\n"


def _ran(path: Path) -> list[dict[str, Any]]:
    """Execute a notebook where it sees the models and corpora of a checkout, and writes nothing into it."""
    import nbformat
    from nbclient import NotebookClient

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "docs" / "tutorials"
        place.mkdir(parents=True)
        for name in ("zoo", "corpora"):
            (Path(folder) / name).symlink_to(ROOT / name)
        found = nbformat.read(path, as_version=4)
        NotebookClient(found, timeout=600, resources={"metadata": {"path": str(place)}}).execute()
    cells: list[dict[str, Any]] = found.cells
    return cells


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "text/html" in data:
        page = re.sub(r"\n\s*\n", "\n", "".join(data["text/html"]))
        return f'<div class="output" markdown="0">\n{page}\n</div>' if "<progress" not in page else ""
    text = "".join(data.get("text/plain", output.get("text", "")))
    return f'<pre class="output">{escape(text)}</pre>' if text and output.get("name") != "stderr" else ""


def api() -> str:
    """The Python API: what `layeratlas` offers, with signatures and docstrings."""
    import layeratlas

    parts = ["# Python API", "What `import layeratlas` offers. [A page with examples](../python.md) shows it at work."]
    names = [name for name in layeratlas.__all__ if not name.startswith("_")]
    found = {name: getattr(layeratlas, name) for name in names}
    functions = {name: each for name, each in found.items() if inspect.isfunction(each)}
    classes = {name: each for name, each in found.items() if inspect.isclass(each)}
    errors = {name: each for name, each in classes.items() if issubclass(each, Exception)}
    parts += ["## Functions", *(_documented(f"layeratlas.{name}", each) for name, each in functions.items())]
    for name, each in classes.items():
        if name not in errors:
            parts += [f"## {name}", _text(each), *_members(name, each)]
    parts += ["## Errors", "All are a `LayeratlasError`, and say in one line what to do.", ""]
    parts += ["\n".join(f"- `{name}`: {_first(each)}" for name, each in errors.items())]
    return "\n\n".join(parts) + "\n"


def _members(owner: str, of: type) -> Iterator[str]:
    """A class's methods and properties, its own and those that it inherits from ours, in the order of the code."""
    seen: set[str] = set()
    for base in of.__mro__:
        if not base.__module__.startswith("layeratlas"):
            continue
        for name, each in vars(base).items():
            if name.startswith("_") or name in seen:
                continue
            seen.add(name)
            if inspect.isfunction(each):
                yield _documented(f"{owner}.{name}", each)
            elif isinstance(each, property) or hasattr(each, "func"):
                yield f"### `{owner}.{name}`\n\n{_text(getattr(each, 'func', None) or each)}"


def _documented(name: str, each: Callable[..., Any]) -> str:
    signature = str(inspect.signature(each)).replace("(self, ", "(").replace("(self)", "()")
    signature = re.sub(r"(: |-> )'([^']*)'", r"\1\2", re.sub(r"\s+", " ", signature))
    called = f"{name.rpartition('.')[2]}{signature}"
    if len(called) > 100:
        called = re.sub(r", (?=[*\w]+(: |\)|,|$))", ",\n    ", called).replace("(", "(\n    ", 1)
        called = re.sub(r"\)( -> .*)?$", r"\n)\1", called)
    return f"### `{name}`\n\n```python\n{called}\n```\n\n{_text(each)}"


def _text(each: Any) -> str:
    """A docstring as Markdown: what is indented under a line belongs to it, an example is code."""
    lines = (inspect.getdoc(each) or "").replace("<", "&lt;").splitlines()
    found: list[str] = []
    for line in lines:
        if line.startswith("  ") and found and found[-1]:
            found[-1] += " " + line.strip()
        elif re.match(r"[a-z_, ]+: ", line):
            found += ["", re.sub(r"^([a-z_, ]+): ", r"`\1`: ", line)]
        else:
            found.append(line)
    return "\n".join(re.sub(r"^Example: (.*)$", r"Example: `\1`", line) for line in found)


def _first(each: Any) -> str:
    return (inspect.getdoc(each) or "").split("\n\n")[0].replace("\n", " ")


def measures() -> str:
    """Each measure: what it is, with its formula and source, and what it declares."""
    said = "What each measure declares; [measures](../measures.md) compares them, and says where others' code differs."
    parts = ["# Each measure", said]
    for kind, title in (("activations", "Of activations"), ("attention", "Of attention")):
        parts.append(f"## {title}")
        for name, declared in MEASURES.items():
            if declared.kind != kind:
                continue
            measure = declared()
            given = ", ".join(f"`{key.rstrip('_')} = {value!r}`" for key, value in parameters_of(measure).items())
            facts = {
                "Range": listing.range_text(measure.bounds), "Direction": measure.sense,
                "Symmetric": "yes" if measure.symmetric else "no, it is of a towards b",
                "Blind to": listing.blind_text(measure), "Parameters": given or "none", "Version": measure.version,
            }  # fmt: skip
            table = "\n".join(f"- **{key}:** {value}" for key, value in facts.items())
            parts.append(f"### `{name}`\n\n{_text(declared)}\n\n{table}")
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Build it from the command line."""
    parser = argparse.ArgumentParser(description="Build the documentation's site.")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "site")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")  # a link that leads nowhere ends the build
    parser.add_argument("--run", action="store_true", help="execute the tutorials, so that they show outputs")
    given = parser.parse_args()
    build(given.output, run=given.run)
    print(f"wrote {given.output}/index.html", file=sys.stderr)


if __name__ == "__main__":
    main()

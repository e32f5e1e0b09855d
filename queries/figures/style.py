"""What all pictures share: fonts, colours, files that are equal whenever the rows are."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from layeratlas.store.errors import BadRequest, MissingPackage
from layeratlas.store.files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's colours, told apart with any colour vision; yellow, too pale on white, is left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, MUTED, RULE, MISSING = "#1a1a1a", "#5f6368", "#d9dce0", "#e3e3e3"
#: Where one is installed, for letters that DejaVu Sans lacks.
_OTHER_LETTERS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Droid Sans Fallback", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "Arial Unicode MS", "Noto Sans",
)  # fmt: skip
#: No dates, no version of the drawing library: the same rows give the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": "layeratlas"},
    ".pdf": {"CreationDate": None, "Creator": "layeratlas", "Producer": None},
}
SUFFIXES = tuple(_METADATA)
_DOTS_PER_INCH = 200
_NO_LETTER = re.compile(r"Glyph (\d+) .*missing from")  # what matplotlib warns of
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 8.5, "axes.titlesize": 10.5, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.edgecolor": MUTED, "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False,
    "grid.color": RULE, "grid.linewidth": 0.6, "legend.frameon": False,
    "text.parse_math": False,  # a name with two dollar signs is no formula
    "svg.fonttype": "none", "svg.hashsalt": "layeratlas", "pdf.fonttype": 42, "figure.dpi": 100,
}  # fmt: skip


def picture(path: Path, draw: Callable[[], Figure]) -> str:
    """Draw in the house's style and write the figure to `path`; return the letters that no font here has."""
    check_target(path)
    with drawing(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if not _has_text(path):
            _add_fonts()
        save(draw(), path)
    found = [(warning, _NO_LETTER.match(str(warning.message))) for warning in said]
    for warning, is_letter in found:
        if not is_letter:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    missing = dict.fromkeys(chr(int(letter[1])) for _, letter in found if letter)
    return "" if _has_text(path) else "".join(missing)


def _has_text(path: Path) -> bool:
    """Whether a picture leaves the letters, as text, to whoever shows it."""
    return path.suffix.lower() == ".svg"


def _add_fonts() -> None:
    """Take letters that DejaVu Sans lacks from other fonts, where there are any."""
    import matplotlib as mpl
    from matplotlib.font_manager import get_font_names

    there = set(get_font_names())
    mpl.rcParams["font.family"] = [_STYLE["font.family"], *(name for name in _OTHER_LETTERS if name in there)]


def check_target(path: Path) -> None:
    """Raise BadRequest when a picture cannot be written there, MissingPackage when nothing can draw it."""
    if path.suffix.lower() not in SUFFIXES:
        said = f"'{path.suffix}'" if path.suffix else "nothing"
        raise BadRequest(f"a picture's name ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, got {said}: {path}")
    if path.is_dir() or not path.parent.is_dir():
        raise BadRequest(f"cannot write {path}: " + ("it is a folder" if path.is_dir() else f"no folder {path.parent}"))
    require_matplotlib()


def require_matplotlib() -> None:
    """Raise MissingPackage when nothing can draw a picture."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingPackage("pictures need matplotlib: pip install 'layeratlas[pictures]'") from None


@contextmanager
def drawing() -> Iterator[None]:
    """Draw and save in the house's style, whatever the user's matplotlibrc says."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)  # type: ignore[arg-type]  # its stubs list every key as a literal
        yield


def save(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all, in the format of the path's suffix."""
    suffix = path.suffix.lower()
    with whole_file(path) as temporary:
        _write(figure, temporary, suffix)


def as_svg(draw: Callable[[], Figure]) -> str:
    """Draw in the house's style; return the picture as SVG. Raises MissingPackage."""
    require_matplotlib()
    with drawing(), io.BytesIO() as out:
        _write(draw(), out, ".svg")
        return out.getvalue().decode()


def _write(figure: Figure, target: Path | IO[bytes], suffix: str) -> None:
    figure.savefig(
        target, format=suffix[1:], dpi=_DOTS_PER_INCH, metadata=_METADATA[suffix], bbox_inches="tight",
        pad_inches=0.12, facecolor="white",
    )  # fmt: skip


def titled(axes: Axes, title: str, note: str = "") -> None:
    """Put a title above the axes, and in smaller grey letters what the figure is of."""
    axes.set_title(title, pad=30 if note else 14)
    if note:
        axes.annotate(
            note, (0, 1), xytext=(0, 17), xycoords="axes fraction", textcoords="offset points", color=MUTED, fontsize=8
        )

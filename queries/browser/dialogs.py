"""Small windows over a screen: choose one of a list, name a file, read the keys."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from layeratlas.queries.browser.export import EXTENSIONS
from layeratlas.queries.browser.texts import FAINT, KEY, STRONG
from layeratlas.queries.core.visible import visible


class Chooser(ModalScreen[int | None]):
    """Choose one of a list: arrows or the first letter, Enter; Escape leaves all as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Back")]

    def __init__(self, title: str, options: list[str], current: int) -> None:
        super().__init__()
        self._heading, self._options, self._current = title, options, current

    def compose(self) -> ComposeResult:
        """Draw the list."""
        with Vertical(classes="window"):
            yield Label(Text(visible(self._heading)), classes="heading")
            yield OptionList(*(Option(Text(visible(each))) for each in self._options))

    def on_mount(self) -> None:
        """Start at what is chosen now."""
        self.query_one(OptionList).highlighted = self._current

    def on_key(self, event: object) -> None:
        """Go to the next option that starts with the letter typed."""
        letter = getattr(event, "character", None)
        if not letter or not letter.isalnum():
            return
        here = self.query_one(OptionList).highlighted or 0
        order = [(here + step) % len(self._options) for step in range(1, len(self._options) + 1)]
        found = [place for place in order if self._options[place].lower().startswith(letter.lower())]
        if found:
            self.query_one(OptionList).highlighted = found[0]

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take it."""
        self.dismiss(event.option_index)


class FileName(ModalScreen[Path | None]):
    """Ask for the file to write; an existing one takes a second Enter."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Back")]

    def __init__(self, what: str, suggestion: str) -> None:
        super().__init__()
        self._what, self._suggestion = what, suggestion
        self._confirmed: Path | None = None

    def compose(self) -> ComposeResult:
        """Draw the question."""
        with Vertical(classes="window"):
            yield Label(Text(f"Write {self._what} to"), classes="heading")
            yield Input(self._suggestion, select_on_focus=False)
            yield Label(f"{', '.join(EXTENSIONS)}: the extension says how", classes="hint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the name."""
        path = Path(event.value.strip()).expanduser()
        if path.exists() and path != self._confirmed and path.suffix.lower() in EXTENSIONS:
            self._confirmed = path
            self.query_one(".hint", Label).update(Text(visible(f"{path.name} exists: Enter again overwrites it")))
            return
        self.dismiss(path)


class Help(ModalScreen[None]):
    """All keys, read from the bindings themselves."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,f1", "dismiss", "Back")]

    def __init__(self, sections: list[tuple[str, list[BindingType]]]) -> None:
        super().__init__()
        self._sections = sections

    def compose(self) -> ComposeResult:
        """Draw the page."""
        with VerticalScroll(classes="window", id="help"):
            yield Static(help_text(self._sections))

    def on_mount(self) -> None:
        """Let the arrow keys scroll."""
        self.query_one("#help").focus()


_WORDS = """\
  Rows are the layers selected in the list on the left, columns what f says.
  A cell is the similarity of the row's layer towards the column's.
  Layer 0 is the embedding layer.
  ·  not measured    =  a layer with itself: 1 by definition, not stored
"""
_NAMES = {"question_mark": "?", "colon": ":", "slash": "/", "left_square_bracket": "[", "right_square_bracket": "]",
          "pageup": "page up", "pagedown": "page down", "shift+tab": "shift-tab", "ctrl+s": "ctrl-s"}  # fmt: skip


def help_text(sections: list[tuple[str, list[BindingType]]]) -> Text:
    """Return the keys of each section, and the words of the map; bindings without a tooltip need no explanation."""
    said = Text("Moving\n", STRONG)
    said.append("  arrows, h j k l ", KEY).append("another cell, or another line of the list\n")
    said.append("  page up … end   ", KEY).append("further\n\n")
    for title, bindings in sections:
        said.append(f"{title}\n", STRONG)
        for binding in bindings:
            if isinstance(binding, Binding) and binding.tooltip:
                keys = " ".join(_NAMES.get(key, key) for key in binding.key.split(","))
                said.append(f"  {keys:<16}", KEY).append(f"{binding.tooltip}\n")
        said.append("\n")
    return said.append("Words\n", STRONG).append(_WORDS, FAINT)

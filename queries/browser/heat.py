"""The heatmap as a widget: the cursor moves by keys or mouse, wide maps scroll below labels that stay."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from layeratlas.queries.browser.paint import HEADER, ZOOMS, Painter
from layeratlas.queries.browser.state import State


class Heat(ScrollView, can_focus=True):
    """Draws the matrix of a State and moves its cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1, 0)", "Up", show=False), Binding("down,j", "move(1, 0)", "Down", show=False),
        Binding("left,h", "move(0, -1)", "Left", show=False), Binding("right,l", "move(0, 1)", "Right", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False), Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "edge(0)", "First column", show=False), Binding("end", "edge(1)", "Last column", show=False),
        Binding("enter", "open", "Pair", tooltip="all about the two layers of the cell"),
    ]  # fmt: skip

    class Moved(Message):
        """The cursor stands on another cell."""

    class Opened(Message):
        """The user asks for all about the cell under the cursor."""

    def __init__(self, state: State, *, id: str) -> None:
        super().__init__(id=id)
        self._state, self._zoom = state, 0
        self._drawn: Painter | None = None

    @property
    def zoom(self) -> str:
        """How cells are drawn: numbers, colours or overview."""
        return ZOOMS[self._zoom].name

    def next_zoom(self) -> None:
        """Draw cells smaller; after the smallest, large again."""
        self._zoom = (self._zoom + 1) % len(ZOOMS)
        self.redraw()

    def redraw(self) -> None:
        """Draw what the state has now, the cursor in sight."""
        self._drawn = None
        self.virtual_size = Size(*self._painter.size)
        self._scroll_to_cursor()
        self.refresh()

    @property
    def _painter(self) -> Painter:
        return Painter(
            self._state.matrix, self._state.cursor, ZOOMS[self._zoom], room=self.size.width,
            colours=self._state.colours, active=self.has_focus,
        )  # fmt: skip

    def render_line(self, y: int) -> Strip:
        """Draw one visible line."""
        width = self.scrollable_content_region.width
        if not self._state.matrix.values.size:
            return Strip.blank(width, self.rich_style)
        if y == 0 or self._drawn is None:
            self._drawn = self._painter
        x, top = self.scroll_offset
        drawn = Strip(self._drawn.line(y, x, top, width)).adjust_cell_length(width)
        return drawn.apply_style(self.rich_style)

    def _scroll_to_cursor(self) -> None:
        painter = self._painter
        x, y = painter.place_of(*self._state.cursor)
        room = self.scrollable_content_region.size  # `size` counts the scrollbars
        width, height = room.width - painter.margin, room.height - HEADER
        left, top = self.scroll_offset
        left, top = max(min(left, x), x + painter.zoom.width - width), max(min(top, y), y + 1 - height)
        self.scroll_to(left, top, animate=False, force=True)

    def on_resize(self, event: events.Resize) -> None:
        """Keep the cursor in sight."""
        self.redraw()

    def on_focus(self) -> None:
        """Show where keys go."""
        self._drawn = None
        self.refresh()

    def on_blur(self) -> None:
        """Show that keys go elsewhere."""
        self._drawn = None
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the clicked cell; a second click opens it."""
        found = self._painter.cell_at(event.x + self.scroll_offset.x, event.y + self.scroll_offset.y)
        if event.y < HEADER or found is None:
            return
        if found == self._state.cursor or event.chain > 1:
            self.action_open()
        self._state.place(*found)
        self._moved()

    def action_move(self, rows: int, columns: int) -> None:
        """Move the cursor by cells."""
        self._state.move(rows, columns)
        self._moved()

    def action_page(self, direction: int) -> None:
        """Move the cursor by what fits on the screen."""
        self.action_move(
            direction * max(self.scrollable_content_region.height - HEADER - 1, 1) * ZOOMS[self._zoom].rows, 0
        )

    def action_edge(self, last: int) -> None:
        """Move the cursor to the first or the last column."""
        self.action_move(0, len(self._state.matrix.columns) * (2 * last - 1))

    def action_open(self) -> None:
        """Ask for the pair under the cursor."""
        if self._state.pair is not None:
            self.post_message(self.Opened())

    def _moved(self) -> None:
        self.redraw()
        self.post_message(self.Moved())

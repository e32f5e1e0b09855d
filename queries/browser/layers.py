"""The screen of layers alone: the figures of every layer on the corpus that the map is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Static

from layeratlas.queries.browser.pair import fill
from layeratlas.queries.browser.state import Slice
from layeratlas.queries.browser.texts import STRONG
from layeratlas.queries.core.matrix import Layer
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.visible import visible
from layeratlas.queries.questions.layers import KIND, figures_of, layers
from layeratlas.store.errors import LayeratlasError

if TYPE_CHECKING:
    from layeratlas.queries.browser.app import Browser

_NAMES = ("model", "layer")  # stay in sight


class LayersScreen(Screen[None]):
    """What the catalog knows of each layer alone."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.pop_screen", "Back"),
        Binding("e,ctrl+s", "export", "Export", tooltip="write the figures to a file"),
    ]

    def __init__(self, which: Slice, layer: Layer | None) -> None:
        super().__init__()
        pooling = which.pooling if which.kind == KIND else None
        self._asked = Asked(corpus=which.corpus, source=which.source, pooling=pooling)
        self._layer = layer  # where the cursor starts
        self._answer: Table | None = None

    @property
    def _browser(self) -> Browser:
        return cast("Browser", self.app)

    def compose(self) -> ComposeResult:
        """Draw the parts."""
        with Horizontal(classes="top"):
            yield Static(id="heading")
            yield Static(id="says")
        yield DataTable(id="layers", cursor_type="row", zebra_stripes=True, fixed_columns=len(_NAMES))
        yield Static(id="detail")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Ask."""
        self.query_one("#layers", DataTable).focus()
        self.reread()

    def say(self, message: str) -> None:
        """Tell why an answer takes a while."""
        self.query_one("#says", Static).update(Text(visible(message)))

    @work(exclusive=True, group="layers")
    async def reread(self) -> None:
        """Ask, or ask again when the catalog has changed; the cursor stays."""
        table = self.query_one("#layers", DataTable)
        try:
            answer = await self._browser.reader.answer(lambda catalog: layers(catalog, self._asked), self.say)
        except LayeratlasError as error:
            self.query_one("#detail", Static).update(Text(visible(str(error))))
            return
        row = table.cursor_row if self._answer is not None else self._start(answer)
        self._answer = answer
        shown = [*_NAMES, *figures_of(answer), *(name for name in answer.columns if name == "refused")]
        heading = " · ".join((answer.what, *answer.context))
        self.query_one("#heading", Static).update(Text(f" {visible(heading)}", STRONG))
        fill(table, tuple(shown), [[record[name] for name in shown] for record in answer.records()])
        table.move_cursor(row=row)
        self.query_one("#detail", Static).update(Text(visible(answer.says)))

    def _start(self, answer: Table) -> int:
        """The row of the layer under the map's cursor."""
        names = [(record["model"], record["layer"]) for record in answer.records()]
        wanted = (self._layer.model, self._layer.layer) if self._layer is not None else None
        return names.index(wanted) if wanted in names else 0

    def action_export(self) -> None:
        """Write the figures."""
        if (answer := self._answer) is not None:
            self._browser.export("the figures of layers", f"layers-{self._asked.corpus}.csv", lambda: answer)

"""The first screen: models and layers on the left, the heatmap of what is selected, the cell under the cursor below."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, cast

from rich.console import Group
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Footer, Static, Tree

from layeratlas.queries.browser import questions, texts
from layeratlas.queries.browser.dialogs import Chooser
from layeratlas.queries.browser.heat import Heat
from layeratlas.queries.browser.layers import LayersScreen
from layeratlas.queries.browser.pair import PairScreen
from layeratlas.queries.browser.questions import Pair
from layeratlas.queries.browser.sql import SqlScreen
from layeratlas.queries.browser.state import Selection, State
from layeratlas.queries.core.matrix import Layer, matrix
from layeratlas.queries.core.visible import visible
from layeratlas.store.errors import LayeratlasError

if TYPE_CHECKING:
    from layeratlas.queries.browser.app import Browser

_SETTLE = 0.08  # seconds without a key before the catalog is asked
_NEED_SCORES = {"choose", "step", "columns", "zoom", "tree", "layers", "sql", "export"}
_TALL = 34  # lines of a terminal that has room for all measures of the cell


class MapScreen(Screen[None]):
    """Browse models, layers and their similarities."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "choose('measure')", "Measure", tooltip="choose the measure"),
        Binding("left_square_bracket", "step(-1)", "Previous measure", tooltip="previous measure", show=False),
        Binding("right_square_bracket", "step(1)", "Next measure", tooltip="next measure", show=False),
        Binding("f", "columns", "Family", tooltip="columns: all, a family, or a model"),
        Binding("s", "choose('source')", "Source", tooltip="choose the source: our own scores, or imported ones"),
        Binding("c", "choose('corpus')", "Corpus", tooltip="choose the corpus"),
        Binding(
            "n", "choose('configuration')", "Configuration", tooltip="choose the measure's configuration", show=False
        ),
        Binding("p", "choose('pooling')", "Pooling", tooltip="choose how sub-words became words", show=False),
        Binding("z", "zoom", "Zoom", tooltip="numbers, colours, overview", show=False),
        Binding("t", "tree", "List", tooltip="hide or show the list of models", show=False),
        Binding("tab", "app.focus_next", "List or map", tooltip="between the list and the map", show=False),
        Binding("i", "layers", "Layers", tooltip="figures of each layer alone"),
        Binding("colon,slash", "sql", "SQL", tooltip="ask in SQL"),
        Binding("e,ctrl+s", "export", "Export", tooltip="write the map to a file"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.pair: Pair | None = None
        self._listed: list[Layer] = []

    @property
    def _browser(self) -> Browser:
        return cast("Browser", self.app)

    def compose(self) -> ComposeResult:
        """Draw the parts."""
        with Horizontal(classes="top"):
            yield Static(id="heading")
            yield Static(id="says")
        yield Static(id="switches")
        with ContentSwitcher(initial="welcome", id="body"):
            yield Static("reading the catalog …", id="welcome")
            with Horizontal(id="map"):
                yield Tree("all models", Selection(), id="models")
                yield Heat(self.state, id="heat")
        yield Static(id="detail")
        yield Footer(compact=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that need scores wait for them."""
        return action not in _NEED_SCORES or self.state.slice is not None

    def on_mount(self) -> None:
        """Read."""
        tree = self.query_one("#models", Tree)
        tree.auto_expand, tree.guide_depth = False, 2
        self.reread()

    def say(self, message: str) -> None:
        """Tell why an answer takes a while."""
        self.query_one("#says", Static).update(Text(visible(message)))

    @work(exclusive=True, group="overview")
    async def reread(self) -> None:
        """Read all that is shown from the catalog again; the selection stays."""
        try:
            found = await self._browser.reader.answer(questions.overview, self.say)
        except LayeratlasError as error:
            self.query_one(ContentSwitcher).current = "welcome"
            self.query_one("#welcome", Static).update(
                texts.welcome(self._browser.reader.title, str(error).split(": run")[0])
            )
            self._describe()
            return
        switcher, focused = self.query_one(ContentSwitcher), self.focused
        first = switcher.current == "welcome"
        self.state.read(found)
        switcher.current = "map"
        if first:
            self.refresh_bindings()
        self._list()
        if first or focused is None:
            self.query_one(Heat).focus()
        self._load()

    def _list(self) -> None:
        """Fill the list of models when it has changed; what is selected stays selected."""
        layers = self.state.overview.of(self.state.slice) if self.state.slice else []
        tree: Tree[Selection] = self.query_one("#models", Tree)
        with self.prevent(Tree.NodeHighlighted):
            if layers != self._listed:
                _fill(tree, layers, self.state.rows)
                self._listed = layers
            _select(tree, self.state.rows)

    @work(exclusive=True, group="map")
    async def _load(self, settle: float = 0.0) -> None:
        """Read the matrix of the selection."""
        await asyncio.sleep(settle)
        which, (rows, columns) = self.state.slice, self.state.axes()
        if which is None:
            return
        try:
            found = await self._browser.reader.answer(
                lambda catalog: matrix(catalog, which.scope, rows, columns), self.say
            )
        except LayeratlasError as error:
            self.notify(visible(str(error)), severity="error", markup=False)
            return
        self.state.show(found)
        self.query_one(Heat).redraw()
        self._look()

    @work(exclusive=True, group="cell")
    async def _look(self) -> None:
        """Describe the cell under the cursor: its value at once, the rest when the catalog has answered."""
        self._describe()
        if self.state.pair is None:
            return
        a, b = self.state.pair
        await asyncio.sleep(_SETTLE)
        try:
            self.pair = await self._browser.reader.answer(lambda catalog: questions.pair(catalog, a, b), self.say)
        except LayeratlasError as error:
            self.notify(visible(str(error)), severity="error", markup=False)
            return
        self._describe()

    def _describe(self) -> None:
        heading = texts.heading(self._browser.reader.title, self.state)
        self.query_one("#heading", Static).update(heading, layout=False)
        switches = texts.switches(self.state, self.query_one(Heat).zoom)
        self.query_one("#switches", Static).update(switches, layout=False)
        detail = self.query_one("#detail", Static)
        detail.display = self.query_one(ContentSwitcher).current == "map"
        said = texts.detail(self.state, self.pair)
        tall, which = self.size.height >= _TALL, self.state.slice
        detail.styles.height = 4 + self.state.comparable if tall else 2  # set by the slice: it does not jump with cells
        if tall and which is not None and self.pair is not None:
            detail.update(Group(said, "", texts.comparison(self.pair, which)), layout=False)
        else:
            detail.update(said, layout=False)

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[Selection]) -> None:
        """The map follows the list."""
        if event.node.data is not None and event.node.data != self.state.rows:
            self.state.rows = event.node.data
            self._load(_SETTLE)

    def on_tree_node_selected(self, event: Tree.NodeSelected[Selection]) -> None:
        """Enter in the list opens a model's layers, and goes to the map at a layer."""
        if event.node.allow_expand and not event.node.is_root:
            event.node.toggle()
        else:
            self.query_one(Heat).focus()

    def on_heat_moved(self) -> None:
        """Describe another cell."""
        self._look()

    def on_heat_opened(self) -> None:
        """Show all about a pair."""
        if self.state.pair is not None and self.state.slice is not None:
            self.app.push_screen(PairScreen(*self.state.pair, self.state.slice))

    def action_step(self, by: int) -> None:
        """Show the next measure."""
        self.state.step("measure", by)
        self._switched()

    def _switched(self) -> None:
        self._list()
        self._describe()
        self._load()

    def action_choose(self, dimension: str) -> None:
        """Let the user choose a measure, source, corpus …"""
        known = self.state.choices(dimension)
        if self.state.slice is None:
            return
        current = known.index(getattr(self.state.slice, dimension))

        def chosen(place: int | None) -> None:
            if place is not None:
                self.state.switch(dimension, known[place])
                self._switched()

        self.app.push_screen(Chooser(dimension.capitalize(), [str(each) for each in known], current), chosen)

    def action_columns(self) -> None:
        """Let the user choose what the columns are."""
        known = self.state.selections()
        titles = [f"family {each.title}" if each.is_family else each.title for each in known]
        current = known.index(self.state.columns) if self.state.columns in known else 0

        def chosen(place: int | None) -> None:
            if place is not None:
                self.state.columns = known[place]
                self._switched()

        self.app.push_screen(Chooser("Columns: towards", titles, current), chosen)

    def action_zoom(self) -> None:
        """Draw cells smaller, or large again."""
        self.query_one(Heat).next_zoom()
        self._describe()

    def action_tree(self) -> None:
        """Give the map the whole width, or take it back."""
        tree = self.query_one("#models", Tree)
        tree.display = not tree.display
        if not tree.display:
            self.query_one(Heat).focus()

    def action_layers(self) -> None:
        """Show the figures of each layer alone."""
        if self.state.slice is not None:
            pair = self.state.pair
            self.app.push_screen(LayersScreen(self.state.slice, pair[0] if pair else None))

    def action_sql(self) -> None:
        """Ask in SQL."""
        self.app.push_screen(SqlScreen(self._browser.history))

    def action_export(self) -> None:
        """Write the map."""
        if self.state.slice is not None and self.state.matrix.values.size:
            name = f"{self.state.slice.measure}-{self.state.rows.title}-{self.state.columns.title}.csv"
            self._browser.export("this map", name.replace(" ", "-").replace("/", "_"), self.state.table)


def _fill(tree: Tree[Selection], layers: list[Layer], selected: Selection) -> None:
    opened = {node.data for family in tree.root.children for node in family.children if node.is_expanded}
    tree.clear()
    tree.root.expand()
    families = {
        name: tree.root.add(_label(name), Selection(name), expand=True)
        for name in dict.fromkeys(each.family for each in layers)
    }
    for family, model in dict.fromkeys((each.family, each.model) for each in layers):
        chosen = Selection(family, model)
        wanted = chosen in opened or (selected.model == model and selected.layer is not None)
        node = families[family].add(_label(model), chosen, expand=wanted)
        for layer in (each.layer for each in layers if each.model == model):
            node.add_leaf(f"layer {layer}", Selection(family, model, layer))


def _label(name: str) -> Text:
    return Text(visible(name))


def _select(tree: Tree[Selection], wanted: Selection) -> None:
    for line in range(tree.last_line + 1):
        node = tree.get_node_at_line(line)
        if node is not None and node.data == wanted:
            tree.move_cursor(node)
            return

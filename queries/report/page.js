// The page: what is chosen in the controls, and what is drawn for it.

const DATA = JSON.parse(byId("data").textContent);
const TOP = 15;
const state = { scope: 0, measured: 0, rows: "", columns: "", hidden: new Set(), stretch: false, between: "families" };
const scope = () => DATA.parts[state.scope];
const measured = () => scope().measured[state.measured];
const values = (one) => (one.values ??= decode(one.cells));
const named = (layer) => `${layer.model} layer ${layer.layer}`;
const tidy = (layer) => [`${layer.model} `, html("span", {}, `layer ${layer.layer}`)];

const heatmap = new Heatmap(byId("plot"), { onPick: zoom, onPoint: say });

function layersOf(blocks) {
  return blocks.flatMap((block) => block.layers.map((layer, at) =>
    ({ model: block.model, family: block.family, layer, place: block.start + at })));
}

function view() {
  const one = measured(), all = layersOf(one.blocks), found = values(one);
  const kept = (model) => all.filter((layer) => !state.hidden.has(layer.family) && (!model || layer.model === model));
  const rows = kept(state.rows), columns = kept(state.columns);
  const value = (i, j) => found[rows[i].place * all.length + columns[j].place];
  const ends = bounds(rows, columns, value, one);
  const place = (found) => (found - ends.low) / (ends.high - ends.low);
  return { rows, columns, value, ...ends, position: one.distance ? (found) => 1 - place(found) : place };
}

function bounds(rows, columns, value, one) { // from 0, far, to 1, close: colours by the measure's range and direction
  let low = Infinity, high = -Infinity, sum = 0, count = 0;
  rows.forEach((_, i) => columns.forEach((_, j) => {
    const found = value(i, j);
    if (!Number.isFinite(found)) return;
    low = Math.min(low, found); high = Math.max(high, found); sum += found; count += 1;
  }));
  const seen = { least: low, most: high, mean: sum / count, count };
  const bounded = one.low !== null && one.high !== null && low >= one.low - 1e-5 && high <= one.high + 1e-5;
  if (!state.stretch && bounded) [low, high] = [one.low, one.high];
  return { low, high: high > low ? high : low + 1, ...seen };
}

function draw() {
  const seen = view();
  const empty = !seen.rows.length || !seen.columns.length;
  byId("plot").hidden = empty;
  byId("empty").hidden = !empty;
  const one = measured();
  byId("heading").textContent = visible(`${one.name}: ${state.rows || "all layers"} towards ${state.columns || "all layers"}`);
  byId("back").disabled = !state.rows && !state.columns;
  if (!empty) {
    heatmap.draw(seen);
    caption(seen, one);
  }
  key(seen.rows);
  ramp(seen, one);
  top(seen, one);
}

function caption(seen, one) {
  const models = new Set([...seen.rows, ...seen.columns].map((layer) => layer.model));
  const families = new Set([...seen.rows, ...seen.columns].map((layer) => layer.family));
  const count = (number, word, many) => `${number.toLocaleString("en")} ${number === 1 ? word : many}`;
  const text = visible(`${one.name} on ${scope().corpus}: ${count(seen.count, "score", "scores")} of ` +
    `${count(models.size, "model", "models")} in ${count(families.size, "family", "families")}, ` +
    `from ${shown(seen.least)} to ${shown(seen.most)}, on average ${shown(seen.mean)}. ` +
    (one.symmetric ? "Symmetric: a pair has one value in both directions." : `A cell is the ${noun(one)} of its row towards its column.`));
  byId("caption").textContent = text;
  heatmap.canvas.setAttribute("aria-label", `Heatmap, layers by layers. ${text} Arrow keys move over the cells, Enter shows ` +
    "the two models of a cell.");
}

function key(layers) {
  const names = heatmap.numbered ? blocksOf(layers).map((block) => html("li", {}, block.model)) : [];
  byId("key").replaceChildren(...names);
}

function ramp({ low, high }, one) {
  const stops = (one.distance ? [...STOPS].reverse() : STOPS).map((stop) => `rgb(${stop})`).join(", ");
  byId("ramp").setAttribute("aria-label", `Colour scale of a ${noun(one)}: dark is far, bright is close`);
  byId("scaled").textContent = one.distance ? "distance: bright is close" : "";
  byId("ramp").style.background = `linear-gradient(to right, ${stops})`;
  byId("low").textContent = Number(low.toFixed(3));
  byId("high").textContent = Number(high.toFixed(3));
}

function say(row, column, value, x, y) {
  const same = row.model === column.model && row.layer === column.layer;
  const number = same && !Number.isFinite(value) ? "itself" : shown(value);
  tip.show([["b", number], ["div", named(row)], ["div", `towards ${named(column)}`], ["div", measured().name]], x, y);
  if (document.activeElement === heatmap.canvas)
    byId("spoken").textContent = visible(`${named(row)} towards ${named(column)}: ${number}`);
}

const noun = (one) => (one.distance ? "distance" : "similarity");

function top({ rows, columns, value }, one) {
  const shownAs = { row: new Set(rows.map((layer) => layer.place)), column: new Set(columns.map((layer) => layer.place)) };
  const isSecond = (a, b) => one.symmetric && a.place > b.place && shownAs.row.has(b.place) && shownAs.column.has(a.place);
  const isFar = { families: (a, b) => a.family !== b.family, models: (a, b) => a.model !== b.model, layers: () => true }[state.between];
  const sign = one.distance ? -1 : 1; // times a value: larger is closer
  let pairs = [], worst = -Infinity; // cut now and then: sorting all pairs of a large catalog would be felt
  const cut = () => {
    pairs = pairs.sort((x, y) => sign * (y[2] - x[2]) || x[0].place - y[0].place || x[1].place - y[1].place).slice(0, TOP);
    worst = pairs.length === TOP ? sign * pairs[TOP - 1][2] : -Infinity;
  };
  rows.forEach((a, i) => columns.forEach((b, j) => {
    const found = value(i, j);
    if (!(sign * found >= worst) || !isFar(a, b) || isSecond(a, b)) return;
    pairs.push([a, b, found, [i, j]]);
    if (pairs.length > 40 * TOP) cut();
  }));
  cut();
  byId("most").textContent = one.distance ? "Closest pairs" : "Most similar pairs";
  byId("noun").textContent = noun(one);
  const lines = pairs.map(([a, b, found, cell]) => {
    const line = html("tr", {}, [html("td", {}, tidy(a)), html("td", {}, tidy(b)), html("td", { class: "number" }, shown(found))]);
    line.addEventListener("pointerenter", () => { heatmap.point(cell); tip.hide(); });
    line.addEventListener("pointerleave", () => heatmap.point(null));
    return line;
  });
  const nothing = html("tr", {}, html("td", { colspan: 3 }, "No pair: choose more families or models."));
  byId("top").querySelector("tbody").replaceChildren(...(lines.length ? lines : [nothing]));
}

function charts() {
  const figures = [...scope().figures, ...measured().figures];
  byId("figures").hidden = !figures.length;
  const place = byId("charts");
  place.replaceChildren();
  const half = place.clientWidth > 1100 ? (place.clientWidth - 48) / 2 : place.clientWidth;
  place.append(...figures.map((spec) => chart(spec, Math.floor(spec.form === "lines" ? place.clientWidth : half))));
}

function zoom(row, column) {
  state.rows = row.model;
  state.columns = column.model;
  controls();
  draw();
}

function choose(id, names, chosen) {
  byId(id).replaceChildren(...names.map(([value, text]) => html("option", { value }, text)));
  byId(id).value = chosen;
}

function controls() {
  const blocks = measured().blocks;
  const models = [["", "all models"], ...blocks.map((block) => [block.model, block.model])];
  byId("scopes").hidden = DATA.parts.length < 2;
  choose("scope", DATA.parts.map((each, at) => [at, each.name]), state.scope);
  choose("measure", scope().measured.map((each, at) => [at, each.name]), state.measured);
  for (const side of ["rows", "columns"]) {
    if (!blocks.some((block) => block.model === state[side])) state[side] = "";
    choose(side, models, state[side]);
  }
  const families = [...new Set(blocks.map((block) => block.family))];
  byId("families").replaceChildren(byId("families").querySelector("legend"), ...families.map((family) => {
    const box = html("input", { type: "checkbox", value: family, ...(state.hidden.has(family) ? {} : { checked: "" }) });
    box.addEventListener("change", () => {
      state.hidden[box.checked ? "delete" : "add"](family);
      draw();
    });
    return html("label", { class: "tick" }, [box, family]);
  }));
}

function listen(id, act) {
  byId(id).addEventListener("change", (event) => { act(event.target); controls(); draw(); });
}

listen("scope", (node) => { Object.assign(state, { scope: Number(node.value), measured: 0, hidden: new Set() }); controls(); charts(); });
listen("measure", (node) => { state.measured = Number(node.value); charts(); });
listen("rows", (node) => { state.rows = node.value; });
listen("columns", (node) => { state.columns = node.value; });
listen("stretch", (node) => { state.stretch = node.checked; });
listen("between", (node) => { state.between = node.value; });
byId("back").addEventListener("click", () => { state.rows = state.columns = ""; controls(); draw(); });
addEventListener("keydown", (event) => { if (event.key === "Escape") byId("back").click(); });

let width = 0;
function fit() {
  if (width === document.body.clientWidth) return;
  width = document.body.clientWidth;
  draw();
  charts();
}
new ResizeObserver(fit).observe(document.body); // also called once at the start
const paper = (is) => () => { document.body.classList.toggle("paper", is); fit(); };
addEventListener("beforeprint", paper(true));
addEventListener("afterprint", paper(false));
state.measured = Math.max(0, scope().measured.findIndex((one) => one.name === DATA.first));
controls();

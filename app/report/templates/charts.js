// The charts of the page: filters them, draws each when it comes into view, and lets the keyboard walk along its points.
const charts = JSON.parse(document.getElementById("charts-data").textContent);
const form = document.getElementById("filters");
const live = document.getElementById("live");
const NARROW = 400; // pixels before a chart comes into view, when it is drawn
const ZOOM_STEP = 1.25;
const panels = [];

/** Rows as objects from a table by column; columns of lists have their numbers replaced by the lists. */
function rowsOf(chart) {
  const names = Object.keys(chart.rows);
  const count = names.length ? chart.rows[names[0]].length : 0;
  return Array.from({ length: count }, (_, index) => {
    const row = {};
    for (const name of names) {
      const value = chart.rows[name][index];
      row[name] = chart.lists[name] ? chart.lists[name][value] : value;
    }
    return row;
  });
}

/** What the form asks for: for each column the values that are unticked, the densities, and what lines and bars are. */
function asked() {
  const off = { experiment: new Set(), method: new Set(), replicate: new Set() };
  for (const box of form.querySelectorAll("input[type=checkbox][name]:not(:checked)")) {
    off[box.name]?.add(box.value);
  }
  const share = (name, otherwise) => {
    const input = form.elements[name];
    return input && input.value !== "" && Number.isFinite(Number(input.value)) ? Number(input.value) / 100 : otherwise;
  };
  return {
    off,
    from: share("sparsest", 0),
    to: share("densest", 1),
    all: form.elements.shown?.value === "all",
    signals: { bars: form.elements.bars?.value, lines: form.elements.lines?.value },
  };
}

function isShown(row, state) {
  for (const [name, values] of Object.entries(state.off)) {
    if (row[name] !== null && row[name] !== undefined && values.has(String(row[name]))) return false;
  }
  if (row.shown === 0 && !state.all) return false;
  const density = row.density;
  // The dense network is where every line begins: a bound above is a bound for pruned ones.
  return density === null || density === undefined || (density >= state.from * 0.9999 && density <= state.to * 1.0001);
}

function visibleRows(panel, state) {
  if (panel.subject !== null && state.off.method.has(panel.subject)) return [];
  return panel.rows.filter((row) => isShown(row, state)).map((row) => ({ ...row }));
}

function applySignals(view, state) {
  const known = view.getState({ signals: (name) => name in state.signals }).signals;
  for (const [name, value] of Object.entries(state.signals)) {
    if (value !== undefined && name in known) view.signal(name, value);
  }
}

async function update(panel, state) {
  const rows = visibleRows(panel, state);
  panel.element.hidden = rows.length === 0;
  if (!rows.length || !panel.near) return;
  if (panel.view) {
    applySignals(panel.view, state);
    panel.view.data("rows", rows);
    await panel.view.runAsync();
  } else if (!panel.embedding) {
    panel.embedding = true;
    const spec = { ...panel.spec, data: { name: "rows", values: rows } };
    spec.params = (spec.params || []).map((param) =>
      param.name in state.signals && state.signals[param.name] !== undefined
        ? { ...param, value: state.signals[param.name] }
        : param
    );
    const options = { mode: "vega-lite", renderer: "svg", actions: false, tooltip: { theme: "page" } };
    panel.view = (await window.vegaEmbed(panel.plot, spec, options)).view;
    // The first layout counts the columns of the legend by the width that the plot has without its axis.
    await panel.view.resize().runAsync();
    panel.element.dataset.drawn = "yes";
    if (panel.again) update(panel, asked());
  } else {
    panel.again = true;
  }
}

let latest = 0;
async function updateAll() {
  const state = asked();
  const mine = ++latest;
  for (const panel of panels) {
    if (mine !== latest) return;
    await update(panel, state);
  }
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const any = [...figure.querySelectorAll(".panel")].some((each) => !each.hidden);
    figure.querySelector(".nothing").hidden = any;
  }
  const boxes = [...form.querySelectorAll("input[type=checkbox][name]")];
  const count = boxes.filter((box) => !box.checked).length;
  const bounds = ["sparsest", "densest"].filter((name) => form.elements[name]?.value).length;
  const told = document.getElementById("filtered");
  told.textContent = count + bounds ? `${count + bounds} in use` : "none in use";
}

/** The points of a panel as lines of SVG elements from left to right. */
function linesOf(panel) {
  const lines = new Map();
  for (const element of panel.plot.querySelectorAll("path[aria-label]")) {
    const item = element.__data__?.[0] ?? element.__data__;
    if (!item?.datum || item.datum.said === undefined) continue;
    const { experiment, method, layer, line, key } = item.datum;
    const name = JSON.stringify([experiment, method, layer, line, key]);
    if (!lines.has(name)) lines.set(name, []);
    lines.get(name).push({ element, x: item.x, text: item.datum.said });
  }
  for (const points of lines.values()) points.sort((a, b) => a.x - b.x);
  return [...lines.values()];
}

function say(panel, point) {
  panel.plot.querySelector("path.at")?.classList.remove("at");
  const bubble = panel.element.querySelector(".bubble");
  bubble.hidden = point === null;
  if (point === null) return;
  point.element.classList.add("at");
  bubble.textContent = point.text;
  live.textContent = point.text;
  const box = point.element.getBoundingClientRect();
  const frame = panel.element.getBoundingClientRect();
  const left = box.left - frame.left + box.width / 2;
  bubble.style.top = `${box.bottom - frame.top + 6}px`;
  bubble.style.left = `${Math.max(0, Math.min(left - bubble.offsetWidth / 2, frame.width - bubble.offsetWidth))}px`;
}

/** Zooms by the signals of the selection that is bound to the scales; a factor of 0 shows everything again. */
async function zoom(panel, factor) {
  const names = Object.keys(panel.view.getState({ signals: (name) => /^zoom_(percent|place|iteration|weight|y)$/.test(name) }).signals);
  for (const name of names) {
    const scale = panel.view.scale(name === "zoom_y" ? "y" : "x");
    const [low, high] = scale.domain();
    if (factor === 0) panel.view.signal(name, null);
    else {
      const logarithmic = low > 0 && high > 0 && scale.type === "log";
      const [a, b] = logarithmic ? [Math.log(low), Math.log(high)] : [low, high];
      const [middle, half] = [(a + b) / 2, (b - a) / 2 / factor];
      const ends = [middle - half, middle + half];
      panel.view.signal(name, logarithmic ? ends.map(Math.exp) : ends);
    }
  }
  await panel.view.runAsync();
}

function walk(panel, event) {
  if (!panel.view || event.altKey || event.ctrlKey || event.metaKey) return;
  const zooms = { "+": ZOOM_STEP, "=": ZOOM_STEP, "-": 1 / ZOOM_STEP, 0: 0 };
  if (event.key in zooms) {
    event.preventDefault();
    say(panel, null);
    zoom(panel, zooms[event.key]);
    return;
  }
  if (event.key === "Escape") {
    panel.at = null;
    say(panel, null);
    return;
  }
  const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0], Home: [0, -1e9], End: [0, 1e9] };
  if (!(event.key in steps)) return;
  event.preventDefault();
  const lines = linesOf(panel);
  if (!lines.length) return;
  const [down, across] = panel.at === null ? [0, 0] : steps[event.key];
  const clamp = (value, count) => Math.max(0, Math.min(value, count - 1));
  const line = clamp((panel.at?.[0] ?? 0) + down, lines.length);
  const point = clamp((panel.at?.[1] ?? 0) + across, lines[line].length);
  panel.at = [line, point];
  say(panel, lines[line][point]);
}

function begin() {
  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((each) => each.isIntersecting)) {
        observer.unobserve(entry.target);
        const panel = panels.find((each) => each.element === entry.target);
        panel.near = true;
        update(panel, asked());
      }
    },
    { rootMargin: `${NARROW}px` }
  );
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const chart = charts[figure.dataset.chart];
    const rows = rowsOf(chart);
    chart.panels.forEach((given, index) => {
      const element = figure.querySelectorAll(".panel")[index];
      const has = Object.entries(given.where).map(([name, values]) => [name, new Set(values)]);
      const panel = {
        ...given,
        element,
        plot: element.querySelector(".plot"),
        rows: rows.filter((row) => has.every(([name, values]) => values.has(row[name]))),
        at: null,
        near: false,
      };
      panels.push(panel);
      panel.plot.addEventListener("keydown", (event) => walk(panel, event));
      panel.plot.addEventListener("blur", () => say(panel, null));
      element.querySelector(".reset").addEventListener("click", () => panel.view && zoom(panel, 0));
      element.querySelector(".closer").addEventListener("click", () => panel.view && zoom(panel, ZOOM_STEP));
      observer.observe(element);
    });
  }
  form?.addEventListener("input", updateAll);
  form?.addEventListener("submit", (event) => event.preventDefault());
  form?.addEventListener("reset", () => setTimeout(updateAll));
  for (const button of document.querySelectorAll("[data-tick]")) {
    button.addEventListener("click", () => {
      for (const box of button.closest("fieldset").querySelectorAll("input[type=checkbox]")) {
        box.checked = button.dataset.tick === "all";
      }
      updateAll();
    });
  }
}

// On a phone the open filters would hide what they filter.
if (window.innerWidth < 700) document.querySelector(".filters")?.removeAttribute("open");
if (form) begin();

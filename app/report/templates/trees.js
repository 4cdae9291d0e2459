// The browser of trees: a list of sentences that is sorted and filtered, and the trees of the chosen one side by side.
const banks = JSON.parse(document.getElementById("trees-data").textContent);
const root = document.getElementById("tree-browser");
const controls = root.querySelector("form");
const SVG = "http://www.w3.org/2000/svg";
const PAGE = 50; // sentences that are listed at a time
const LEVEL = 22; // pixels between levels of brackets
const GAP = 14; // pixels between words
const BAR = 26; // pixels of the longest distance
let bank = null;
let listed = [];
let shown = PAGE;
let current = null;

const byId = (id) => document.getElementById(id);
const percent = (value) => (100 * value).toFixed(0);

function element(name, attributes = {}, text = null) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}

function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Brackets over dots as nested lists of places of words. */
function parsed(text) {
  const open = [[]];
  let word = 0;
  for (const mark of text) {
    if (mark === "(") open.push([]);
    else if (mark === ")") {
      const done = open.pop();
      open.at(-1).push(done);
    } else open.at(-1).push(word++);
  }
  return open[0][0];
}

/** All brackets of a tree with their spans, from the inner to the outer ones, where they are drawn and their feet. */
function placed(tree, centres) {
  const found = [];
  const visit = (part) => {
    if (typeof part === "number") return { x: centres[part], level: 0, start: part, end: part + 1 };
    const feet = part.map(visit);
    const at = {
      x: (feet[0].x + feet.at(-1).x) / 2,
      level: 1 + Math.max(...feet.map((foot) => foot.level)),
      start: feet[0].start,
      end: feet.at(-1).end,
      feet,
    };
    found.push(at);
    return at;
  };
  if (tree !== undefined) visit(tree);
  return found;
}

const spans = (text) => new Set(placed(parsed(text), []).filter((each) => each.end - each.start > 1).map((each) => `${each.start},${each.end}`));

/** A tree as a picture; its brackets tell whether the gold tree has them. */
function picture({ text, words, unknown, gold, labels, distances, title }) {
  const widths = words.map((word) => Math.max(22, 7.6 * [...word].length + GAP));
  const centres = [];
  let right = 4;
  for (const width of widths) {
    centres.push(right + width / 2);
    right += width;
  }
  const brackets = placed(parsed(text), centres);
  const levels = Math.max(1, ...brackets.map((each) => each.level));
  const ground = 20 + levels * LEVEL;
  const height = ground + 26 + (distances ? BAR + 18 : 0);
  const svg = element("svg", { viewBox: `0 0 ${right + 4} ${height}`, width: right + 4, height, role: "img" });
  let place = 0;
  const read = text.replace(/\./g, () => (place ? " " : "") + words[place++]).replace(/\( /g, " (");
  svg.append(element("title", {}, `${title}: ${read}`));
  for (const at of brackets) {
    const whole = at.start === 0 && at.end === words.length;
    const kind = gold === null ? "plain" : whole ? "whole" : gold.has(`${at.start},${at.end}`) ? "same" : "other";
    const top = ground - at.level * LEVEL;
    const [first, last] = [at.feet[0], at.feet.at(-1)];
    const legs = at.feet.slice(1, -1).map((foot) => `M${foot.x},${top}V${ground - foot.level * LEVEL}`);
    const line = `M${first.x},${ground - first.level * LEVEL}V${top}H${last.x}V${ground - last.level * LEVEL}`;
    svg.append(element("path", { d: [line, ...legs].join(""), class: kind, "data-span": `${at.start},${at.end}` }));
    const named = labels.filter(([, start, end]) => start === at.start && end === at.end).map(([label]) => label);
    if (named.length) {
      const label = element("text", { x: at.x, y: top - 3, class: "label" }, [...new Set(named)].reverse().join("+"));
      svg.append(label);
    }
  }
  const least = distances ? Math.min(0, ...distances) : 0;
  const scale = distances ? BAR / (Math.max(...distances) - least || 1) : 0;
  words.forEach((word, index) => {
    const mark = element("text", { x: centres[index], y: ground + 16, class: unknown.has(index) ? "word unknown" : "word" }, word);
    if (unknown.has(index)) mark.append(element("title", {}, "unknown to the model"));
    svg.append(mark);
    if (distances) {
      const size = (distances[index] - least) * scale;
      svg.append(element("rect", { x: centres[index] - 7, y: ground + 24 + BAR - size, width: 14, height: size, class: "bar" }));
      svg.append(element("text", { x: centres[index], y: ground + 36 + BAR, class: "number" }, distances[index].toFixed(2)));
    }
  });
  return svg;
}

const chosenSet = () => bank.sets[Number(controls.elements.of.value)];

/** How many of a sentence's gold constituents of one label a tree brackets; null where it has none. */
function recall(index, label, set) {
  const gold = bank.labels[index].filter(([name]) => name.split(/[-=]/)[0] === label);
  if (!gold.length) return null;
  const found = spans(set.trees[index]);
  return gold.filter(([, start, end]) => found.has(`${start},${end}`)).length / gold.length;
}

const KEYS = {
  number: (index) => index,
  length: (index) => bank.words[index].length,
  f1: (index, set) => set.f1[index],
  label: (index, set, label) => recall(index, label, set) ?? 2,
  layers: (index) => bank.between_layers?.[index] ?? 0,
  seeds: (index) => bank.between_seeds?.[index] ?? 0,
};

function number(name, otherwise) {
  const text = controls.elements[name].value;
  return text === "" || !Number.isFinite(Number(text)) ? otherwise : Number(text);
}

function select() {
  const fields = controls.elements;
  const [set, label] = [chosenSet(), fields.label.value];
  const sought = fields.words.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const [shortest, longest] = [number("shortest", 0), number("longest", Infinity)];
  const [worst, best] = [number("worst", -1) / 100, number("best", 101) / 100];
  listed = bank.words.map((_, index) => index).filter((index) => {
    const words = bank.words[index];
    const f1 = set.f1[index];
    return (
      words.length >= shortest &&
      words.length <= longest &&
      f1 >= worst - 1e-9 &&
      f1 <= best + 1e-9 &&
      (!fields.unknown.checked || bank.unknown[index].length > 0) &&
      (label === "" || bank.labels[index].some(([name]) => name.split(/[-=]/)[0] === label)) &&
      sought.every((part) => words.some((word) => word.toLowerCase().includes(part)))
    );
  });
  const key = KEYS[fields.sort.value];
  const sign = fields.order.value === "up" ? 1 : -1;
  const values = new Map(listed.map((index) => [index, key(index, set, label)]));
  listed.sort((one, other) => sign * (values.get(one) - values.get(other)) || one - other);
  shown = PAGE;
}

function sentence(index) {
  const unknown = new Set(bank.unknown[index]);
  const parts = bank.words[index].flatMap((word, place) => {
    const mark = unknown.has(place) ? node("span", { class: "unknown", title: "unknown to the model" }, word) : word;
    return place ? [" ", mark] : [mark];
  });
  const button = node("button", { type: "button", class: "sentence" }, ...parts);
  button.addEventListener("click", () => show(index));
  return button;
}

function list() {
  const [set, label] = [chosenSet(), controls.elements.label.value];
  const body = root.querySelector("tbody");
  body.replaceChildren(
    ...listed.slice(0, shown).map((index) => {
      const found = label ? recall(index, label, set) : null;
      const cells = [String(bank.words[index].length), percent(set.f1[index])];
      if (label) cells.push(found === null ? "–" : percent(found));
      if (bank.between_layers) cells.push(percent(bank.between_layers[index]));
      if (bank.between_seeds) cells.push(percent(bank.between_seeds[index]));
      const row = node("tr", {}, node("td", {}, String(index + 1)), node("th", { scope: "row", class: "words" }, sentence(index)));
      row.append(...cells.map((text) => node("td", {}, text)));
      if (index === current) row.setAttribute("aria-current", "true");
      return row;
    })
  );
  const heads = ["No.", "Sentence", "Words", "F1, %"];
  if (label) heads.push(`Recall of ${label}, %`);
  if (bank.between_layers) heads.push("Layers differ, %");
  if (bank.between_seeds) heads.push("Seeds differ, %");
  root.querySelector("thead tr").replaceChildren(
    ...heads.map((text) => node("th", text === "Sentence" ? { scope: "col", class: "words" } : { scope: "col" }, text))
  );
  const mean = listed.length ? listed.reduce((sum, index) => sum + set.f1[index], 0) / listed.length : 0;
  byId("trees-found").textContent = listed.length
    ? `${listed.length.toLocaleString("en")} of ${bank.words.length.toLocaleString("en")} sentences, mean F1 ${(100 * mean).toFixed(1)} %.`
    : "No sentence is like that.";
  byId("trees-more").hidden = listed.length <= shown;
}

/** The sets of trees that are ticked, in their order. */
function ticked() {
  return [...root.querySelectorAll("#trees-sets input:checked")].map((box) => bank.sets[Number(box.value)]);
}

function show(index) {
  current = index;
  const place = byId("trees-shown");
  const words = bank.words[index];
  const unknown = new Set(bank.unknown[index]);
  const gold = spans(bank.gold[index]);
  const several = new Set(bank.sets.map((set) => set.training)).size > 1;
  const figure = (title, remark, options) =>
    node("figure", { class: "tree" }, node("figcaption", {}, node("strong", {}, title), ` ${remark}`), node("div", { class: "scroll", tabindex: "0" }, picture({ words, unknown, title, ...options })));
  place.replaceChildren(
    node("h3", { tabindex: "-1" }, `Sentence ${index + 1}`),
    figure("Gold", "", { text: bank.gold[index], gold: null, labels: bank.labels[index], distances: null }),
    ...ticked().map((set) => {
      const title = `${several ? `${set.training}, ` : ""}${set.layer}, ${set.builder}`;
      const distances = set.distances === null ? null : bank.distances[set.distances][index];
      return figure(title, `F1 ${percent(set.f1[index])} %`, { text: set.trees[index], gold, labels: [], distances });
    })
  );
  for (const row of root.querySelectorAll("tbody tr")) row.removeAttribute("aria-current");
  const at = listed.indexOf(index);
  if (at >= 0 && at < shown) root.querySelectorAll("tbody tr")[at]?.setAttribute("aria-current", "true");
}

function refresh() {
  select();
  list();
  if (listed.length && !listed.includes(current)) show(listed[0]);
}

function choose(place) {
  bank = banks[place];
  const name = (set) => `${set.training}, ${set.layer}, ${set.builder}`;
  const mean = (set) => set.f1.reduce((sum, value) => sum + value, 0) / (set.f1.length || 1);
  const best = bank.sets.reduce((most, set, index) => (mean(set) > mean(bank.sets[most]) ? index : most), 0);
  const trainings = new Set(bank.sets.map((set) => set.training));
  controls.elements.of.replaceChildren(
    ...bank.sets.map((set, index) => new Option(`${name(set)} (${(100 * mean(set)).toFixed(1)} %)`, index, false, index === best))
  );
  // At first one builder's trees, of every layer of one training, or of the best set of each of several.
  const bestOf = new Map();
  bank.sets.forEach((set, index) => {
    if (!bestOf.has(set.training) || mean(set) > mean(bank.sets[bestOf.get(set.training)])) bestOf.set(set.training, index);
  });
  const first = (set, index) =>
    trainings.size > 1 ? bestOf.get(set.training) === index : set.builder === bank.sets[0].builder;
  byId("trees-sets").replaceChildren(
    ...bank.sets.map((set, index) => {
      const box = node("input", { type: "checkbox", value: index });
      box.checked = first(set, index);
      return node("label", {}, box, ` ${name(set)}`);
    })
  );
  const labels = [...new Set(bank.labels.flat().map(([label]) => label.split(/[-=]/)[0]))].filter(Boolean).sort();
  controls.elements.label.replaceChildren(new Option("any", ""), ...labels.map((label) => new Option(label, label)));
  controls.elements.label.disabled = !labels.length;
  for (const [value, there] of [["label", labels.length], ["layers", bank.between_layers], ["seeds", bank.between_seeds]]) {
    controls.querySelector(`option[value=${value}]`).disabled = !there;
  }
  const left = byId("trees-left-out");
  left.hidden = bank.left_out === 0;
  left.textContent = `${bank.left_out.toLocaleString("en")} more sentences are left out, so that the page loads fast; report on fewer runs for all.`;
  current = null;
  refresh();
}

controls.addEventListener("input", (event) => {
  if (event.target.name === "bank") choose(Number(event.target.value));
  else if (event.target.name === "label" && event.target.value && controls.elements.sort.value === "number") {
    controls.elements.sort.value = "label";
    refresh();
  } else if (event.target.closest("#trees-sets")) show(current);
  else refresh();
});
controls.addEventListener("submit", (event) => event.preventDefault());
byId("trees-more").addEventListener("click", () => {
  shown += PAGE;
  list();
});
choose(0);

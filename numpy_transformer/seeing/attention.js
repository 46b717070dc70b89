// Attention: point at a word, and every head lights up the words that it looks at.
"use strict";

/** Fill `root` with the attention of view.py: a list of kinds, each {title, explanation, queries, keys, weights}. */
function showAttention(root, kinds) {
  const panel = make("div");
  const choices = kinds.map((kind, index) => {
    const show = () => showKind(panel, kind);
    const input = make("input", { type: "radio", name: "attention-kind", onchange: show });
    input.checked = index === 0;
    return make("label", {}, input, make("span", {}, kind.title));
  });
  root.replaceChildren(make("div", { class: "kinds", role: "radiogroup", "aria-label": "Kind of attention" }, ...choices), panel);
  showKind(panel, kinds[0]);
}

function showKind(panel, kind) {
  const queries = wordsOf(kind.queries);
  const keys = wordsOf(kind.keys);
  const layers = kind.weights.length;
  const heads = kind.weights[0].length;
  let chosen = { layer: null, head: null }; // null: the mean of all
  let selected = queries[0];

  // --- What the heads say ---
  const chosenHeads = () =>
    kind.weights.flatMap((layer, l) =>
      chosen.layer === null || chosen.layer === l ? layer.filter((_, h) => chosen.head === null || chosen.head === h) : [],
    );
  const meanWeight = (maps, q, k) => sum(maps.map((map) => map[q][k])) / maps.length / 1000;
  // How much of a query word's attention goes to a key word: the mean of its tokens, the sum over the other's.
  const wordWeight = (maps, query, key) =>
    sum(query.tokens.map((q) => sum(key.tokens.map((k) => meanWeight(maps, q, k))))) / query.tokens.length;

  // --- The two sentences ---
  const keyChips = keys.map((word) => make("span", { class: "word" }, make("span", { class: "whole" }, ...pieces(word)), make("small")));
  const queryChips = queries.map((word) => {
    const look = () => select(word);
    return make("button", { type: "button", class: "word", onfocus: look, onpointerenter: look, onclick: look }, make("span", { class: "whole" }, ...pieces(word)));
  });
  const queryRow = make("div", { class: "words queries", dir: "auto", role: "toolbar", "aria-label": "Words that look: choose one" }, ...queryChips);
  const keyRow = make("div", { class: "words keys", dir: "auto", "aria-label": "Words that are looked at" }, ...keyChips);
  const links = makeSvg("svg", { class: "links", "aria-hidden": "true" });
  const sentences = make("div", { class: "sentences" }, keyRow, links, queryRow);
  const readout = make("p", { class: "readout", "aria-live": "polite" });
  moveWithArrows(queryRow, queryChips);

  // --- All heads, small ---
  const cards = kind.weights.flatMap((layer, l) =>
    layer.map((map, h) => {
      const canvas = make("canvas", { width: kind.keys.length, height: kind.queries.length });
      const top = make("span", { class: "top" });
      const choose = () => chooseHeads(chosen.layer === l && chosen.head === h ? {} : { layer: l, head: h });
      const frame = make("span", { class: "frame" }, canvas, make("span", { class: "row" }));
      const card = make("button", { type: "button", class: "head", onclick: choose }, frame, top);
      return { l, h, map, canvas, top, card };
    }),
  );
  const layerButtons = kind.weights.map((_, l) =>
    make("button", { type: "button", class: "layer", title: `mean of layer ${l + 1}`, onclick: () => chooseHeads({ layer: l }) }, `layer ${l + 1}`),
  );
  const allButton = make("button", { type: "button", class: "layer", onclick: () => chooseHeads({}) }, "all");
  const grid = make("div", { class: "heads", role: "toolbar", "aria-label": "Layers and heads: choose one to enlarge it" });
  grid.style.setProperty("--heads", heads);
  grid.style.setProperty("--shape", `${kind.keys.length} / ${kind.queries.length}`);
  grid.append(allButton, ...Array.from({ length: heads }, (_, h) => make("span", { class: "column" }, `head ${h + 1}`)));
  layerButtons.forEach((button, l) => grid.append(button, ...cards.filter((one) => one.l === l).map((one) => one.card)));
  moveWithArrows(grid, [...grid.querySelectorAll("button")]);

  // --- The chosen ones, large ---
  const large = largeMap(kind, (q) => select(queries.find((word) => word.tokens.includes(q))), (text) => (readout.textContent = text));
  const title = make("h3");

  function chooseHeads({ layer = null, head = null }) {
    chosen = { layer, head };
    const isAll = layer === null;
    title.textContent = isAll ? `Mean of all ${layers * heads} heads` : head === null ? `Mean of layer ${layer + 1}` : `Layer ${layer + 1}, head ${head + 1}`;
    allButton.setAttribute("aria-pressed", isAll);
    layerButtons.forEach((button, l) => button.setAttribute("aria-pressed", head === null && layer === l));
    cards.forEach(({ l, h, card }) => card.setAttribute("aria-pressed", layer === l && head === h));
    const maps = chosenHeads();
    large.draw((q, k) => meanWeight(maps, q, k));
    select(selected);
  }

  function select(word) {
    selected = word;
    const maps = chosenHeads();
    const weights = keys.map((key) => wordWeight(maps, word, key));
    keyChips.forEach((chip, index) => light(chip, weights[index]));
    keyChips.forEach((chip, index) => (chip.lastChild.textContent = weights[index] >= 0.01 ? percent(weights[index]) : ""));
    queryChips.forEach((chip, index) => chip.setAttribute("aria-pressed", queries[index] === word));
    const best = [...keys.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, 3).filter((index) => weights[index] >= 0.01);
    readout.textContent = `${word.text} looks at ${best.map((index) => `${keys[index].text} ${percent(weights[index])}`).join(", ")}`;
    for (const { l, h, map, top, card } of cards) {
      const own = keys.map((key) => wordWeight([map], word, key));
      const index = own.indexOf(Math.max(...own));
      top.textContent = keys[index].text;
      light(top, own[index]);
      card.setAttribute("aria-label", `Layer ${l + 1}, head ${h + 1}: ${word.text} looks at ${keys[index].text}, ${percent(own[index])}`);
    }
    const [first, count] = [word.tokens[0], word.tokens.length];
    for (const box of [grid, large.element]) {
      box.style.setProperty("--row", first / kind.queries.length);
      box.style.setProperty("--rows", count / kind.queries.length);
    }
    large.mark(word.tokens);
    drawLinks(weights);
  }

  function drawLinks(weights) {
    const frame = links.getBoundingClientRect();
    const from = queryChips[queries.indexOf(selected)].getBoundingClientRect();
    const [x, start] = [from.left + from.width / 2 - frame.left, from.top - frame.top];
    links.replaceChildren(
      ...weights.map((weight, index) => {
        const to = keyChips[index].getBoundingClientRect();
        const [toX, end] = [to.left + to.width / 2 - frame.left, to.bottom - frame.top];
        const path = `M${x},${start} C${x},${frame.height / 3} ${toX},${frame.height / 2} ${toX},${end}`;
        return makeSvg("path", { d: path, "stroke-width": 1 + 7 * weight, "stroke-opacity": Math.min(1, weight * 1.3) });
      }),
    );
  }

  function paint() {
    const colour = heatColour(panel);
    cards.forEach(({ map, canvas }) => paintMap(canvas, 1, 0, colour, kind, (q, k) => map[q][k] / 1000));
    chooseHeads(chosen);
  }

  panel.replaceChildren(
    make("p", { class: "soft" }, kind.explanation),
    sentences,
    readout,
    make("div", { class: "panels" }, make("section", { class: "large" }, title, large.element), make("section", { class: "all" }, make("h3", {}, "Every layer and head"), grid)),
  );
  paint();
  new ResizeObserver(() => panel.contains(sentences) && select(selected)).observe(sentences);
  matchMedia("(prefers-color-scheme: dark)").onchange = () => panel.contains(sentences) && paint();
}

/** A heat map with its labels. `draw` takes the weight of a cell; pointing at one, or arrow keys, tell of it. */
function largeMap(kind, selectRow, tell) {
  const [rows, columns] = [kind.queries.length, kind.keys.length];
  const canvas = make("canvas", { width: 20 * columns, height: 20 * rows });
  const rowLabels = kind.queries.map((token) => make("span", {}, ...labelled(token.label)));
  const columnLabels = kind.keys.map((token) => make("span", {}, ...labelled(token.label)));
  const cells = make("div", { class: "cells", tabindex: 0, role: "group", "aria-label": "Heat map: arrow keys move from cell to cell" });
  cells.append(canvas, make("span", { class: "row" }), make("span", { class: "cell" }));
  let weight = () => 0;
  let at = [0, 0];

  function point(q, k) {
    at = [q, k];
    selectRow(q);
    cells.style.setProperty("--q", q);
    cells.style.setProperty("--k", k);
    columnLabels.forEach((label, index) => label.classList.toggle("on", index === k));
    tell(`${kind.queries[q].label} → ${kind.keys[k].label}: ${percent(weight(q, k))}`);
  }
  cells.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const q = Math.floor(((event.clientY - box.top) / box.height) * rows);
    const k = Math.floor(((event.clientX - box.left) / box.width) * columns);
    if (q >= 0 && q < rows && k >= 0 && k < columns && (q !== at[0] || k !== at[1])) point(q, k);
  });
  cells.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    point(Math.min(rows - 1, Math.max(0, at[0] + step[0])), Math.min(columns - 1, Math.max(0, at[1] + step[1])));
  });

  const element = make(
    "div",
    { class: "map" },
    make("div", { class: "column-labels", "aria-hidden": "true" }, ...columnLabels),
    make("div", { class: "row-labels", "aria-hidden": "true" }, ...rowLabels),
    cells,
  );
  element.style.setProperty("--columns", columns);
  element.style.setProperty("--count", rows);
  element.style.setProperty("--longest", Math.max(...kind.queries.map(({ label }) => label.length)));
  return {
    element,
    draw(newWeight) {
      weight = newWeight;
      paintMap(canvas, 20, 1, heatColour(element), kind, weight);
    },
    mark: (tokens) => rowLabels.forEach((label, index) => label.classList.toggle("on", tokens.includes(index))),
  };
}

/** Tokens that make up a word, side by side: [{tokens: [3, 4], pieces: ["run", "ning"], text: "running"}, ...]. */
function wordsOf(tokens) {
  const words = [];
  tokens.forEach((token, index) => {
    if (index > 0 && token.group === tokens[index - 1].group) words.at(-1).tokens.push(index);
    else words.push({ tokens: [index] });
  });
  for (const word of words) {
    const texts = word.tokens.map((index) => tokens[index].text).filter(Boolean); // a token may end no character
    word.pieces = texts.length ? texts : word.tokens.map((index) => tokens[index].label);
    word.text = word.pieces.join("");
  }
  return words;
}

const pieces = (word) => word.pieces.map((text) => make("span", { class: "piece" }, ...labelled(text)));

/** Colour an element by a weight from 0 to 1. */
function light(element, weight) {
  element.style.setProperty("--light", percent(weight));
  element.classList.toggle("bright", weight > 0.5);
}

const heatColour = (element) => getComputedStyle(element.isConnected ? element : document.querySelector(".seeing")).getPropertyValue("--heat");

/** Draw weight(q, k) as squares of `size` pixels with gaps between them. */
function paintMap(canvas, size, gap, colour, kind, weight) {
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = colour;
  kind.queries.forEach((_, q) =>
    kind.keys.forEach((_, k) => {
      pen.globalAlpha = weight(q, k);
      pen.fillRect(k * size, q * size, size - gap, size - gap);
    }),
  );
}

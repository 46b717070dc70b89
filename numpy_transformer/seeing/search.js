// Beam search as a tree that grows step by step.
"use strict";

/** Fill `root` with the search of view.py: {beam, alpha, chapters, finished, reason}. */
function showSearch(root, search) {
  const { beam, alpha, chapters, finished, reason } = search;
  const last = chapters.length;
  let now = last; // the step that is shown, from 1
  let playing = null;

  // --- Moving through the steps ---
  const button = (label, text, act) => make("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
  const slider = make("input", { type: "range", min: 1, max: last, "aria-label": "Step of the search", oninput: () => move(+slider.value) });
  const playButton = button("Play", "play", () => (playing ? pause() : play()));
  const count = make("span", { class: "soft count" });
  const controls = make("div", { class: "controls" },
    button("First step", "«", () => move(1)), button("Step back", "‹", () => move(now - 1)), slider,
    button("Step forward", "›", () => move(now + 1)), button("Last step", "»", () => move(last)), playButton, count);

  function play() {
    if (now === last) show(1);
    playButton.textContent = "pause";
    playing = setInterval(() => (now < last && root.contains(controls) ? show(now + 1) : pause()), 900);
  }
  function pause() {
    clearInterval(playing);
    playing = null;
    playButton.textContent = "play";
  }
  function move(step) {
    pause();
    show(Math.min(last, Math.max(1, step)));
  }

  // --- The tree ---
  const tree = drawTree(search);
  const scroller = make("div", { class: "tree", tabindex: 0, role: "group", "aria-label": "Tree of the search: arrow keys step", onkeydown: arrows }, tree.svg);
  function arrows(event) {
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 1, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  }

  // --- What the step says ---
  const events = make("ul", { class: "events", "aria-live": "polite" });
  const candidates = make("tbody");
  const done = make("tbody");
  const why = make("p", { class: "why" });
  const doneTable = make("section", {}, make("h3", {}, "Finished so far"), table("translation log-probability penalty score step", done));

  function show(step) {
    now = step;
    const { branches, penalty, events: told } = chapters[step - 1];
    slider.value = step;
    count.textContent = `step ${step} of ${last}`;
    tree.show(step);
    const x = tree.right(step);
    if (x > scroller.scrollLeft + scroller.clientWidth || x < scroller.scrollLeft + 160) scroller.scrollLeft = x - scroller.clientWidth;
    events.replaceChildren(...told.map((text) => make("li", {}, typeset(text))));
    const rows = branches.filter((branch) => branch.total !== null).map((branch) => {
      const place = branches.indexOf(branch);
      const look = () => tree.light(step, place);
      const fate = branch.fate === "live" ? "goes on" : branch.fate;
      const text = make("td", { class: "text" }, ...lastPieceBold(branch));
      return make("tr", { class: `${branch.fate}${branch.wins ? " wins" : ""}`, onpointerenter: look, onfocus: look, onpointerleave: () => tree.light(null), onblur: () => tree.light(null) },
        make("td", {}, `${place + 1}`), text,
        ...[branch.log_probability, branch.total, branch.score].map((value) => make("td", {}, decimal(value))), make("td", {}, fate));
    });
    candidates.replaceChildren(...rows);
    moveWithArrows(candidates, rows, 1);
    head.textContent = `Step ${step}: the ${beam === 1 ? "best of all continuations is" : `${beam} best of all continuations are`} kept`;
    formula.textContent = `score = total / penalty, and the penalty is ((5 + ${step}) / 6)^${alpha} = ${decimal(penalty)} here`;
    const ended = finished.filter((one) => one.step <= step);
    doneTable.hidden = !ended.length;
    done.replaceChildren(...ended.map((one, index) => {
      const look = () => tree.light(one.step, one.place);
      return make("tr", { class: index === 0 && step === last ? "wins" : "", onpointerenter: look, onpointerleave: () => tree.light(null) },
        make("td", { class: "text" }, one.text),
        ...[one.log_probability, one.penalty, one.score].map((value) => make("td", {}, decimal(value))), make("td", {}, `${one.step}`));
    }));
    why.textContent = step === last ? typeset(reason) : "";
  }

  const head = make("h3");
  const formula = make("p", { class: "soft" });
  const legend = make("p", { class: "legend soft" }, ...["wins the path to the winner", "live open", "finished finished", "dead led nowhere", "dropped dropped here"].map((entry) => {
    const [name, ...words] = entry.split(" ");
    return make("span", {}, make("i", { class: name }), words.join(" "));
  }));
  const step = make("section", {}, head, formula, table("place hypothesis log-probability total score fate", candidates));
  root.replaceChildren(controls, scroller, legend, events, why, make("div", { class: "tables" }, step, doneTable));
  show(last);
}

const table = (columns, body) =>
  make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, ...columns.split(" ").map((name) => make("th", { scope: "col" }, name)))), body));

/** A branch's text, its last token in bold. */
function lastPieceBold({ text, token }) {
  const piece = token.replace(/^␣/, "");
  if (!text.endsWith(piece)) return [text.replace(/\uFFFD$/, ""), make("b", {}, ...labelled(token))]; // a part of a character
  return [text.slice(0, text.length - piece.length), make("b", {}, piece)];
}

/** The tree as SVG: a column for each step, from the best candidate at the top to the worst. */
function drawTree({ beam, chapters }) {
  const [rowHeight, nodeHeight, gap, top] = [36, 26, 44, 28];
  const svg = makeSvg("svg", { role: "img" });
  const rows = Math.max(...chapters.map(({ branches }) => branches.length));
  const edges = makeSvg("g");
  const nodes = makeSvg("g");
  const columns = [];
  let x = 46;
  svg.append(makeSvg("rect", { class: "root", x: 6, y: top + 6, width: 14, height: 14, rx: 7 }), edges, nodes);
  chapters.forEach(({ branches }, index) => {
    const width = 18 + 8.2 * Math.max(...branches.map(({ token }) => token.length));
    const title = makeSvg("text", { class: "step", x: x + width / 2, y: 14 }, `${index + 1}`);
    nodes.append(title);
    const column = branches.map((branch, place) => {
      if (branch.total === null) return null;
      const y = top + place * rowHeight + (place >= beam ? 12 : 0);
      const parent = index === 0 ? null : columns[index - 1].column[branch.parent];
      const [fromX, fromY] = parent ? [parent.x + parent.width, parent.y + nodeHeight / 2] : [20, top + 13];
      const middle = (fromX + x) / 2;
      const d = `M${fromX},${fromY} C${middle},${fromY} ${middle},${y + nodeHeight / 2} ${x},${y + nodeHeight / 2}`;
      const edge = makeSvg("path", { d, "stroke-width": 1 + 4 * Math.exp(branch.log_probability) });
      const node = makeSvg("g", {}, makeSvg("title", {}, `${branch.text} (${decimal(branch.total)})`),
        makeSvg("rect", { x, y, width, height: nodeHeight, rx: 7 }), makeSvg("text", { x: x + width / 2, y: y + 17.5 }, ...labelled(branch.token, makeSvg, "tspan")));
      edges.append(edge);
      nodes.append(node);
      return { branch, parent, x, y, width, edge, node };
    });
    columns.push({ title, column, right: x + width });
    x += width + gap;
  });
  const width = x - gap + 8;
  const height = top + rows * rowHeight + 12;
  furnish(svg, { viewBox: `0 0 ${width} ${height}`, width, height }, []);

  const wayTo = (one) => (one ? [...wayTo(one.parent), one] : []);
  return {
    svg,
    right: (step) => columns[step - 1].right + 24,
    show(step) {
      svg.setAttribute("aria-label", `Beam search after step ${step} of ${chapters.length}`);
      const open = new Set(columns[step - 1].column.slice(0, beam).flatMap(wayTo));
      columns.forEach(({ title, column }, index) => {
        title.classList.toggle("now", index === step - 1);
        column.forEach((one, place) => {
          if (!one) return;
          const isShown = index < step && (place < beam || index === step - 1);
          const { fate, wins } = one.branch;
          const state = fate !== "live" ? fate : open.has(one) ? "live" : "dead";
          for (const part of [one.edge, one.node]) {
            part.setAttribute("class", `${part === one.edge ? "edge" : "node"} ${state}${wins ? " wins" : ""}`);
            part.toggleAttribute("hidden", !isShown);
          }
        });
      });
    },
    light(step, place) {
      const way = new Set(step === null ? [] : wayTo(columns[step - 1].column[place]));
      columns.forEach(({ column }) => column.forEach((one) => one && [one.edge, one.node].forEach((part) => part.classList.toggle("lit", way.has(one)))));
    },
  };
}

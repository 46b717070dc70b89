// One sentence through every array of the model: boxes, lines of code, and the array of a line as colours and numbers.
"use strict";

/** The numbers of an array: 16-bit floats relative to its largest entry, decoded when it is first shown. */
function numbersOf(array) {
  if (array.values) return array.values;
  const bytes = Uint8Array.from(atob(array.data), (letter) => letter.charCodeAt(0));
  const halves = new Uint16Array(bytes.buffer);
  array.values = Float64Array.from(halves, (half) => array.scale * fromHalf(half));
  return array.values;
}

function fromHalf(half) {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
}

const short = (number) => typeset(number === 0 ? "0" : Math.abs(number) >= 1e-3 && Math.abs(number) < 1e4 ? number.toPrecision(3) : number.toExponential(2));

function showTrace(container, view) {
  const { steps, boxes } = view;
  let current = -1;
  let cursor = { slice: 0, row: 0, column: 0 };

  const slider = make("input", { type: "range", min: 0, max: steps.length - 1, value: 0, "aria-label": "Array", oninput: () => show(Number(slider.value)) });
  const place = make("output", { "aria-live": "off" });
  const walk = make("div", { class: "walk" },
    make("button", { onclick: () => show(current - 1), "aria-label": "Previous array" }, "← previous"),
    make("button", { onclick: () => show(current + 1), "aria-label": "Next array" }, "next →"), slider, place);
  const lines = make("div", { class: "lines", role: "group", "aria-label": "Lines of code of this part" });
  const detail = make("section", { "aria-label": "The array" });
  const parts = boxButtons();
  container.append(make("div", { class: "stage" }, walk, parts.nav, make("div", {}, lines, detail)));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "n") show(current + 1);
    if (event.key === "p") show(current - 1);
  });
  show(0);

  function boxButtons() {
    const buttons = new Map();
    const nav = make("nav", { class: "boxes", "aria-label": "Parts of the model" });
    const add = (direction, order) => {
      nav.append(make("h2", {}, direction === "forward" ? "Forward ↓" : "Backward ↑"));
      for (const number of order) {
        const box = boxes[number];
        if (!box[direction].length) continue;
        const kind = box.title.startsWith("Encoder") ? "encoder" : box.title.startsWith("Decoder") ? "decoder" : "other";
        const button = make("button", { class: `${kind} ${direction === "forward" ? "" : "back"}`, onclick: () => show(box[direction][0]) }, box.title);
        buttons.set(`${number} ${direction}`, button);
        nav.append(button);
      }
    };
    const inOrder = (direction) => boxes.map((_, i) => i).sort((a, b) => (boxes[a][direction][0] ?? 0) - (boxes[b][direction][0] ?? 0));
    add("forward", inOrder("forward"));
    add("backward", inOrder("backward"));
    moveWithArrows(nav, [...buttons.values()], 1);
    return { nav, buttons };
  }

  function show(number) {
    if (number < 0 || number >= steps.length || number === current) return;
    const before = steps[current];
    const step = steps[number];
    current = number;
    slider.value = number;
    place.textContent = `array ${number + 1} of ${steps.length}`;
    const direction = step.backward ? "backward" : "forward";
    if (!before || before.box !== step.box || before.backward !== step.backward) listLines(boxes[step.box][direction]);
    for (const [key, button] of parts.buttons) {
      const on = key === `${step.box} ${direction}`;
      button.setAttribute("aria-current", on);
      if (on) keepInView(parts.nav, button);
    }
    for (const button of lines.children) {
      const on = Number(button.dataset.step) === number;
      button.setAttribute("aria-current", on);
      if (on) keepInView(lines, button);
    }
    cursor = { slice: 0, row: 0, column: 0 };
    showArray(step);
  }

  function keepInView(list, item) {
    const top = item.offsetTop - list.offsetTop;
    if (top < list.scrollTop || top + item.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top - list.clientHeight / 2;
  }

  function listLines(numbers) {
    const buttons = numbers.map((number) => {
      const step = steps[number];
      return make("button", { "data-step": number, class: step.backward && "back", onclick: () => show(number) },
        make("b", {}, step.name), ` ${step.code} `, make("small", {}, step.path.split(".").slice(3).join(".")));
    });
    lines.replaceChildren(...buttons);
    moveWithArrows(lines, buttons, 1);
  }

  function showArray(step) {
    const array = view.arrays[step.array];
    const values = numbersOf(array);
    const [slices, rows, columns] = array.shape;
    const readout = make("p", { class: "readout", "aria-live": "polite" });
    const window = make("div", { class: "window" });
    const rowName = (row) => step.rows[row] ?? String(row + 1);
    const columnName = (column) => step.columns[column] ?? String(column + 1);
    const at = (slice, row, column) => values[(slice * rows + row) * columns + column];
    const point = (slice, row, column) => {
      cursor = { slice, row, column };
      const head = slices > 1 ? `head ${slice + 1}, ` : "";
      readout.textContent = `${head}row ${rowName(row)}, column ${columnName(column)}: ${short(at(slice, row, column))}`;
      window.replaceChildren(numberTable());
    };
    const numberTable = () => {
      const { slice, row, column } = cursor;
      const first = (position, size, shown) => Math.max(0, Math.min(position - Math.floor(shown / 2), size - shown));
      const top = first(row, rows, 8), left = first(column, columns, 6);
      const across = [...Array(Math.min(6, columns)).keys()].map((i) => left + i);
      const down = [...Array(Math.min(8, rows)).keys()].map((i) => top + i);
      return make("table", {}, make("thead", {}, make("tr", {}, make("td", {}), ...across.map((i) => make("th", {}, columnName(i))))),
        make("tbody", {}, ...down.map((r) => make("tr", {}, make("th", {}, rowName(r)),
          ...across.map((c) => make("td", { class: r === row && c === column && "here" }, short(at(slice, r, c))))))));
    };
    const pictures = [...Array(slices).keys()].map((slice) => {
      const canvas = make("canvas", { width: columns, height: rows, tabindex: 0, role: "img", "aria-label": `${step.name} as colours; arrow keys move through its numbers`,
        onmousemove: (event) => {
          const box = canvas.getBoundingClientRect();
          const inside = (share, size) => Math.max(0, Math.min(size - 1, Math.floor(share * size)));
          point(slice, inside((event.clientY - box.top) / box.height, rows), inside((event.clientX - box.left) / box.width, columns));
        },
        onfocus: () => cursor.slice !== slice && point(slice, 0, 0),
        onkeydown: (event) => {
          const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [0, 0];
          if (!down && !right) return;
          event.preventDefault();
          point(slice, Math.max(0, Math.min(rows - 1, cursor.row + down)), Math.max(0, Math.min(columns - 1, cursor.column + right)));
        } });
      paint(canvas, values.subarray(slice * rows * columns, (slice + 1) * rows * columns), array.scale);
      return make("div", { class: "slice", style: `--height: ${Math.max(16, Math.min(420, rows * Math.max(6, Math.min(22, 420 / rows))))}px` }, slices > 1 ? make("small", {}, `head ${slice + 1}`) : "", canvas);
    });
    const cut = step.shape.length > 1 && step.shape.at(-1) > columns ? `, the first ${columns} columns shown` : "";
    const chosen = step.shape.length > 1 && step.shape.at(-2) > rows ? `, the ${rows} rows with the largest entries shown` : "";
    const facts = [
      ["shape", `(${step.shape.join(", ")})${cut}${chosen}`],
      ["numbers", `from ${short(step.least)} to ${short(step.largest)}, length ${short(step.norm)}`],
      ["line", make("code", {}, step.code)],
      ["in", make("span", {}, make("code", {}, step.function), ` (${step.file}, line ${step.line})`, step.path ? make("span", {}, ", with ", make("code", {}, step.path)) : "")],
    ];
    if (step.oracle) facts.push(["oracle", oracleLine(step)]);
    const derivation = view.derivations[step.module];
    detail.replaceChildren(
      make("h2", {}, make("code", {}, step.name)),
      make("dl", { class: "facts" }, ...facts.flatMap(([term, text]) => [make("dt", {}, term), make("dd", {}, text)])),
      make("pre", { class: "formula" }, formulaOf(derivation, step)),
      make("div", { class: "slices", style: `--least: ${slices > 1 ? "11rem" : "100%"}` }, ...pictures),
      readout, window,
      make("details", {}, make("summary", {}, `The whole derivation (${step.file})`), make("pre", {}, derivation)));
    point(0, 0, 0);
  }

  function oracleLine(step) {
    const { index, ours, oracle } = step.oracle;
    const off = Math.abs(ours - oracle) / Math.max(Math.abs(ours), 1e-300);
    return make("span", {}, `entry (${index.join(", ")}), the largest: ${typeset(ours.toPrecision(10))} here, ${typeset(oracle.toPrecision(10))} by moving the number in the forward `,
      make("b", { class: off < 1e-8 && "agrees" }, off < 1e-8 ? "✓ they agree" : `they differ by ${(100 * off).toPrecision(2)}%`));
  }

  /** The formulas of a file's docstring: what is indented before "Derivation", or after it for a gradient. */
  function formulaOf(docstring, step) {
    const [before, after = ""] = docstring.split(/^Derivation/m);
    const indented = (text) => text.split("\n").filter((line) => line.startsWith("    ")).map((line) => line.slice(4)).join("\n");
    return indented(step.backward ? after : before) || indented(docstring) || docstring.split("\n")[0];
  }

  function paint(canvas, values, scale) {
    const style = getComputedStyle(canvas.isConnected ? canvas : container);
    const colours = [style.getPropertyValue("--negative"), style.getPropertyValue("--positive")].map((text) => text.trim().split(/\s+/).map(Number));
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    values.forEach((value, i) => {
      image.data.set(colours[value < 0 ? 0 : 1], 4 * i);
      image.data[4 * i + 3] = 255 * Math.sqrt(Math.min(1, Math.abs(value) / scale));
    });
    context.putImageData(image, 0, 0);
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => showArray(steps[current]));
}

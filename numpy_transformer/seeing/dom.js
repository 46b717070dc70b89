// Shared by the views: making elements, moving the focus with arrow keys, formatting numbers.
"use strict";

/** make("p", {class: "soft", onclick: act}, "text", child): an element. Values false, null and undefined are left out. */
function make(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

function makeSvg(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** One stop for the tab key among the items of a container; arrow keys move between them, `columns` to a row. */
function moveWithArrows(container, items, columns = items.length) {
  const reach = (item) => items.forEach((one) => one.setAttribute("tabindex", one === item ? 0 : -1));
  reach(items[0]);
  container.addEventListener("focusin", (event) => items.includes(event.target) && reach(event.target));
  container.addEventListener("keydown", (event) => {
    const at = items.indexOf(event.target);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const ends = { Home: 0, End: items.length - 1 };
    const to = event.key in steps ? at + steps[event.key] : ends[event.key];
    if (at < 0 || !items[to]) return;
    event.preventDefault();
    items[to].focus();
  });
}

/** A token's label (bpe/show.py); what stands for something that cannot be seen, a space or bytes, is faint. */
function labelled(label, makeOne = make, tag = "i") {
  return label.split(/([␣↵⇥]|<[0-9a-f ]+>)/).map((part, index) => (index % 2 ? makeOne(tag, { class: "sign" }, part) : part));
}

/** Numbers in sentences with a minus instead of a hyphen. */
const typeset = (text) => text.replace(/(?<=^|[\s(])-(?=\d)/g, "−");
const percent = (share) => `${Math.round(100 * share)}%`;
const decimal = (number) => (number === null ? "−∞" : typeset(number.toFixed(3)));
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

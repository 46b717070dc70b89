// The page that completes: asks the model to go on, and shows the events of the answer (completion_page.py) as they come.
// make (dom.js) and showAttention are those of numpy_transformer/seeing.

import { asSentence, ask, duration, lengthOf, reasonOf, written } from "./asking.js";

const LENGTHS = [20, 50, 100, 200, 500, 1000];
const element = (id) => document.getElementById(id);
const text = element("text");
const target = element("target");
const length = element("length");
const temperature = element("temperature");

let model; // what the server says about it
let request = null; // the one that is being answered
let asked = null; // what was asked last, without its seed
let seed = 0; // another one each time the same is asked

async function complete() {
  const question = { text: text.value, length: Number(length.value), temperature: Number(temperature.value) };
  seed = JSON.stringify(question) === asked ? seed + 1 : 0;
  asked = JSON.stringify(question);
  request?.abort();
  const mine = (request = new AbortController());
  hideInside();
  if (excess() > 0) return end(`${written(excess())} ${excess() === 1 ? "character" : "characters"} too many: shorten the text.`, true);
  target.replaceChildren(make("span", { class: "soft-text" }, text.value));
  target.setAttribute("aria-busy", "true");
  element("copy").hidden = true;
  say("Writing …");
  element("go").textContent = "Stop";
  try {
    await ask("complete", { ...question, seed }, { signal: mine.signal, receive });
  } catch (error) {
    if (mine === request) end(reasonOf(error), true);
  }
}

function receive(event) {
  switch (event.kind) {
    case "waiting":
      return say(`Waiting: ${event.ahead} before this one`);
    case "piece":
      target.append(event.text);
      target.scrollTop = target.scrollHeight;
      return;
    case "written":
      element("copy").hidden = false;
      return end(`Written in ${duration(event.seconds)}`);
    case "attention":
      element("too-long").hidden = event.attention !== null;
      element("attention").hidden = event.attention === null;
      if (event.attention) showAttention(element("attention-view"), event.attention);
      return;
    case "error":
      target.replaceChildren();
      return end(asSentence(event.message), true);
  }
}

/** Nothing is being written any more; `message` says why. */
function end(message, isWarning = false) {
  target.setAttribute("aria-busy", "false");
  element("go").textContent = "Go on";
  say(message);
  element("note").classList.toggle("warn", isWarning);
  element("status").textContent = isWarning ? message : `${message}: ${target.textContent}`;
}

function stop() {
  request.abort();
  element("copy").hidden = false;
  end("Stopped");
}

function say(message) {
  element("note").textContent = message;
  element("note").classList.remove("warn");
}

function hideInside() {
  element("attention").hidden = element("too-long").hidden = true;
}

const isWriting = () => target.getAttribute("aria-busy") === "true";
const excess = () => lengthOf(text.value) - model.most.characters;

/** The text grows with what stands behind it; one that is too long stays, for its author to shorten. */
function showLength() {
  element("marks").textContent = `${text.value}\u200B`;
  element("count").textContent = `${written(lengthOf(text.value))} / ${written(model.most.characters)}`;
  element("count").classList.toggle("warn", excess() > 0);
  text.setAttribute("aria-invalid", excess() > 0);
}

function introduce() {
  const context = model.context === null ? "" : `, looks back at most ${written(model.context)} tokens`;
  element("model").textContent = `${model.name}: ${(model.parameters / 1e6).toFixed(2)} million parameters${context}`;
  length.append(...LENGTHS.filter((count) => count <= model.most.tokens).map((count) => make("option", { value: count }, `${count}`)));
  length.value = 100;
  temperature.max = model.most.temperature;
  element("examples").append(...model.examples.map((example) => make("button", { type: "button", onclick: () => tryOut(example) }, example)));
  element("examples").hidden = !model.examples.length;
  showDegree();
  showLength();
}

function showDegree() {
  const value = Number(temperature.value);
  element("degree").textContent = value === 0 ? "greedy" : value.toFixed(1);
}

function tryOut(example) {
  text.value = example;
  text.focus();
  showLength();
  complete();
}

function listen() {
  text.addEventListener("input", showLength);
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    complete();
  });
  element("form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (isWriting()) stop();
    else complete();
  });
  temperature.addEventListener("input", showDegree);
  element("copy").addEventListener("click", () => navigator.clipboard.writeText(target.textContent).then(() => say("Copied")));
}

try {
  model = await (await fetch("model")).json();
  introduce();
  listen();
} catch {
  say("The server does not answer. Is it still running?");
}

// The page: asks for translations and shows the events of the answer (translation.py) as they come.
// make, decimal (dom.js), showAttention and showSearch are those of numpy_transformer/seeing.

import { asSentence, ask, duration, lengthOf, reasonOf, written } from "./asking.js";

const PAUSE = 700; // milliseconds without a key before a text is translated unasked
const BEAMS = [1, 2, 4, 8, 16];
const element = (id) => document.getElementById(id);
const text = element("text");
const target = element("target");
const beam = element("beam");

let model; // what the server says about it
let request = null; // the one that is being answered
let asked = null; // its text and beam
let sentences = []; // of the text: {source, line, drafts, hypotheses, rank (the one looked at), search, attention}
let active = 0; // the sentence looked at
let timer;

// --- Asking ---

async function translate() {
  clearTimeout(timer);
  const question = { text: text.value, beam: Number(beam.value) };
  if (JSON.stringify(question) === asked) return;
  asked = JSON.stringify(question);
  request?.abort();
  const mine = (request = new AbortController());
  if (!text.value.trim()) return forget("");
  if (excess() > 0) return forget(`${written(excess())} ${excess() === 1 ? "character" : "characters"} too many: shorten the text.`);
  markStale(true);
  say("Translating …");
  try {
    await ask("translate", question, { signal: mine.signal, receive });
  } catch (error) {
    if (mine !== request) return;
    forget(reasonOf(error));
  }
}

function receive(event) {
  const sentence = sentences[event.sentence];
  const isActive = event.sentence === active;
  switch (event.kind) {
    case "waiting":
      return say(`Waiting: ${event.ahead} before this one`);
    case "unseen":
      return markUnseen(event.words);
    case "begin":
      return begin(event.sentences);
    case "draft":
      sentence.drafts = event.drafts.slice(0, Number(beam.value));
      showText();
      return isActive && showHypotheses();
    case "found":
      sentence.hypotheses = event.hypotheses;
      showText();
      return isActive && showHypotheses();
    case "translated":
      element("copy").hidden = false;
      target.setAttribute("aria-busy", "false");
      return say(`Translated in ${duration(event.seconds)}`, `Translation: ${target.textContent}`);
    case "search":
      sentence.search = event.search;
      return isActive && event.search === null && showInside();
    case "attention":
      sentence.attention[event.rank] = event.attention;
      return isActive && event.rank === sentence.rank && showInside();
    case "error":
      return forget(asSentence(event.message));
  }
}

// --- Showing ---

const textOf = ({ hypotheses, drafts, rank }) => (hypotheses?.[rank] ?? drafts?.[0] ?? [""])[0];

/** What happens, beneath the translation; screen readers may be told something else. */
function say(message, aloud = message) {
  element("note").textContent = message;
  element("note").classList.remove("warn");
  element("status").textContent = aloud;
}

/** What is shown belongs to a text that is no more: it stays, greyed, until something takes its place. */
function markStale(isStale) {
  target.setAttribute("aria-busy", isStale);
  for (const id of ["found", "attention", "search", "too-long"]) element(id).classList.toggle("stale", isStale);
}

/** Show nothing, and say why if there is a reason. */
function forget(reason) {
  asked = null; // the same question may be asked again
  sentences = [];
  markStale(false);
  element("copy").hidden = element("sentences").hidden = true;
  element("examples").hidden = Boolean(text.value) || !model.examples.length;
  showText();
  showHypotheses();
  showInside();
  say(reason);
  element("note").classList.toggle("warn", Boolean(reason));
}

function begin(parts) {
  sentences = parts.map(([source, line]) => ({ source, line, rank: 0, attention: [] }));
  active = 0;
  element("copy").hidden = element("examples").hidden = true;
  element("sentences").hidden = parts.length < 2;
  showPlace();
}

function choose(index) {
  active = index;
  const hadFocus = target.contains(document.activeElement);
  showText();
  if (hadFocus) target.querySelectorAll("[role=button]")[active].focus();
  showPlace();
  showHypotheses();
  showInside();
}

function showPlace() {
  element("sentence").textContent = `Sentence ${active + 1} of ${sentences.length}`;
  element("previous").disabled = active === 0;
  element("next").disabled = active === sentences.length - 1;
}

function showText() {
  if (sentences.length === 1) return target.replaceChildren(textOf(sentences[0]));
  const pieces = sentences.flatMap((sentence, index) => {
    const space = index === 0 ? "" : sentence.line === sentences[index - 1].line ? " " : "\n";
    const act = (event) => {
      if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose(index);
    };
    const attributes = { role: "button", tabindex: 0, "aria-current": `${index === active}`, onclick: act, onkeydown: act };
    return [space, make("span", attributes, textOf(sentence))];
  });
  return target.replaceChildren(...pieces);
}

function showHypotheses() {
  const { hypotheses, drafts = [], rank } = sentences[active] ?? {};
  element("found").hidden = !hypotheses && !drafts.length;
  const rows = hypotheses
    ? hypotheses.map(([content, score, logProbability], place) => {
        const input = make("input", { type: "radio", name: "hypothesis", onchange: () => chooseHypothesis(place) });
        input.checked = place === rank;
        return hypothesisRow("label", "", input, content, probability(logProbability), score);
      })
    : drafts.map(([content, score, isFinished]) => hypothesisRow("div", "draft", isFinished ? "✓" : "…", content, "", score));
  element("found").classList.remove("stale");
  element("hypotheses").replaceChildren(...rows);
}

function hypothesisRow(tag, kind, mark, content, share, score) {
  return make(tag, { class: `hypothesis ${kind}` },
    make("span", { class: "mark" }, mark),
    make("span", { class: "text", lang: target.lang }, content),
    make("span", { class: "number" }, share),
    make("span", { class: "number" }, `score ${decimal(score)}`));
}

function probability(logarithm) {
  const share = 100 * Math.exp(logarithm);
  return share < 0.001 ? "under 0.001 %" : `${share.toPrecision(2)} %`;
}

function chooseHypothesis(place) {
  sentences[active].rank = place;
  showText();
  showInside();
}

function showInside() {
  const { search, attention = [], rank } = sentences[active] ?? {};
  const looked = attention[rank];
  for (const id of ["attention", "search", "too-long"]) element(id).classList.remove("stale");
  element("too-long").hidden = search !== null;
  element("attention").hidden = !looked;
  element("search").hidden = !search;
  if (looked) showAttention(element("attention-view"), looked);
  if (search) showSearch(element("search-view"), search);
}

/** Underline the words that the model has never seen: spans [start, end] of the text, in characters. */
function markUnseen(spans) {
  const characters = spans.length ? [...text.value] : [text.value];
  const part = (start, end) => characters.slice(start, end).join("");
  const ends = [0, ...spans.flat(), characters.length];
  const pieces = ends.slice(1).map((end, index) => (index % 2 ? make("mark", {}, part(ends[index], end)) : part(ends[index], end)));
  element("marks").replaceChildren(...pieces, "\u200B"); // without it, an empty last line would have no height
  const words = [...new Set(spans.map(([start, end]) => part(start, end)))];
  element("unseen").hidden = !words.length;
  element("unseen").textContent = words.length ? `Never seen in training, so only guessed: ${words.join(", ")}` : "";
}

// --- The beginning ---

const length = () => lengthOf(text.value);
const excess = () => length() - model.most.characters;

/** The text has changed. All of one that is too long stays where it was typed or pasted, for its author to shorten. */
function showLength() {
  markUnseen([]);
  element("count").textContent = `${written(length())} / ${written(model.most.characters)}`;
  element("count").classList.toggle("warn", excess() > 0);
  text.setAttribute("aria-invalid", excess() > 0);
}

function languageName(code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code);
  } catch {
    return code; // it is no code that the browser knows
  }
}

function tryOut(example) {
  text.value = example;
  text.focus();
  showLength();
  translate();
}

function introduce() {
  const [source, goal] = model.languages;
  if (source && goal) {
    element("title").textContent = document.title = `${languageName(source)} to ${languageName(goal)}`;
    element("source-name").textContent = languageName(source);
    element("target-name").textContent = languageName(goal);
    [text.lang, target.lang] = [source, goal];
  }
  const knows = model.knows === null ? "" : `, knows ${model.knows}`;
  element("model").textContent = `${model.name}: ${(model.parameters / 1e6).toFixed(2)} million parameters${knows}`;
  const widths = [...new Set([...BEAMS, model.beam])].filter((width) => width <= model.most.beam).sort((a, b) => a - b);
  beam.append(...widths.map((width) => make("option", { value: width }, width === 1 ? "greedy" : `beam of ${width}`)));
  beam.value = model.beam;
  element("examples").append(...model.examples.map((example) => make("button", { type: "button", lang: source, onclick: () => tryOut(example) }, example)));
  element("examples").hidden = !model.examples.length;
  showLength();
}

function listen() {
  text.addEventListener("input", (event) => {
    showLength();
    clearTimeout(timer);
    if (!event.isComposing) timer = setTimeout(translate, PAUSE);
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    translate();
  });
  element("form").addEventListener("submit", (event) => {
    event.preventDefault();
    translate();
  });
  beam.addEventListener("change", translate);
  element("previous").addEventListener("click", () => choose(active - 1));
  element("next").addEventListener("click", () => choose(active + 1));
  element("copy").addEventListener("click", () => navigator.clipboard.writeText(target.textContent).then(() => say("Copied")));
}

try {
  model = await (await fetch("model")).json();
  introduce();
  listen();
} catch {
  say("The server does not answer. Is it still running?");
}

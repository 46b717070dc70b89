// Shared by the pages: a question to the server, and the events of its answer.

/** Send `question` to `path`; give `receive` each event of the answer. Throws an Error with the server's reason. */
export async function ask(path, question, { signal, receive }) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(question), signal });
  if (!response.ok) throw new Error((await response.json()).error);
  let last;
  for await (const event of eventsOf(response)) {
    if (signal.aborted) return;
    receive(event);
    last = event.kind;
  }
  if (last !== "done" && last !== "error") throw new TypeError("the answer ended early");
}

async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

/** What went wrong, for people: the server's own words, or that there is no server. */
export const reasonOf = (error) => (error instanceof TypeError ? "The server does not answer. Is it still running?" : asSentence(error.message));

export const asSentence = (message) => message[0].toUpperCase() + message.slice(1) + ".";

export const duration = (seconds) => (seconds < 1 ? `${Math.max(1, Math.round(1000 * seconds))} ms` : `${seconds.toFixed(1)} s`);

export const written = (number) => number.toLocaleString("en");

/** In characters, as the server counts; .length would count some twice. */
export function lengthOf(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

// The server: what it has, how it is, and its answers.
const server = {
  models: [],           // the base first
  state: "unknown",     // or ready, gone, refused, full, failing
  timer: null,
  listeners: [],

  headers() {
    const key = $("key").value.trim();
    return Object.assign({"Content-Type": "application/json"}, key ? {Authorization: "Bearer " + key} : {});
  },

  // Shows how it is, in the dot and beside it.
  become(state, words) {
    this.state = state;
    const names = {
      ready: "connected", gone: "server gone", refused: "key refused", full: "queue full", failing: "server failing",
    };
    const mark = $("mark");
    mark.className = "mark " + state;
    mark.setAttribute("aria-label", names[state]);
    mark.title = names[state];
    $("where").textContent = words || names[state];
    clearTimeout(this.timer);
    // It may come back.
    if (state !== "ready" && state !== "refused") this.timer = setTimeout(() => this.load(), 3000);
  },

  async load() {
    try {
      const response = await fetch("/v1/models", {headers: this.headers()});
      if (response.status === 401) {
        const hasKey = $("key").value.trim() !== "";
        this.become("refused", hasKey ? "key refused" : "needs a key");
        $("key-note").textContent = hasKey ? "The server refused this key." : "The server asks for a key.";
        if (!$("options").open) $("options").showModal();
        $("key").focus();
        return;
      }
      if (!response.ok) throw await ServerFailure.of(response);
      this.models = (await response.json()).data;
      $("key-note").textContent = "";
      this.become("ready", this.models[0].id);
      for (const listener of this.listeners) listener();
    } catch (error) {
      if (error instanceof ServerFailure) this.become("failing");
      else this.become("gone");
    }
  },

  // The chunks of an answer. Throws a ServerFailure that says what is wrong.
  async* answer(body, signal) {
    let response;
    try {
      response = await fetch("/v1/chat/completions", {
        method: "POST", headers: this.headers(), body: JSON.stringify(body), signal,
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw this.gone("The server does not answer: it was stopped, or the network is down.");
    }
    if (!response.ok) {
      const failure = await ServerFailure.of(response);
      if (failure.state) this.become(failure.state);
      throw failure;
    }
    let isWhole = false;
    try {
      for await (const chunk of this.events(response)) {
        if (chunk.error) throw new ServerFailure(chunk.error.message);
        if (chunk.choices.some((choice) => choice.finish_reason)) isWhole = true;
        yield chunk;
      }
    } catch (error) {
      if (error.name === "AbortError" || error instanceof ServerFailure) throw error;
      throw this.gone("The connection to the server broke before the answer was complete.");
    }
    if (!isWhole) throw this.gone("The server ended the connection before the answer was complete.");
    if (this.state !== "ready") this.load();
  },

  gone(words) {
    this.become("gone");
    return new ServerFailure(words);
  },

  // The events of a stream, one by one.
  async* events(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let held = "";
    for (;;) {
      const {done, value} = await reader.read();
      if (done) return;
      held += value;
      let start = 0;
      for (let end; (end = held.indexOf("\n\n", start)) >= 0; start = end + 2) {
        if (!held.startsWith("data: ", start)) continue;
        const data = held.slice(start + 6, end);
        if (data === "[DONE]") return;
        yield JSON.parse(data);
      }
      held = held.slice(start);
    }
  },
};

class ServerFailure extends Error {
  constructor(message, state) {
    super(message);
    this.state = state;
  }

  static async of(response) {
    const text = await response.text().catch(() => "");
    let message = `${response.status} ${response.statusText}`;
    try { message = JSON.parse(text).error.message; } catch { /* not in the protocol's form */ }
    if (response.status === 401) {
      return new ServerFailure("The server refused the key. Enter the right one under Settings. " + message, "refused");
    }
    if (response.status === 429) {
      return new ServerFailure("The server's queue is full. Try again soon. " + message, "full");
    }
    return new ServerFailure(message, response.status >= 500 ? "failing" : null);
  }
}

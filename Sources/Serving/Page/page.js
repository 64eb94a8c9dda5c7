"use strict";
const $ = (id) => document.getElementById(id);
const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};

let models = [];      // what the server has; the base first
let columns = [];     // one, or two side by side
let running = 0;      // answers in the making
let stopper = null;   // stops them

// ---- The server

function headers() {
  const key = $("key").value.trim();
  return Object.assign({"Content-Type": "application/json"}, key ? {Authorization: "Bearer " + key} : {});
}

async function failure(response) {
  const text = await response.text();
  try { return JSON.parse(text).error.message; } catch { return `${response.status} ${response.statusText}`; }
}

async function loadModels() {
  try {
    const response = await fetch("/v1/models", {headers: headers()});
    if (response.status === 401) {
      connected(false, "needs a key");
      if (!$("options").open) $("options").showModal();
      $("key").focus();
      return;
    }
    if (!response.ok) throw new Error(await failure(response));
    models = (await response.json()).data;
    connected(true, models[0].id);
    for (const column of columns) column.showModels();
  } catch (error) {
    connected(false, "not connected");
  }
}

function connected(isOn, words) {
  $("mark").classList.toggle("off", !isOn);
  $("mark").setAttribute("aria-label", isOn ? "connected" : "not connected");
  $("where").textContent = words;
}

// The events of a stream, one by one.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    held += value;
    let end;
    while ((end = held.indexOf("\n\n")) >= 0) {
      const event = held.slice(0, end);
      held = held.slice(end + 2);
      if (!event.startsWith("data: ")) continue;
      const data = event.slice(6);
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}

// ---- A column: one model and its conversation

class Column {
  constructor(index) {
    this.messages = [];
    this.index = index;
    this.root = make("section", "column");
    this.root.setAttribute("aria-label", index === 0 ? "Conversation" : "Second conversation");
    const choice = make("div", "choice");
    this.select = make("select");
    this.select.setAttribute("aria-label", "Model");
    this.scaleRow = make("label", "scale");
    this.range = make("input");
    Object.assign(this.range, {type: "range", min: "-1", max: "2", step: "0.05", value: "1"});
    this.range.setAttribute("aria-label", "Scale");
    this.shown = make("output", "", "1.00");
    this.scaleRow.append("Scale", this.range, this.shown);
    choice.append(this.select, this.scaleRow);
    this.list = make("div");
    this.list.setAttribute("role", "log");
    this.root.append(choice, this.list);
    this.select.addEventListener("change", () => this.showScale());
    this.range.addEventListener("input", () => { this.shown.textContent = Number(this.range.value).toFixed(2); });
    this.range.addEventListener("dblclick", () => { this.range.value = "1"; this.shown.textContent = "1.00"; });
    this.showModels();
    this.clear();
  }

  showModels() {
    const before = this.select.value;
    this.select.replaceChildren(...models.map((model) => {
      const option = make("option", "", model.parent ? model.id : model.id + " (base)");
      option.value = model.id;
      return option;
    }));
    // The first column begins with an adapter, the second with the base: that is what one wants to compare.
    const adapter = models.find((model) => model.parent);
    const wanted = models.find((model) => model.id === before) || (this.index === 0 && adapter) || models[0];
    if (wanted) this.select.value = wanted.id;
    this.showScale();
  }

  get isAdapter() { return models.some((model) => model.id === this.select.value && model.parent); }

  showScale() { this.scaleRow.hidden = !this.isAdapter; }

  get model() {
    const scale = Number(this.range.value);
    return this.isAdapter && scale !== 1 ? `${this.select.value}@${scale}` : this.select.value;
  }

  clear() {
    this.messages = [];
    const empty = make("div", "empty");
    empty.append(make("strong", "", "What shall we work out?"), "It thinks first; unfold the thinking to read along.");
    if (this.index === 0) {
      const tries = make("div", "tries");
      for (const text of ["What is 12 + 3 * 4?", "What is (7 + 5) * 6 - 8?", "What is 9 * 9 - 7 * 3?"]) {
        const button = make("button", "", text);
        button.type = "button";
        button.addEventListener("click", () => send(text));
        tries.append(button);
      }
      empty.append(tries);
    }
    this.list.replaceChildren(empty);
  }

  async ask(text, seed, signal) {
    if (this.messages.length === 0) this.list.replaceChildren();
    const turn = make("article", "turn");
    turn.append(make("div", "said", text));
    const answer = new AnswerView();
    turn.append(answer.root);
    this.list.append(turn);
    this.messages.push({role: "user", content: text});
    const system = $("system").value.trim();
    const body = {
      model: this.model, stream: true, stream_options: {include_usage: true},
      messages: system ? [{role: "system", content: system}, ...this.messages] : this.messages,
    };
    if (seed !== null) body.seed = seed;
    const numbers = {temperature: "temperature", top_p: "top-p", max_tokens: "max-tokens"};
    for (const [field, id] of Object.entries(numbers)) {
      if ($(id).value !== "") body[field] = Number($(id).value);
    }
    try {
      const response = await fetch("/v1/chat/completions", {
        method: "POST", headers: headers(), body: JSON.stringify(body), signal,
      });
      if (!response.ok) throw new Error(await failure(response));
      for await (const chunk of events(response)) {
        if (chunk.error) throw new Error(chunk.error.message);
        answer.add(chunk);
      }
      answer.finish(body.model);
    } catch (error) {
      if (error.name === "AbortError") answer.finish(body.model, "stopped");
      else answer.fail(error.message || String(error));
    }
    // A question without an answer is no part of the conversation that goes on.
    if (answer.content) this.messages.push({role: "assistant", content: answer.content});
    else this.messages.pop();
  }
}

// ---- One answer

class AnswerView {
  constructor() {
    this.root = make("div", "answer");
    this.fold = make("details", "busy");
    this.fold.hidden = true;
    this.title = make("span", "", "Thinking");
    const summary = make("summary");
    summary.append(this.title);
    this.thought = make("div", "thought");
    this.fold.append(summary, this.thought);
    this.words = make("div", "words");
    this.notes = make("div", "notes");
    this.root.append(this.fold, this.words, this.notes);
    this.content = "";
    this.reasoning = "";
    this.began = performance.now();
    this.thinking = 0;
  }

  add(chunk) {
    this.seed = chunk.seed;
    if (chunk.usage) this.usage = chunk.usage;
    const choice = chunk.choices[0];
    if (!choice) return;
    const isAtEnd = main.scrollHeight - main.scrollTop - main.clientHeight < 80;
    if (choice.delta.reasoning_content) {
      if (!this.reasoning) this.thoughtBegan = performance.now();
      this.reasoning += choice.delta.reasoning_content;
      this.fold.hidden = false;
      this.thought.textContent = this.reasoning;
    }
    if (choice.delta.content) {
      this.endThought();
      this.content += choice.delta.content;
      show(this.content, this.words);
    }
    if (choice.finish_reason) this.reason = choice.finish_reason;
    if (isAtEnd) main.scrollTop = main.scrollHeight;
  }

  endThought() {
    if (!this.fold.classList.contains("busy")) return;
    this.fold.classList.remove("busy");
    if (this.thoughtBegan) {
      const seconds = (performance.now() - this.thoughtBegan) / 1000;
      this.title.textContent = seconds < 1 ? "Thought for a moment" : `Thought for ${seconds.toFixed(1)} s`;
    }
  }

  finish(model, how) {
    this.endThought();
    const seconds = (performance.now() - this.began) / 1000;
    const notes = [model];
    if (this.usage) {
      const count = this.usage.completion_tokens;
      notes.push(`${count} tokens`, `${(count / seconds).toFixed(count / seconds < 10 ? 1 : 0)}/s`);
    }
    if (this.reason === "length") notes.push("cut off at the limit");
    if (how) notes.push(how);
    else if (!this.content.trim()) notes.push("ended without an answer");
    this.notes.replaceChildren(...notes.map((text) => make("span", "", text)));
    if (this.seed !== undefined) {
      const again = make("button", "", `seed ${this.seed}`);
      again.type = "button";
      again.title = "Use this seed from now on";
      again.addEventListener("click", () => {
        $("seed").value = this.seed;
        again.textContent = `seed ${this.seed} kept`;
      });
      this.notes.append(again);
    }
  }

  fail(message) {
    this.endThought();
    const wrong = make("div", "wrong", message);
    wrong.setAttribute("role", "alert");
    this.root.append(wrong);
  }
}

// Text with code, bold and boxed results; built of nodes, so that no text is ever taken for markup.
function show(text, into) {
  const nodes = [];
  text.split(/(```[\s\S]*?(?:```|$))/).forEach((part, place) => {
    if (place % 2) {
      const block = make("pre");
      block.append(make("code", "", part.replace(/^```[^\n]*\n?/, "").replace(/```$/, "")));
      return nodes.push(block);
    }
    part.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*|\\boxed\{[^{}]*\})/).forEach((piece, inner) => {
      if (inner % 2 === 0) return nodes.push(document.createTextNode(piece));
      if (piece[0] === "`") return nodes.push(make("code", "", piece.slice(1, -1)));
      if (piece[0] === "*") return nodes.push(make("strong", "", piece.slice(2, -2)));
      nodes.push(make("span", "boxed", piece.slice(7, -1)));
    });
  });
  into.replaceChildren(...nodes);
}

// ---- The whole

const main = $("main");

function setColumns(count) {
  while (columns.length > count) columns.pop().root.remove();
  while (columns.length < count) {
    const column = new Column(columns.length);
    columns.push(column);
    $("columns").append(column.root);
  }
  $("columns").classList.toggle("two", count === 2);
  $("compare").setAttribute("aria-pressed", String(count === 2));
}

function showState() {
  $("send").textContent = running ? "Stop" : "Send";
  $("send").disabled = !running && $("prompt").value.trim() === "";
  $("compare").disabled = $("fresh").disabled = running > 0;
}

async function send(text) {
  if (running || !text.trim()) return;
  stopper = new AbortController();
  running = columns.length;
  $("prompt").value = "";
  fit();
  showState();
  // Side by side, the same dice for both: what differs is the model alone.
  let seed = $("seed").value === "" ? null : Number($("seed").value);
  if (seed === null && columns.length > 1) seed = crypto.getRandomValues(new Uint32Array(1))[0];
  await Promise.all(columns.map((column) => column.ask(text.trim(), seed, stopper.signal)));
  running = 0;
  showState();
  $("prompt").focus();
}

function fit() {
  const area = $("prompt");
  area.style.height = "auto";
  area.style.height = area.scrollHeight + "px";
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (running) stopper.abort(); else send($("prompt").value);
});
$("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!running) send($("prompt").value);
  }
});
$("prompt").addEventListener("input", () => { fit(); showState(); });
$("compare").addEventListener("click", () => setColumns(columns.length === 1 ? 2 : 1));
$("fresh").addEventListener("click", () => { for (const column of columns) column.clear(); });
$("settings").addEventListener("click", () => { $("options").showModal(); });
$("done").addEventListener("click", () => $("options").close());
$("options").addEventListener("close", loadModels);
$("theme").addEventListener("click", () => {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme || (isDark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
});
addEventListener("focus", () => { if (!running) loadModels(); });

setColumns(1);
showState();
loadModels();

// A column: one model and its conversation.
class Turn {
  constructor(column, question) {
    this.column = column;
    this.question = question;
    this.root = make("article", "turn");
    this.said = make("div", "said", question);
    const tools = make("div", "tools");
    tools.append(button("", "Edit", () => this.edit(), "Change the message and send it again"),
      button("", "Copy", (self) => copy(this.question, self), "Copy the message"));
    this.tools = tools;
    this.root.append(this.said, tools);
  }

  show(answer) {
    if (this.answer) this.answer.root.replaceWith(answer.root);
    else this.root.append(answer.root);
    this.answer = answer;
  }

  // Whether what follows builds on this turn. One that failed stays in sight, and is no part of what goes on.
  get counts() { return Boolean(this.answer && this.answer.content && !this.answer.failure); }

  edit() {
    if (running || this.editor) return;
    this.editor = make("form", "edit");
    const area = make("textarea");
    area.value = this.question;
    area.rows = Math.min(12, this.question.split("\n").length + 1);
    area.setAttribute("aria-label", "Edited message");
    const row = make("div", "row");
    const done = make("button", "send", "Send again");
    row.append(button("plain", "Cancel", () => this.endEdit()), done);
    this.editor.append(area, row);
    this.editor.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = area.value;
      if (running || !text.trim()) return;
      this.endEdit();
      send(text, this.column.turns.indexOf(this));
    });
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { event.stopPropagation(); this.endEdit(); }
      if (isSending(event)) { event.preventDefault(); this.editor.requestSubmit(); }
    });
    this.said.hidden = this.tools.hidden = true;
    this.said.after(this.editor);
    area.focus();
  }

  endEdit() {
    this.editor.remove();
    this.editor = null;
    this.said.hidden = this.tools.hidden = false;
  }
}

class Column {
  constructor(index) {
    this.turns = [];
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
    this.select.replaceChildren(...server.models.map((model) => {
      const option = make("option", "", model.parent ? model.id : model.id + " (base)");
      option.value = model.id;
      return option;
    }));
    // The first column begins with an adapter, the second with the base: that is what one wants to compare.
    const adapter = server.models.find((model) => model.parent);
    const wanted = server.models.find((model) => model.id === before) || (this.index === 0 && adapter) ||
      server.models[0];
    if (wanted) this.select.value = wanted.id;
    this.showScale();
  }

  get isAdapter() { return server.models.some((model) => model.id === this.select.value && model.parent); }

  showScale() { this.scaleRow.hidden = !this.isAdapter; }

  get model() {
    const scale = Number(this.range.value);
    return this.isAdapter && scale !== 1 ? `${this.select.value}@${scale}` : this.select.value;
  }

  clear() {
    this.turns = [];
    const empty = make("div", "empty");
    empty.append(make("strong", "", "What shall we work out?"), "It thinks first; unfold the thinking to read along.");
    if (this.index === 0) {
      const tries = make("div", "tries");
      for (const text of ["What is 12 + 3 * 4?", "What is (7 + 5) * 6 - 8?", "What is 9 * 9 - 7 * 3?"]) {
        tries.append(button("", text, () => send(text)));
      }
      empty.append(tries);
    }
    this.list.replaceChildren(empty);
  }

  // Begins with the conversation of another column.
  begin(other) {
    if (other.turns.length === 0) return;
    this.list.replaceChildren();
    for (const turn of other.turns) {
      const twin = this.addTurn(turn.question);
      if (turn.answer) twin.show(turn.answer.twin({retry: () => this.retry(twin)}));
    }
  }

  addTurn(question) {
    if (this.turns.length === 0) this.list.replaceChildren();
    const turn = new Turn(this, question);
    this.turns.push(turn);
    this.list.append(turn.root);
    return turn;
  }

  // Leaves out everything from the turn at `place` on.
  cut(place) { for (const turn of this.turns.splice(place)) turn.root.remove(); }

  // What was said before a turn.
  messages(turn) {
    const system = $("system").value.trim();
    const before = this.turns.slice(0, this.turns.indexOf(turn)).filter((turn) => turn.counts);
    return [
      ...system ? [{role: "system", content: system}] : [],
      ...before.flatMap((turn) => [
        {role: "user", content: turn.question}, {role: "assistant", content: turn.answer.content},
      ]),
    ];
  }

  retry(turn) {
    if (running) return;
    // What came behind it was said to another answer.
    this.cut(this.turns.indexOf(turn) + 1);
    work([this], () => this.answer(turn, chosenSeed()));
  }

  async answer(turn, seed) {
    const view = new AnswerView({retry: () => this.retry(turn)});
    turn.show(view);
    const body = {
      model: this.model, stream: true, stream_options: {include_usage: true},
      messages: [...this.messages(turn), {role: "user", content: turn.question}],
    };
    if (seed !== null) body.seed = seed;
    const numbers = {temperature: "temperature", top_p: "top-p", max_tokens: "max-tokens"};
    for (const [field, id] of Object.entries(numbers)) {
      if ($(id).value !== "") body[field] = Number($(id).value);
    }
    try {
      for await (const chunk of server.answer(body, stopper.signal)) view.add(chunk);
      view.finish(body.model);
    } catch (error) {
      if (error.name === "AbortError") view.finish(body.model, "stopped");
      else view.fail(error.message || String(error));
    }
  }

  // As the terminal's /save writes it, for /load there.
  get record() {
    const end = this.turns.at(-1);
    const last = end && end.counts
      ? [{role: "user", content: end.question}, {role: "assistant", content: end.answer.content}] : [];
    return {model: this.model, messages: end ? [...this.messages(end), ...last] : []};
  }
}

// One answer: thinking that unfolds, words, and what there is to know of it.
class AnswerView {
  constructor(actions) {
    this.actions = actions;       // what the buttons below it do: {retry}
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
    this.thinking = new GrowingText(this.thought, follow);
    this.saying = new GrowingText(this.words, follow);
    this.tokens = 0;
    this.facts = [];
    this.began = performance.now();
    this.clock = setInterval(() => this.tick(), 250);
  }

  get content() { return this.saying.text; }

  add(chunk) {
    this.seed = chunk.seed;
    if (chunk.usage) this.usage = chunk.usage;
    const choice = chunk.choices[0];
    if (!choice) return;
    if (choice.delta.reasoning_content) {
      if (!this.thoughtBegan) {
        this.thoughtBegan = performance.now();
        this.fold.hidden = false;
        follow();
      }
      this.tokens += 1;
      this.thinking.append(choice.delta.reasoning_content);
    }
    if (choice.delta.content) {
      this.endThought();
      this.saying.append(choice.delta.content);
    }
    if (choice.finish_reason) this.reason = choice.finish_reason;
  }

  get thoughtSeconds() { return ((this.thoughtEnded || performance.now()) - this.thoughtBegan) / 1000; }

  tick() {
    if (!this.thoughtBegan || this.thoughtEnded) return;
    const count = this.tokens.toLocaleString("en");
    this.title.textContent = `Thinking · ${count} tokens · ${this.thoughtSeconds.toFixed(0)} s`;
  }

  endThought() {
    if (!this.thoughtBegan || this.thoughtEnded) return;
    this.thoughtEnded = performance.now();
    this.fold.classList.remove("busy");
    const seconds = this.thoughtSeconds;
    this.title.textContent = `Thought for ${seconds < 1 ? "a moment" : seconds.toFixed(1) + " s"} · ` +
      `${this.tokens.toLocaleString("en")} tokens`;
  }

  end() {
    clearInterval(this.clock);
    this.endThought();
    this.thinking.show();
    this.saying.show();
  }

  finish(model, how) {
    this.end();
    const seconds = (performance.now() - this.began) / 1000;
    this.facts = [model];
    if (this.usage) {
      const count = this.usage.completion_tokens;
      this.facts.push(`${count} tokens`, `${(count / seconds).toFixed(count / seconds < 10 ? 1 : 0)}/s`);
    }
    if (this.reason === "length") this.facts.push("cut off at the limit");
    if (how) this.facts.push(how);
    else if (!this.content.trim()) this.facts.push("ended without an answer");
    this.showNotes();
  }

  fail(message) {
    this.end();
    const wrong = make("div", "wrong");
    wrong.setAttribute("role", "alert");
    wrong.append(make("span", "", message));
    this.words.after(wrong);
    this.failure = message;
    this.showNotes();
  }

  showNotes() {
    this.notes.replaceChildren(...this.facts.map((text) => make("span", "", text)));
    if (this.seed !== undefined) {
      this.notes.append(button("seed", `seed ${this.seed}`, (self) => {
        $("seed").value = this.seed;
        self.textContent = `seed ${this.seed} kept`;
      }, "Use this seed from now on"));
    }
    if (this.content) {
      this.notes.append(button("copy", "Copy", (self) => copy(this.content.trim(), self), "Copy the answer"));
    }
    this.notes.append(button("retry", "Retry", () => this.actions.retry(), "Answer the message again"));
    follow();
  }

  // The same answer in another column.
  twin(actions) {
    const other = new AnswerView(actions);
    Object.assign(other, {seed: this.seed, facts: this.facts, tokens: this.tokens, reason: this.reason});
    if (this.thoughtBegan) {
      Object.assign(other, {thoughtBegan: this.thoughtBegan, thoughtEnded: this.thoughtEnded});
      other.fold.hidden = false;
      other.fold.classList.remove("busy");
      other.title.textContent = this.title.textContent;
    }
    other.thinking.text = this.thinking.text;
    other.saying.text = this.saying.text;
    other.end();
    if (this.failure) other.fail(this.failure);
    other.showNotes();
    return other;
  }
}

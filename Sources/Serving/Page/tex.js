// TeX's mathematics as a tree of MathML: {tag, attributes, children}, whose leaves are texts. What is not understood is
// shown as it was written, and counted.
class MathReader {
  constructor(source) {
    this.source = source;
    this.place = 0;
    this.depth = 0;
    this.font = null;
    this.unknown = [];
  }

  static node(tag, children, attributes) { return {tag, children, attributes: attributes || {}}; }

  // A whole formula; null for one that is too long or too deep to be meant.
  static formula(source, isDisplay) {
    if (source.length > 20000) return null;
    const reader = new MathReader(source);
    try {
      const rows = [];
      do {
        rows.push(...reader.row());
        // A bracket without its partner.
        if (reader.place < source.length) rows.push(reader.stray());
      } while (reader.place < source.length);
      const attributes = isDisplay ? {display: "block"} : {};
      attributes.title = source.trim();
      return {tree: MathReader.node("math", [reader.one(rows)], attributes), unknown: reader.unknown};
    } catch (error) {
      if (error instanceof RangeError) return null;
      throw error;
    }
  }

  one(nodes) { return nodes.length === 1 ? nodes[0] : MathReader.node("mrow", nodes); }

  stray() {
    const skipped = this.source.startsWith("\\", this.place) ? /\\([a-zA-Z]+|[^])?/y : /[^]/y;
    skipped.lastIndex = this.place;
    const text = skipped.exec(this.source)[0];
    this.place += text.length;
    if (text === "}" || text === "\\right" || text === "\\\\" || text === "&") return MathReader.node("mrow", []);
    return this.strange(text);
  }

  strange(text) {
    this.unknown.push(text);
    return MathReader.node("mtext", [text], {class: "strange"});
  }

  // ---- Characters

  skip() { while (/\s/.test(this.source[this.place] || "") || this.source[this.place] === "%") {
    if (this.source[this.place] === "%") {
      const end = this.source.indexOf("\n", this.place);
      this.place = end < 0 ? this.source.length : end;
    } else this.place += 1;
  } }

  take(pattern) {
    pattern.lastIndex = this.place;
    const found = pattern.exec(this.source);
    if (found) this.place = pattern.lastIndex;
    return found;
  }

  // The name of the command here, which stays; null where there is none.
  get command() {
    const pattern = /\\([a-zA-Z]+\*?|[^])/y;
    pattern.lastIndex = this.place;
    const found = pattern.exec(this.source);
    if (!found) return null;
    // The star belongs to few names.
    return /^(operatorname|hspace|vspace|tag)\*$/.test(found[1]) ? found[1] : found[1].replace(/(.)\*$/, "$1");
  }

  // What is between braces as it is written, or the next character.
  raw() {
    this.skip();
    if (this.source[this.place] !== "{") {
      const found = this.take(/\\(?:[a-zA-Z]+|[^])|[^]/y);
      return found ? found[0] : "";
    }
    const start = this.place + 1;
    let depth = 0;
    for (; this.place < this.source.length; this.place++) {
      const character = this.source[this.place];
      if (character === "\\") this.place += 1;
      else if (character === "{") depth += 1;
      else if (character === "}" && --depth === 0) return this.source.slice(start, this.place++);
    }
    return this.source.slice(start);
  }

  optional() {
    const found = this.take(/\s*\[([^\]]*)\]/y);
    return found ? found[1] : null;
  }

  // ---- Rows and atoms

  // Nodes up to what ends a row, which stays.
  row() {
    if (++this.depth > 120) throw new RangeError("too deep");
    const font = this.font;
    let nodes = [];
    let over = null;
    for (;;) {
      this.skip();
      const character = this.source[this.place];
      if (character === undefined || character === "}" || character === "&") break;
      const command = character === "\\" ? this.command : null;
      if (["\\", "cr", "right", "end", "middle"].includes(command)) break;
      if (["over", "choose", "atop", "brack"].includes(command)) {
        this.place += command.length + 1;
        over = {above: nodes, command};
        nodes = [];
        continue;
      }
      const node = this.scripted();
      if (node) nodes.push(node);
    }
    this.depth -= 1;
    this.font = font;
    if (!over) return nodes;
    const around = {over: "", choose: "()", brack: "[]", atop: " "}[over.command];
    return [this.fraction(this.one(over.above), this.one(nodes), around)];
  }

  // An atom with what stands above and below it.
  scripted() {
    let base = /[\^_']/.test(this.source[this.place]) ? MathReader.node("mrow", []) : this.atom();
    if (!base) return null;
    let [below, above] = [null, null];
    let primes = "";
    for (;;) {
      this.skip();
      const character = this.source[this.place];
      const command = character === "\\" ? this.command : null;
      if (command === "limits" || command === "nolimits") this.place += command.length + 1;
      else if (character === "'") { primes += "′"; this.place += 1; }
      else if (character === "^" && !above) { this.place += 1; above = this.argument(); }
      else if (character === "_" && !below) { this.place += 1; below = this.argument(); }
      else if (character === "^" || character === "_") {
        // A second one of a kind is an error of TeX's; here it stands on what there is.
        base = this.joined(base, below, above, primes);
        [below, above, primes] = [null, null, ""];
      } else break;
    }
    return this.joined(base, below, above, primes);
  }

  joined(base, below, above, primes) {
    if (primes) {
      const marks = MathReader.node("mo", [primes]);
      above = above ? MathReader.node("mrow", [marks, above]) : marks;
    }
    if (!below && !above) return base;
    const names = base.takesLimits ? ["munderover", "munder", "mover"] : ["msubsup", "msub", "msup"];
    const parts = [base, below, above].filter(Boolean);
    return MathReader.node(below && above ? names[0] : below ? names[1] : names[2], parts);
  }

  argument() {
    this.skip();
    if (this.source[this.place] === "{") return this.group();
    if (this.place >= this.source.length || this.source[this.place] === "}") return MathReader.node("mrow", []);
    // One digit, not a number: \frac12.
    const digit = this.take(/[0-9]/y);
    return digit ? MathReader.node("mn", digit) : this.atom() || MathReader.node("mrow", []);
  }

  group() {
    this.place += 1;
    const nodes = this.row();
    // "&" and "\\\\" in a group mean nothing.
    while (this.place < this.source.length && this.source[this.place] !== "}") {
      this.stray();
      nodes.push(...this.row());
    }
    this.place += 1;
    return this.one(nodes);
  }

  atom() {
    const character = String.fromCodePoint(this.source.codePointAt(this.place));
    if (character === "{") return this.group();
    if (character === "\\") return this.macro();
    const number = this.take(/\d+(?:,\d{3}(?!\d))*(?:\.\d+)?|\.\d+/y);
    if (number) return MathReader.node("mn", [number[0]], this.variant);
    const letter = this.take(/\p{L}\p{M}*/uy);
    if (letter) return this.letter(letter[0]);
    this.place += character.length;
    if (character === "~") return this.space(0.25);
    if (character === "$") return null;
    const names = {"-": "−", "*": "∗", "`": "‘"};
    return this.operator(names[character] || character, /[()[\]|]/.test(character));
  }

  operator(text, isFence) {
    return MathReader.node("mo", [text], isFence ? {stretchy: "false"} : {});
  }

  space(width) { return MathReader.node("mspace", [], {width: width + "em"}); }

  get variant() {
    return {bold: {class: "bold"}, sans: {class: "sans"}, mono: {class: "mono"}}[this.font] || {};
  }

  letter(text) {
    const bases = {double: 0x1D538, script: 0x1D49C, fraktur: 0x1D504}[this.font];
    if (bases && /^[A-Za-z]$/.test(text)) {
      const holes = {double: {C: "ℂ", H: "ℍ", N: "ℕ", P: "ℙ", Q: "ℚ", R: "ℝ", Z: "ℤ"},
        script: {B: "ℬ", E: "ℰ", F: "ℱ", H: "ℋ", I: "ℐ", L: "ℒ", M: "ℳ", R: "ℛ", e: "ℯ", g: "ℊ", o: "ℴ"},
        fraktur: {C: "ℭ", H: "ℌ", I: "ℑ", R: "ℜ", Z: "ℨ"}}[this.font];
      const code = text.charCodeAt(0);
      const place = code < 97 ? code - 65 : code - 71;
      return MathReader.node("mi", [holes[text] || String.fromCodePoint(bases + place)]);
    }
    if (this.font === null || this.font === "italic") return MathReader.node("mi", [text]);
    return MathReader.node("mi", [text], {mathvariant: "normal", ...this.variant});
  }

  fraction(above, below, around) {
    const attributes = around ? {linethickness: "0"} : {};
    const node = MathReader.node("mfrac", [above, below], attributes);
    if (!around || around === " ") return node;
    return MathReader.node("mrow", [this.operator(around[0]), node, this.operator(around[1])]);
  }

  // A delimiter behind \left and its like; null for "." and at the end.
  delimiter() {
    this.skip();
    if (this.source[this.place] === "\\") {
      const command = this.command;
      this.place += command.length + 1;
      return TEX.fences[command] || TEX.operators[command] || TEX.arrows[command] || null;
    }
    const character = this.source[this.place++];
    return character === "." || character === undefined ? null : {"<": "⟨", ">": "⟩"}[character] || character;
  }

  fenced() {
    const fence = (text) => text === null ? [] : [MathReader.node("mo", [text], {fence: "true", stretchy: "true"})];
    const nodes = fence(this.delimiter());
    for (;;) {
      nodes.push(...this.row());
      const command = this.source[this.place] === "\\" ? this.command : null;
      if (command === "right") {
        this.place += 6;
        nodes.push(...fence(this.delimiter()));
        break;
      } else if (command === "middle") {
        this.place += 7;
        nodes.push(...fence(this.delimiter()));
      } else if (this.source[this.place] === "&" || command === "\\") {
        this.stray();
      } else break;
    }
    return MathReader.node("mrow", nodes);
  }
}

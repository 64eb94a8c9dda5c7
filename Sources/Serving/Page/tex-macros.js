// The commands of TeX that take arguments, and tables.
Object.assign(MathReader.prototype, {
  macro() {
    const name = this.command;
    if (name === null) { this.place += 1; return null; }
    this.place += name.length + 1;
    const node = MathReader.node;
    const has = (table) => Object.hasOwn(table, name);
    if (has(TEX.letters)) return this.letter(TEX.letters[name]);
    if (has(TEX.upright)) return node("mi", [TEX.upright[name]], {mathvariant: "normal", ...this.variant});
    if (has(TEX.fences)) return this.operator(TEX.fences[name], true);
    if (has(TEX.operators)) return node("mo", [TEX.operators[name]]);
    if (has(TEX.arrows)) return this.operator(TEX.arrows[name], true);
    if (has(TEX.spaces)) return this.space(TEX.spaces[name]);
    if (has(TEX.large)) return this.limit(TEX.large[name], {});
    if (has(TEX.integrals)) return node("mo", [TEX.integrals[name]]);
    if (TEX.functions.has(name)) return node("mi", [name]);
    if (TEX.limits.has(name)) {
      return this.limit(name.replace(/^(lim|arg)(sup|inf|max|min)$/, "$1 $2"), {lspace: "0", rspace: "0.17em"});
    }
    if (name === "overline") return node("mrow", [this.argument()], {class: "tex-over"});
    if (name === "underline") return node("mrow", [this.argument()], {class: "tex-under"});
    if (has(TEX.accents)) {
      const mark = node("mo", [TEX.accents[name]], {stretchy: String(TEX.stretchy.has(name))});
      const over = node("mover", [this.argument(), mark], {accent: "true"});
      return name === "overbrace" ? Object.assign(over, {takesLimits: true}) : over;
    }
    if (has(TEX.unders)) {
      const under = node("munder", [this.argument(), node("mo", [TEX.unders[name]], {stretchy: "true"})]);
      return Object.assign(under, {takesLimits: name === "underbrace"});
    }
    if (has(TEX.fonts)) return this.inFont(TEX.fonts[name], /^(bf|rm|it|cal|sf|tt)$/.test(name));
    if (has(TEX.texts)) return this.words(this.raw(), TEX.texts[name]);
    if (TEX.silent.has(name)) return null;
    if (has(TEX.dropped)) {
      for (let i = 0; i < TEX.dropped[name]; i++) this.raw();
      return null;
    }
    return this.structure(name, node);
  },

  structure(name, node) {
    switch (name) {
      case "frac": case "dfrac": case "tfrac": case "cfrac": {
        if (name === "cfrac") this.optional();
        const fraction = this.fraction(this.argument(), this.argument(), "");
        return name === "frac" ? fraction : node("mstyle", [fraction], {displaystyle: String(name !== "tfrac")});
      }
      case "binom": case "dbinom": case "tbinom": return this.fraction(this.argument(), this.argument(), "()");
      case "sqrt": {
        const place = this.place;
        const degree = this.optional();
        if (degree === null) return node("msqrt", [this.argument()]);
        const inner = new MathReader(degree);
        inner.depth = this.depth;
        const index = this.one(inner.row());
        this.unknown.push(...inner.unknown);
        return this.place > place ? node("mroot", [this.argument(), index]) : null;
      }
      case "left": return this.fenced();
      case "boxed": case "fbox": case "framebox": return node("mrow", [this.argument()], {class: "boxed"});
      case "cancel": case "bcancel": case "xcancel": case "sout":
        return node("mrow", [this.argument()], {class: "cancel"});
      case "cancelto": {
        const to = this.argument();
        return node("msup", [node("mrow", [this.argument()], {class: "cancel"}), to]);
      }
      case "phantom": case "hphantom": case "vphantom": return node("mphantom", [this.argument()]);
      case "operatorname": case "operatorname*":
        return Object.assign(this.words(this.raw(), "upright", "mi"), {takesLimits: name.endsWith("*")});
      case "mathop": case "mathrel": case "mathbin": case "mathord": case "mathopen": case "mathclose":
      case "mathpunct": {
        const inner = node("mrow", [this.argument()]);
        return Object.assign(inner, {takesLimits: name === "mathop"});
      }
      case "pmod": return node("mrow", [this.space(0.4), this.operator("(", true), node("mi", ["mod"]), this.space(0.3),
        this.argument(), this.operator(")", true)]);
      case "pod":
        return node("mrow", [this.space(0.4), this.operator("(", true), this.argument(), this.operator(")", true)]);
      case "bmod": return node("mo", ["mod"], {lspace: "0.22em", rspace: "0.22em"});
      case "stackrel": case "overset": {
        const above = this.argument();
        return node("mover", [this.argument(), above]);
      }
      case "underset": {
        const below = this.argument();
        return node("munder", [this.argument(), below]);
      }
      case "xrightarrow": case "xleftarrow": {
        const below = this.optional();
        const arrow = node("mo", [name === "xrightarrow" ? "→" : "←"], {stretchy: "true"});
        const above = this.argument();
        return below ? node("munderover", [arrow, this.words(below, "upright"), above]) : node("mover", [arrow, above]);
      }
      case "not": {
        const next = this.scripted();
        if (next && next.tag === "mo") next.children[0] += "\u0338";
        return next;
      }
      case "displaystyle": case "textstyle": case "scriptstyle": case "scriptscriptstyle":
        return node("mstyle", this.row(), {displaystyle: String(name === "displaystyle")});
      case "tag": case "tag*": return node("mtext", ["\u2003(" + this.raw().replaceAll("$", "") + ")"]);
      case "textcolor": case "colorbox": this.raw(); return this.argument();
      case "substack": {
        const source = "\\begin{substack}" + this.raw() + "\\end{substack}";
        const inner = Object.assign(new MathReader(source), {depth: this.depth});
        const rows = inner.row();
        this.unknown.push(...inner.unknown);
        return this.one(rows);
      }
      case "begin": return this.environment(this.raw().replace(/\*$/, ""));
      case "big": case "Big": case "bigg": case "Bigg": case "bigl": case "Bigl": case "biggl": case "Biggl":
      case "bigr": case "Bigr": case "biggr": case "Biggr": case "bigm": case "Bigm": {
        const size = {big: "1.2em", Big: "1.8em", bigg: "2.4em", Bigg: "3em"}[name.replace(/[lrm]$/, "")];
        const text = this.delimiter();
        return text && node("mo", [text], {stretchy: "true", minsize: size, maxsize: size});
      }
      default:
        // A character that stands for itself, such as \% and \$.
        if (/^[$%&#_]$/.test(name)) return node("mi", [name], {mathvariant: "normal"});
        return this.strange("\\" + name);
    }
  },

  limit(name, spaces) {
    const operator = MathReader.node("mo", [name], {movablelimits: "true", ...spaces});
    return Object.assign(operator, {takesLimits: true});
  },

  inFont(font, isSwitch) {
    if (isSwitch) { this.font = font; return null; }
    const before = this.font;
    this.font = font;
    const inner = this.argument();
    this.font = before;
    return inner;
  },

  // Words, in which dollars hold formulas.
  words(text, font, tag = "mtext") {
    const classes = font === "upright" ? {} : {class: font};
    const parts = text.split(/(?<!\\)\$/).map((part, place) => {
      if (place % 2) {
        const inner = Object.assign(new MathReader(part), {depth: this.depth});
        const nodes = inner.row();
        this.unknown.push(...inner.unknown);
        return this.one(nodes);
      }
      // Blanks at the ends of an element do not show.
      const plain = part.replace(/\\(?:text|mathrm|textbf|textit|emph|mbox)\s*\{([^{}]*)\}/g, "$1")
        .replace(/\\[ ~]|~/g, " ").replace(/\\([%$&#_{}])/g, "$1").replace(/\\(?:quad|qquad)\b\s*/g, "\u2003")
        .replace(/\\[,;:!]/g, " ")
        .replace(/\\(?:ldots|dots)\b\s*/g, "…").replace(/``|''/g, "\"").replace(/[{}]/g, "").replace(/\s+/g, "\u00A0");
      for (const unknown of plain.match(/\\[a-zA-Z]+/g) || []) this.unknown.push(unknown);
      return MathReader.node(tag, [plain], classes);
    }).filter((part) => part.tag !== tag || part.children[0] !== "");
    return parts.length ? this.one(parts) : MathReader.node(tag, [""]);
  },

  // ---- Tables

  environment(name) {
    if (!Object.hasOwn(TEX.matrices, name)) return this.strange(`\\begin{${name}}`);
    const takesColumns = ["array", "tabular", "alignedat", "alignat"].includes(name);
    if (name === "array" || name === "tabular") this.optional();
    const columns = takesColumns ? this.raw() : "";
    const aligns = {array: columns, tabular: columns, cases: "l", rcases: "l", dcases: "l"}[name] ??
      (/^(align|aligned|alignat|alignedat|split|flalign)$/.test(name) ? "rl" : name === "eqnarray" ? "rcl" : "c");
    const isWide = /^(align|split|flalign|eqnarray|gather|equation|multline|dcases)/.test(name);
    const rows = this.rows(this.columns(aligns), isWide);
    const kind = isWide ? "lines" : name === "substack" ? "tight" : "matrix";
    const table = MathReader.node("mtable", rows, {class: "tex-" + kind, ...(isWide ? {displaystyle: "true"} : {})});
    const around = TEX.matrices[name];
    if (!around) return table;
    const fence = (text) => MathReader.node("mo", text === " " ? [] : [text], {fence: "true", stretchy: "true"});
    return MathReader.node("mrow", [fence(around[0]), table, ...(around[1] ? [fence(around[1])] : [])]);
  },

  // The letters of a table's columns, and where lines stand before them.
  columns(text) {
    const result = {aligns: [], lines: new Set(), repeats: text === "rl" || text === "l" || text === "c"};
    for (const character of text.replace(/[@!>p]\s*\{[^}]*\}/g, "")) {
      if (character === "|") result.lines.add(result.aligns.length);
      else if ("lcr".includes(character)) result.aligns.push(character);
    }
    return result;
  },

  rows(columns, isWide) {
    const rows = [];
    let above = null;   // the cells that have a line above them: all, or from one to another
    for (;;) {
      const cells = [];
      for (let line; (line = this.take(/\s*\\(hline|cline|midrule|toprule|bottomrule)(?:\s*\{(\d+)-(\d+)\})?/y));) {
        above = line[2] ? [Number(line[2]) - 1, Number(line[3]) - 1] : [0, Infinity];
      }
      for (;;) {
        const many = this.take(/\s*\\multicolumn\s*\{(\d+)\}\s*\{([^}]*)\}/y);
        const nodes = many ? [this.argument(), ...this.row()] : this.row();
        const place = cells.reduce((sum, cell) => sum + Number(cell.attributes.columnspan || 1), 0);
        const align = many ? (many[2].match(/[lcr]/) || ["c"])[0]
          : columns.aligns[columns.repeats ? place % columns.aligns.length : place] || "c";
        const marks = ["tex-" + align];
        if (columns.lines.has(place)) marks.push("tex-line");
        if (columns.lines.has(place + 1) && place + 1 === columns.aligns.length) marks.push("tex-line-behind");
        if (above && place >= above[0] && place <= above[1]) marks.push("tex-above");
        if (isWide && place > 0 && align === "r") marks.push("tex-apart");
        cells.push(MathReader.node("mtd", nodes, {class: marks.join(" "), ...(many ? {columnspan: many[1]} : {})}));
        this.skip();
        if (this.source[this.place] !== "&") break;
        this.place += 1;
      }
      const isBlank = cells.length === 1 && cells[0].children.length === 0;
      const end = this.take(/\\(?:\\|cr(?![a-zA-Z]))\*?(?:[ \t]*\[[^\]\n]*(?:pt|em|ex|cm|mm|in)\s*\])?/y);
      if (isBlank && !end && above && rows.length) {
        // The line below the table.
        for (const cell of rows.at(-1).children) cell.attributes.class += " tex-below";
      }
      if (!isBlank || end) {
        rows.push(MathReader.node("mtr", cells));
        above = null;
      }
      if (end) continue;
      if (this.take(/\\end\s*\{[^}]*\}/y) || this.place >= this.source.length) return rows;
      // A bracket or \right that has no partner in the table.
      if (this.source[this.place] === "}") return rows;
      this.stray();
    }
  },
});

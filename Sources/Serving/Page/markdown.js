// Markdown as trees like those of tex.js: {tag, attributes, children}. Blocks come one by one, so that only the last,
// which still grows, is ever read again.
const Markdown = (() => {
  const node = (tag, children, attributes) => ({tag, children, attributes: attributes || {}});

  // ---- Blocks

  const code = (text, language) => node("pre", [node("code", [text])], {"data-language": language});
  const LONGEST = 6000;
  const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)[^`\n]*$/;
  const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])(\s+|$)/;
  const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
  const RULE = /^ {0,3}([-*_])(\s*\1){2,}\s*$/;
  const DIVIDER = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
  const OPENING = [[/^\s*\$\$/, "$$"], [/^\s*\\\[/, "\\]"], [/^\s*\[asy\]/, "[/asy]"]];
  const BEGIN = /^\s*\\begin\{(align|gather|equation|eqnarray|multline|flalign)(\*?)\}/;

  // The end of the first block of `text`, which begins without blank lines. `isOpen`: more text may change it.
  function firstBlock(text) {
    const lineEnd = (from) => { const end = text.indexOf("\n", from); return end < 0 ? text.length : end + 1; };
    const line = (from) => text.slice(from, lineEnd(from)).replace(/\n$/, "");
    const first = line(0);
    const fence = FENCE.exec(first);
    if (fence) {
      for (let at = lineEnd(0); at < text.length; at = lineEnd(at)) {
        const mark = line(at).trim();
        if (mark.length >= fence[1].length && mark === fence[1][0].repeat(mark.length)) {
          return {kind: "code", language: fence[2], body: text.slice(lineEnd(0), at), end: lineEnd(at), isOpen: false};
        }
      }
      return {kind: "code", language: fence[2], body: text.slice(lineEnd(0)), end: text.length, isOpen: true};
    }
    const begin = BEGIN.exec(first);
    const opening = begin ? [BEGIN, `\\end{${begin[1]}${begin[2]}}`] : OPENING.find(([mark]) => mark.test(first));
    if (opening) {
      const start = opening[0].exec(text)[0].length;
      const close = text.indexOf(opening[1], start);
      if (close >= 0) {
        const end = close + opening[1].length;
        const rest = /^[^\S\n]*\n?/.exec(text.slice(end))[0].length;
        const body = begin ? text.slice(0, end) : text.slice(start, close);
        const kind = opening[1] === "[/asy]" ? "code" : "math";
        // Punctuation stays with its formula.
        const dot = /^[.,;:]/.exec(text.slice(end));
        return dot && kind === "math" ? {kind, body: body + "\\text{" + dot[0] + "}", end: end + 1, isOpen: false}
          : {kind, language: "asy", body, end: end + rest, isOpen: false};
      }
      if (text.length < 4000) return {kind: "text", body: text, end: text.length, isOpen: true};
    }
    const isLast = lineEnd(0) >= text.length && !first.endsWith("\n") && !text.endsWith("\n");
    const heading = HEADING.exec(first);
    if (heading) return {kind: "heading", level: heading[1].length, body: heading[2], end: lineEnd(0), isOpen: isLast};
    if (RULE.test(first)) return {kind: "rule", end: lineEnd(0), isOpen: isLast};
    const second = lineEnd(0) < text.length ? line(lineEnd(0)) : "";
    if (first.includes("|") && second.includes("-") && DIVIDER.test(second) && second.includes("|")) {
      let at = lineEnd(lineEnd(0));
      while (at < text.length && line(at).includes("|")) at = lineEnd(at);
      return {kind: "table", body: text.slice(0, at), end: at, isOpen: at >= text.length};
    }
    const isQuote = /^ {0,3}>/.test(first);
    const isList = ITEM.test(first) && !isQuote;
    const starts = (content) => FENCE.test(content) || HEADING.test(content) || BEGIN.test(content) ||
      OPENING.some(([mark]) => mark.test(content));
    let at = lineEnd(0);
    let inFence = null;
    for (; at < text.length; at = lineEnd(at)) {
      const content = line(at);
      if (isList) {
        const mark = FENCE.exec(content.trim());
        if (mark && !inFence && /^\s/.test(content)) inFence = mark[1];
        else if (inFence && content.trim() === inFence) inFence = null;
        if (inFence) continue;
        if (content.trim() !== "") {
          const isPart = ITEM.test(content) || /^\s/.test(content);
          const isLazy = text.slice(0, at).endsWith("\n\n") === false && !starts(content);
          if (!isPart && !isLazy) break;
        }
      } else if (content.trim() === "") {
        break;
      } else if (isQuote ? starts(content) : starts(content) || /^ {0,3}>/.test(content) || RULE.test(content) ||
                 ITEM.test(content)) {
        if (!isInMath(text.slice(0, at))) break;
      }
    }
    const kind = isQuote ? "quote" : isList ? "list" : "text";
    if (at >= text.length && at > LONGEST && !isQuote) {
      // What grows without end is cut at a line, so that it is not read again and again.
      const cut = text.lastIndexOf("\n", at - LONGEST / 4) + 1 || at - LONGEST / 4;
      const isClean = isList ? /^\S/.test(text.slice(cut)) && ITEM.test(text.slice(cut, cut + 200))
        : !isInMath(text.slice(0, cut));
      if (isClean) return {kind, body: text.slice(0, cut), end: cut, isOpen: false};
    }
    // A blank line behind a list may be followed by another of its items.
    return {kind, body: text.slice(0, at), end: at, isOpen: at >= text.length};
  }

  // Whether a formula that begins in `text` goes on behind it.
  function isInMath(text) {
    const count = (mark) => text.split(mark).length - 1;
    return count("$$") % 2 === 1 || count("\\[") > count("\\]") || count("\\begin{") > count("\\end{");
  }

  // Calls `onBlock` with each block from `from` on; returns where the last, still open one begins.
  function blocks(text, from, onBlock) {
    let place = from;
    for (;;) {
      while (/^[^\S\n]*\n/.test(text.slice(place, place + 200))) place = text.indexOf("\n", place) + 1;
      if (place >= text.length) return place;
      const block = firstBlock(text.slice(place));
      onBlock(block, place);
      if (block.isOpen || place + block.end >= text.length) return place;
      place += block.end;
    }
  }

  function tree(block) {
    switch (block.kind) {
      case "code": return code(block.body.replace(/\n$/, ""), block.language);
      case "math": return node("div", [math(block.body, true)], {class: "formula"});
      case "heading": return node("h" + Math.min(6, block.level + 2), inline(block.body));
      case "rule": return node("hr", []);
      case "table": return table(block.body);
      case "quote": return node("blockquote", all(block.body.replace(/^ {0,3}> ?/gm, "")));
      case "list": return list(block.body);
      default: return node("p", inline(block.body.trim()));
    }
  }

  let depth = 0;
  function all(text) {
    if (depth > 8) return [node("p", [text])];
    depth += 1;
    const trees = [];
    blocks(text, 0, (block) => trees.push(tree(block)));
    depth -= 1;
    return trees;
  }

  function table(text) {
    const cells = (line) => {
      const parts = [""];
      // A bar in code or in a formula is none.
      for (const piece of line.trim().replace(/^\||\|$/g, "").split(/(`[^`]*`|\$[^$]*\$|\\\(.*?\\\)|\\\|)/)) {
        if (/^[`$\\]/.test(piece)) parts[parts.length - 1] += piece === "\\|" ? "|" : piece;
        else piece.split("|").forEach((part, i) => { if (i) parts.push(part); else parts[parts.length - 1] += part; });
      }
      return parts.map((part) => part.trim());
    };
    const [head, divider, ...rows] = text.replace(/\n$/, "").split("\n");
    const sides = cells(divider).map((mark) => /^:-+:$/.test(mark) ? "center" : /-:$/.test(mark) ? "right" : "left");
    const row = (line, tag) => {
      const found = cells(line);
      return node("tr", sides.map((side, i) => node(tag, inline(found[i] || ""), {class: "to-" + side})));
    };
    const body = node("tbody", rows.map((line) => row(line, "td")));
    return node("div", [node("table", [node("thead", [row(head, "th")]), body])], {class: "table"});
  }

  function list(text) {
    const first = ITEM.exec(text);
    const isOrdered = /\d/.test(first[2]);
    const items = [];
    for (const line of text.replace(/\n+$/, "").split("\n")) {
      const found = ITEM.exec(line);
      if (found && found[1].length <= first[1].length && !items.at(-1)?.inFence) {
        items.push({width: found[0].length || 2, lines: [line.slice(found[0].length)]});
      } else {
        const item = items.at(-1);
        const indent = /^\s*/.exec(line)[0].length;
        item.lines.push(line.slice(Math.min(indent, item.width)));
      }
      const item = items.at(-1);
      if (FENCE.test(item.lines.at(-1))) item.inFence = !item.inFence;
    }
    const children = items.map(({lines}) => {
      const trees = all(lines.join("\n"));
      // A short item is a line, not a paragraph.
      return node("li", trees[0] && trees[0].tag === "p" ? [...trees[0].children, ...trees.slice(1)] : trees);
    });
    return node(isOrdered ? "ol" : "ul", children, isOrdered ? {start: String(parseInt(first[2], 10))} : {});
  }

  // ---- Lines

  // Their lengths are bounded, so that marks without partners cost little.
  const INLINE = new RegExp([
    /(`{1,8})(?!`)(?:(?!\1)[^]|(?!\1)`){0,2000}?[^`]\1(?!`)/,                                       // code
    /\$\$(?:\\[^]|[^$\\]){1,4000}\$\$/, /\\\[[^]{1,4000}?\\\]/, /\\\([^]{1,2000}?\\\)/,             // formulas
    /\$(?![\s$])(?:\\[^]|[^$\\]){0,1000}?(?:\\[^]|[^$\\\s])\$(?!\d)/,
    // With blanks inside the dollars something must tell it from money.
    /\$(?![\d$])(?:\\[^]|[^$\\]){0,400}?[\\=<>^_+(](?:\\[^]|[^$\\]){0,400}?\$(?!\d)/,
    /\\begin\{([a-zA-Z]+\*?)\}[^]{1,4000}?\\end\{\2\}/,
    /\\boxed\s*\{/,
    /\[asy\][^]{0,4000}?\[\/asy\]/,
    /!?\[[^\]\n]{0,400}\]\([^()\s]{0,400}(?:\([^()\s]{0,100}\)[^()\s]{0,100})*(?:\s+"[^"\n]{0,200}")?\)/,  // links
    /\bhttps?:\/\/[^\s<>"'`\])}]{0,400}[^\s<>"'`\])}.,;:!?]/,
    /\*\*\*(?=\S)[^]{1,2000}?\S?\*\*\*/, /\*\*(?=\S)[^]{0,2000}?[^\s]\*\*(?!\*)/,
    /__(?=\S)[^]{0,2000}?\S__(?!\w)/, /~~(?=\S)[^]{0,2000}?\S~~/,
    /(?<![\w)])\*(?=[^\s*])(?:[^*\n]|\*\*[^*]{0,400}\*\*){0,1000}?[^\s*]\*(?![*\w])/,
    /(?<!\w)_(?=[^\s_])[^_\n]{0,1000}?[^\s_]_(?!\w)/,
    /\\[!-/:-@[-`{-~]/, /\n/,
  ].map((pattern) => pattern.source).join("|"), "g");

  function inline(text, level = 0) {
    if (level > 6) return [text];
    const nodes = [];
    let place = 0;
    INLINE.lastIndex = 0;
    for (let found; (found = INLINE.exec(text));) {
      let piece = found[0];
      const at = found.index;
      let next = at + piece.length;
      if (/^\\boxed\s*\{$/.test(piece)) {
        next = closing(text, next);
        if (next < 0) continue;
        piece = text.slice(at, next);
      }
      if (at > place) nodes.push(text.slice(place, at));
      nodes.push(...one(piece, level));
      place = next;
      INLINE.lastIndex = next;
    }
    if (place < text.length) nodes.push(text.slice(place));
    return nodes;
  }

  // Behind the brace that closes the one before `from`; -1 if there is none.
  function closing(text, from) {
    let open = 1;
    for (let at = from; at < text.length && at < from + 2000; at++) {
      if (text[at] === "\\") at += 1;
      else if (text[at] === "{") open += 1;
      else if (text[at] === "}" && --open === 0) return at + 1;
    }
    return -1;
  }

  function one(piece, level) {
    const nested = (tag, width) => [node(tag, again(piece.slice(width, -width), level))];
    if (piece === "\n") return [node("br", [])];
    if (piece[0] === "`") {
      const width = /^`+/.exec(piece)[0].length;
      return [node("code", [piece.slice(width, -width).replace(/^ (.+) $/s, "$1")])];
    }
    if (piece.startsWith("$$")) return [math(piece.slice(2, -2), true)];
    if (piece[0] === "$") return [math(piece.slice(1, -1), false)];
    if (piece.startsWith("\\[")) return [math(piece.slice(2, -2), true)];
    if (piece.startsWith("\\(")) return [math(piece.slice(2, -2), false)];
    if (piece.startsWith("\\begin")) return [math(piece, true)];
    if (/^\\boxed/.test(piece)) return [math(piece, false)];
    if (piece.startsWith("[asy]")) return [code(piece.slice(5, -6).trim(), "asy")];
    if (piece[0] === "\\") return [piece.slice(1)];
    if (/^https?:/.test(piece)) return [link(piece, [piece])];
    if (/^!?\[/.test(piece)) {
      const parts = /^!?\[([^\]]*)\]\((\S*?)(?:\s+"[^]*")?\)$/.exec(piece);
      const words = again(parts[1] || parts[2], level);
      return /^(https?:|mailto:)/i.test(parts[2]) ? [link(parts[2], words)] : words;
    }
    if (piece.startsWith("***")) return [node("strong", [node("em", again(piece.slice(3, -3), level))])];
    if (piece.startsWith("**") || piece.startsWith("__")) return nested("strong", 2);
    if (piece.startsWith("~~")) return nested("del", 2);
    return nested("em", 1);
  }

  function again(text, level) {
    const place = INLINE.lastIndex;
    const nodes = inline(text, level + 1);
    INLINE.lastIndex = place;
    return nodes;
  }

  function link(address, words) {
    return node("a", words, {href: address, target: "_blank", rel: "noopener noreferrer"});
  }

  function math(source, isDisplay) {
    const formula = source.trim() === "" ? null : MathReader.formula(source, isDisplay);
    return formula ? formula.tree : node("code", [source]);
  }

  return {blocks, tree, inline, all};
})();

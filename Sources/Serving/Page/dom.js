// Elements. What a model says becomes texts and elements of the names below, never markup.
const $ = (id) => document.getElementById(id);
const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};
const button = (className, text, onClick, title) => {
  const element = make("button", className, text);
  element.type = "button";
  if (title) element.title = title;
  element.addEventListener("click", () => onClick(element));
  return element;
};

const MATHML = "http://www.w3.org/1998/Math/MathML";
const MATH_TAGS = new Set(["math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub",
  "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd", "mstyle", "mphantom"]);
const TEXT_TAGS = new Set(["p", "div", "pre", "code", "h3", "h4", "h5", "h6", "hr", "table", "thead", "tbody", "tr",
  "th", "td", "blockquote", "ul", "ol", "li", "strong", "em", "del", "br", "a"]);

// A tree of markdown.js or tex.js as nodes.
function build(tree) {
  if (typeof tree === "string") return document.createTextNode(tree);
  const isMath = MATH_TAGS.has(tree.tag);
  if (!isMath && !TEXT_TAGS.has(tree.tag)) return document.createTextNode("");
  const element = isMath ? document.createElementNS(MATHML, tree.tag) : document.createElement(tree.tag);
  for (const [name, value] of Object.entries(tree.attributes)) {
    if (name !== "href" || /^(https?:|mailto:)/i.test(value)) element.setAttribute(name, value);
  }
  element.append(...tree.children.map(build));
  return tree.tag === "pre" ? codeBox(element, tree.attributes["data-language"]) : element;
}

function codeBox(pre, language) {
  const box = make("div", "code");
  const head = make("div", "code-head");
  head.append(make("span", "", language || "code"), button("", "Copy", (self) => copy(pre.textContent, self)));
  box.append(head, pre);
  return box;
}

async function copy(text, from) {
  const before = from.textContent;
  let isDone = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers keep the clipboard from pages that come without TLS from another machine.
    const area = make("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    isDone = document.execCommand("copy");
    area.remove();
  }
  from.textContent = isDone ? "Copied" : "Not allowed";
  setTimeout(() => { from.textContent = before; }, 1200);
}

function download(name, text) {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// A text that grows. Blocks that are whole are built once; the last one is built again as it grows.
class GrowingText {
  constructor(root, onShown) {
    this.root = root;
    this.onShown = onShown;
    this.text = "";
    this.start = 0;       // of the block that is open
    this.open = null;     // {block, node}
    this.cost = 0;        // milliseconds that the last showing took
    this.timer = null;
  }

  append(piece) {
    this.text += piece;
    // At most a tenth of the time goes into building.
    this.timer ??= setTimeout(() => this.show(), Math.min(1000, Math.max(40, this.cost * 10)));
  }

  show() {
    clearTimeout(this.timer);
    this.timer = null;
    const began = performance.now();
    const before = this.open;
    this.open = null;
    const start = this.start;
    this.start = Markdown.blocks(this.text, start, (block, at) => {
      const isSame = before && at === before.at && block.kind === "code" && before.block.kind === "code";
      let node = isSame ? before.node : build(Markdown.tree(block));
      if (isSame) grow(node.querySelector("code"), block.body.replace(/\n$/, ""));
      else if (before && at === before.at) before.node.replaceWith(node);
      else this.root.append(node);
      this.open = {block, node, at};
    });
    this.cost = performance.now() - began;
    if (this.onShown) this.onShown();
  }
}

// Appends to a text what is new in it.
function grow(element, text) {
  const node = element.firstChild;
  if (!node) element.textContent = text;
  else if (text.startsWith(node.data)) node.appendData(text.slice(node.data.length));
  else node.data = text;
}

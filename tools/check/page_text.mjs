// Checks what the page of `tina serve` makes of Markdown and TeX, without a browser.
//
//     node --test tools/check/page_text.mjs
//
// With ../shared/data/benchmarks/math500/test.jsonl beside the checkout, or MATH500=FILE, every formula of MATH-500 too.
import assert from "node:assert/strict";
import {existsSync, readFileSync} from "node:fs";
import {test} from "node:test";

const root = new URL("../../", import.meta.url);
const parts = ["tex-names", "tex", "tex-macros", "markdown"];
const source = parts.map((name) => readFileSync(new URL(`Sources/Serving/Page/${name}.js`, root), "utf8")).join("\n");
const {MathReader, Markdown} = new Function(`"use strict"; ${source}; return {MathReader, Markdown};`)();

// A tree as text: <tag>…</tag>, attributes left out unless asked for.
function show(tree, names = []) {
  if (typeof tree === "string") return tree;
  const attributes = names.filter((name) => name in tree.attributes).map((name) => ` ${name}="${tree.attributes[name]}"`);
  return `<${tree.tag}${attributes.join("")}>${tree.children.map((child) => show(child, names)).join("")}</${tree.tag}>`;
}
const tex = (formula, names) => show(MathReader.formula(formula, true).tree, names).slice(6, -7);
const plain = (tree) => typeof tree === "string" ? tree : ["pre", "code"].includes(tree.tag) ? "" : tree.children.map(plain).join("");
const blocks = (text, names) => Markdown.all(text).map((tree) => show(tree, names)).join("");

// Elements of MathML have the children that they need.
const counts = {mfrac: 2, msub: 2, msup: 2, msubsup: 3, munder: 2, mover: 2, munderover: 3, mroot: 2};
function checkShape(tree) {
  if (typeof tree === "string") return;
  if (counts[tree.tag]) assert.equal(tree.children.length, counts[tree.tag], tree.tag);
  const isLeaf = ["mi", "mn", "mo", "mtext"].includes(tree.tag);
  for (const child of tree.children) {
    assert.equal(typeof child === "string", isLeaf, `a child of ${tree.tag}`);
    checkShape(child);
  }
}

test("formulas", () => {
  const expected = {
    "x^2": "<msup><mi>x</mi><mn>2</mn></msup>",
    "x_1'^2": "<msubsup><mi>x</mi><mn>1</mn><mrow><mo>′</mo><mn>2</mn></mrow></msubsup>",
    "\\frac12": "<mfrac><mn>1</mn><mn>2</mn></mfrac>",
    "\\frac{a+b}c": "<mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mi>c</mi></mfrac>",
    "\\sqrt[3]{8}": "<mroot><mn>8</mn><mn>3</mn></mroot>",
    "\\sum_{k=1}^n": "<munderover><mo>∑</mo><mrow><mi>k</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover>",
    "\\int_0^1": "<msubsup><mo>∫</mo><mn>0</mn><mn>1</mn></msubsup>",
    "1,234.5": "<mn>1,234.5</mn>",
    "\\left(\\frac{1}{2}\\right]": "<mrow><mo>(</mo><mfrac><mn>1</mn><mn>2</mn></mfrac><mo>]</mo></mrow>",
    "\\text{if $x$ is odd}": "<mrow><mtext>if\u00A0</mtext><mi>x</mi><mtext>\u00A0is\u00A0odd</mtext></mrow>",
    "{n \\choose k}": "<mrow><mo>(</mo><mfrac><mi>n</mi><mi>k</mi></mfrac><mo>)</mo></mrow>",
    "\\mathbb{R}": "<mi>ℝ</mi>",
    "90^\\circ": "<msup><mn>90</mn><mo>∘</mo></msup>",
    "\\not=": "<mo>=\u0338</mo>",
    "\\overline{AB}": "<mrow><mrow><mi>A</mi><mi>B</mi></mrow></mrow>",
    "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}":
      "<mrow><mo>(</mo><mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr>" +
      "<mtr><mtd><mn>3</mn></mtd><mtd><mn>4</mn></mtd></mtr></mtable><mo>)</mo></mrow>",
    "\\boxed{5\\%}": "<mrow><mrow><mn>5</mn><mi>%</mi></mrow></mrow>",
  };
  for (const [formula, tree] of Object.entries(expected)) assert.equal(tex(formula), tree, formula);
});

test("tables of formulas", () => {
  const aligned = tex("\\begin{align*}a&=b\\\\&=c\\end{align*}", ["class"]);
  assert.match(aligned, /<mtd class="tex-r"><mi>a<\/mi><\/mtd><mtd class="tex-l">/);
  const ruled = tex("\\begin{array}{c|c} a & b \\\\ \\hline c & d \\end{array}", ["class"]);
  assert.match(ruled, /<mtd class="tex-c tex-line"><mi>b/);
  assert.match(ruled, /<mtd class="tex-c tex-above"><mi>c/);
});

test("what is broken or unknown stays in sight", () => {
  for (const formula of ["\\frac{1}{", "}", "{", "\\left(", "x^", "_", "\\begin{pmatrix}", "\\end{x}", "a & b", "\\", "\\right)", "^^^", "$"]) {
    checkShape(MathReader.formula(formula, false).tree);
  }
  const {tree, unknown} = MathReader.formula("\\nonsense{x}", false);
  assert.deepEqual(unknown, ["\\nonsense"]);
  assert.match(plain(tree), /\\nonsensex/);
  assert.equal(MathReader.formula("{".repeat(5000), false), null);
  assert.equal(MathReader.formula("x".repeat(30000), false), null);
});

test("blocks", () => {
  assert.equal(blocks("# Title\n\none\ntwo\n\n---"), "<h3>Title</h3><p>one<br></br>two</p><hr></hr>");
  assert.equal(blocks("1. a\n2. b\n   - c\n\nend"), "<ol><li>a</li><li>b<ul><li>c</li></ul></li></ol><p>end</p>");
  assert.equal(blocks("3) x", ["start"]), "<ol start=\"3\"><li>x</li></ol>");
  assert.equal(blocks("```py\na < b\n```\nend", ["data-language"]), "<pre data-language=\"py\"><code>a < b</code></pre><p>end</p>");
  assert.equal(blocks("> q\n> r"), "<blockquote><p>q<br></br>r</p></blockquote>");
  assert.match(blocks("| a | b |\n|---|--:|\n| `x|y` | $|z|$ |", ["class"]), /<td class="to-left"><code>x\|y<\/code><\/td><td class="to-right"><math>/);
  assert.match(blocks("text\n\\[x\\]then"), /^<p>text<\/p><div><math><mi>x<\/mi><\/math><\/div><p>then<\/p>$/);
});

test("lines", () => {
  const line = (text) => blocks(text).slice(3, -4);
  assert.equal(line("**b** _i_ `c` ~~d~~ x_1_2 2*3*4"),
    "<strong>b</strong> <em>i</em> <code>c</code> <del>d</del> x_1_2 2*3*4");
  assert.equal(line("costs $5 and $6"), "costs $5 and $6");
  assert.equal(line("a $x$ b \\(y\\)"), "a <math><mi>x</mi></math> b <math><mi>y</mi></math>");
  assert.match(line("so \\boxed{24} it is"), /<math><mrow><mn>24<\/mn><\/mrow><\/math>/);
});

test("nothing unsafe becomes an element", () => {
  const text = "<script>alert(1)</script> <img src=x onerror=alert(1)> [a](javascript:alert(1)) ![i](https://e.org/i.png) " +
    "[b](data:text/html,x) $\\href{javascript:x}{y}$";
  const tags = new Set();
  const visit = (tree) => {
    if (typeof tree === "string") return;
    tags.add(tree.tag);
    if (tree.attributes.href) assert.match(tree.attributes.href, /^https:\/\/e\.org/);
    for (const name of Object.keys(tree.attributes)) assert.ok(!/^(on|style|src)/.test(name), name);
    tree.children.forEach(visit);
  };
  Markdown.all(text).forEach(visit);
  for (const tag of tags) assert.ok(!["script", "img", "iframe", "style"].includes(tag), tag);
});

test("a text that streams ends as one that is there at once", () => {
  const text = "Intro $x$\n\n- a\n- b\n\n```\ncode\n\nmore\n```\nafter\n\n| a |\n|---|\n| 1 |\n\n\\[\nx\n\n+ y\n\\]\nend\n";
  for (const step of [1, 2, 7]) {
    const closed = [];
    let [start, open] = [0, []];
    for (let end = step; ; end = Math.min(end + step, text.length)) {
      open = [];
      const before = start;
      start = Markdown.blocks(text.slice(0, end), before, (block, at) => open.push([at, show(Markdown.tree(block))]));
      closed.push(...open.filter(([at]) => at < start));
      if (end === text.length) break;
    }
    const all = [...closed, ...open.filter(([at]) => at >= start)].map(([, shown]) => shown).join("");
    assert.equal(all, blocks(text), `in steps of ${step}`);
  }
});

test("long and hostile texts cost linear time", () => {
  const began = performance.now();
  for (const mark of ["**a ", "$", "`", "[", "\\(", "_a ", "\\boxed{", "| ", "- ", "> ", "$$", "\\begin{a}", "{", "*"]) {
    Markdown.all(mark.repeat(20000 / mark.length));
  }
  assert.ok(performance.now() - began < 20000, `${performance.now() - began} ms`);
});

const file = process.env.MATH500 || new URL("../shared/data/benchmarks/math500/test.jsonl", root);
test("every formula of MATH-500", {skip: !existsSync(file)}, () => {
  const unknown = new Map();
  let [formulas, texts] = [0, 0];
  const visit = (tree) => {
    if (typeof tree === "string") return;
    if (tree.tag === "math") { formulas += 1; checkShape(tree); }
    if (tree.attributes.class === "strange") unknown.set(plain(tree), (unknown.get(plain(tree)) || 0) + 1);
    tree.children.forEach(visit);
  };
  for (const line of readFileSync(file, "utf8").trim().split("\n")) {
    const record = JSON.parse(line);
    for (const text of [record.problem, record.solution, `$${record.answer}$`]) {
      texts += 1;
      const trees = Markdown.all(text);
      trees.forEach(visit);
      // No command is left outside a formula; what [asy] draws is code.
      const left = trees.map(plain).join("\n").replace(/\\ ?j/, "").match(/\\[a-zA-Z]+/g);
      if (left && !text.includes("[asy]")) for (const word of left) unknown.set(word, (unknown.get(word) || 0) + 1);
    }
  }
  console.log(`${formulas} formulas in ${texts} texts; not supported:`, Object.fromEntries(unknown));
  assert.equal(unknown.size, 0);
});

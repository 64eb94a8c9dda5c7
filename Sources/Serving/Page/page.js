// The whole: columns, what is typed, and what the buttons do.
let columns = [];     // one, or two side by side
let running = 0;      // answers in the making
let stopper = null;   // stops them

// ---- The end of the conversation stays in sight unless the reader scrolls up

const main = $("main");
let isFollowing = true;
let lastTop = 0;

function follow() {
  if (!isFollowing) return showJump();
  main.scrollTop = main.scrollHeight;
  lastTop = main.scrollTop;
}

function showJump() { $("jump").hidden = isFollowing || main.scrollHeight - main.scrollTop - main.clientHeight < 40; }

main.addEventListener("scroll", () => {
  const isAtEnd = main.scrollHeight - main.scrollTop - main.clientHeight < 40;
  if (isAtEnd) isFollowing = true;
  else if (main.scrollTop < lastTop - 1) isFollowing = false;
  lastTop = main.scrollTop;
  showJump();
});
new ResizeObserver(() => follow()).observe(main);

// ---- Sending

function setColumns(count) {
  while (columns.length > count) columns.pop().root.remove();
  while (columns.length < count) {
    const column = new Column(columns.length);
    if (columns.length > 0) column.begin(columns[0]);
    columns.push(column);
    $("columns").append(column.root);
  }
  $("columns").classList.toggle("two", count === 2);
  $("compare").setAttribute("aria-pressed", String(count === 2));
  follow();
}

function showState() {
  $("send").textContent = running ? "Stop" : "Send";
  $("send").disabled = !running && $("prompt").value.trim() === "";
  $("compare").disabled = $("fresh").disabled = running > 0;
  document.body.classList.toggle("running", running > 0);
}

// The seed of the settings; else, side by side, one for both: what differs is the model alone.
function chosenSeed() {
  if ($("seed").value !== "") return Number($("seed").value);
  return columns.length > 1 ? crypto.getRandomValues(new Uint32Array(1))[0] : null;
}

// Sends a message in every column, behind everything or in the place of a turn.
function send(text, place) {
  if (running || !text.trim()) return;
  const turns = columns.map((column) => {
    if (place !== undefined) column.cut(place);
    return column.addTurn(text.trim());
  });
  const seed = chosenSeed();
  isFollowing = true;
  return work(columns, (column, i) => column.answer(turns[i], seed));
}

async function work(among, run) {
  stopper = new AbortController();
  running = among.length;
  showState();
  const answers = among.map(run);
  follow();
  await Promise.all(answers);
  running = 0;
  showState();
}

function stop() { if (running) stopper.abort(); }

// ---- What is typed

function remember(name, value) {
  try { sessionStorage.setItem(name, value); } catch { /* switched off */ }
}

function recall(name) {
  try { return sessionStorage.getItem(name) || ""; } catch { return ""; }
}

function fit() {
  const area = $("prompt");
  area.style.height = "auto";
  area.style.height = area.scrollHeight + "px";
}

function typed(text) {
  $("prompt").value = text;
  remember("tina-draft", text);
  fit();
  showState();
}

function isSending(event) { return event.key === "Enter" && !event.shiftKey && !event.isComposing; }

function sendPrompt() {
  const text = $("prompt").value;
  if (running || !text.trim()) return;
  typed("");
  send(text);
  $("prompt").focus();
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (running) stop(); else sendPrompt();
});
$("prompt").addEventListener("keydown", (event) => {
  if (!isSending(event)) return;
  event.preventDefault();
  sendPrompt();
});
$("prompt").addEventListener("input", () => typed($("prompt").value));
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running && !$("options").open) {
    event.preventDefault();
    stop();
  }
});

// ---- Buttons

$("jump").addEventListener("click", () => { isFollowing = true; follow(); showJump(); });
$("compare").addEventListener("click", () => setColumns(columns.length === 1 ? 2 : 1));
$("fresh").addEventListener("click", () => { for (const column of columns) column.clear(); });
$("export").addEventListener("click", () => {
  for (const column of columns) {
    const name = columns.length > 1 ? `tina-chat-${column.index + 1}.json` : "tina-chat.json";
    download(name, JSON.stringify(column.record, null, 2) + "\n");
  }
});
$("settings").addEventListener("click", () => { $("options").showModal(); });
$("done").addEventListener("click", () => $("options").close());
$("options").addEventListener("close", () => {
  remember("tina-key", $("key").value);
  server.load();
});
$("theme").addEventListener("click", () => {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme || (isDark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
});
addEventListener("focus", () => { if (!running && !$("options").open) server.load(); });

$("key").value = recall("tina-key");
server.listeners.push(() => { for (const column of columns) column.showModels(); });
setColumns(1);
typed(recall("tina-draft"));
server.load();

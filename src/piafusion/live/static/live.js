// The page of `piafusion live`. It talks to its own server alone.

const $ = (id) => document.getElementById(id);
const STEPS = { x: 1, y: 1, scale: 0.005, angle: 0.1 };
const KEYS = {
  ArrowLeft: ["x", -1], ArrowRight: ["x", 1], ArrowUp: ["y", -1], ArrowDown: ["y", 1],
  "+": ["scale", 1], "=": ["scale", 1], "*": ["scale", 10], "-": ["scale", -1], "_": ["scale", -10],
  "[": ["angle", -1], "{": ["angle", -10], "]": ["angle", 1], "}": ["angle", 10],
};
const STILL = { x: 0, y: 0, scale: 1, angle: 0 };
const context = $("picture").getContext("2d", { alpha: false, desynchronized: true });

let token = location.hash.match(/token=([^&]*)/)?.[1] ?? "";
let state = null; // the controls, as the server has them
let views = {};
let nudge = STILL; // as it was set here last
let before = "fused"; // the view before the preview
let said = ""; // what an action has answered, shown until there is something else

// --- the server ---------------------------------------------------------------------------------

async function ask(path, options = {}) {
  const headers = token ? { ...options.headers, Authorization: `Bearer ${token}` } : options.headers;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  if (response.ok) return response;
  if (response.status === 401) $("token-field").hidden = false;
  const problem = await response.json().catch(() => ({}));
  throw new Error(problem.detail ?? `The server answered ${response.status}.`);
}

const post = async (path, body) => (await ask(path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}),
})).json();

let wanted = null; // changes that wait
let sending = false;

// Send changes one after the other; those that come meanwhile are joined.
async function change(changes) {
  wanted = { ...wanted, ...changes };
  if (sending) return;
  sending = true;
  try {
    while (wanted) {
      const body = wanted;
      wanted = null;
      show(await post("v1/live", body));
      said = "";
    }
  } catch (error) {
    wanted = null;
    tell(error.message);
    if (state) show(state);
  } finally {
    sending = false;
  }
}

async function act(button, work) {
  button.disabled = true;
  try {
    const answer = await work();
    if (answer) show(answer);
    tell(answer?.said ?? "");
  } catch (error) {
    tell(error.message);
  } finally {
    button.disabled = false;
  }
}

// --- the picture --------------------------------------------------------------------------------

const times = []; // when the last pictures were drawn
const delays = []; // of the last pictures, in milliseconds
let skipped = 0; // pictures that this page did not show
let drawn = null; // how long the picture before took from its arrival to the screen

async function draw(blob) {
  const bitmap = await createImageBitmap(blob);
  const canvas = $("picture");
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.style.setProperty("--ratio", bitmap.width / bitmap.height);
  }
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  if (!document.hidden) await new Promise(requestAnimationFrame);
}

async function watch() {
  let number = 0, version = -1;
  const next = () => ask(`v1/live/frame?after=${number}`);
  let coming = next();
  for (;;) {
    try {
      const response = await coming;
      const blob = response.status === 200 ? await response.blob() : null;
      const arrived = performance.now();
      const told = JSON.parse(response.headers.get("Piafusion-Live"));
      if (told.before_ms !== null && drawn !== null) keep(delays, told.before_ms + drawn);
      if (blob && number) skipped += told.number - number - 1;
      number = told.number;
      coming = next(); // while this one is drawn
      coming.catch(() => {});
      drawn = null;
      if (blob) {
        await draw(blob);
        drawn = performance.now() - arrived;
        keep(times, performance.now());
      }
      figures(told);
      if (told.version !== version) {
        version = told.version;
        const now = await (await ask("v1/live")).json();
        if (!sending) show(now);
      }
    } catch (error) {
      tell(error.message);
      await new Promise((done) => setTimeout(done, 1000));
      coming = next();
    }
  }
}

function keep(list, value) {
  list.push(value);
  if (list.length > 50) list.shift();
}

const middle = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const milliseconds = (value) => value === undefined ? "–" : `${Math.round(value)} ms`;

let shownAt = 0;
function figures(told) {
  const now = performance.now();
  if (now - shownAt < 250) return;
  shownAt = now;
  const recent = times.filter((time) => now - time < 2000);
  const rate = recent.length > 1 ? 1000 * (recent.length - 1) / (recent.at(-1) - recent[0]) : 0;
  $("rate").textContent = rate ? rate.toFixed(1) : "–";
  $("rate").title = `The server fuses ${told.rate} a second.`;
  $("delay").textContent = milliseconds(middle(delays));
  $("dropped").textContent = `${told.dropped} + ${skipped}`;
  $("dropped").title = `${told.dropped} by the server, ${skipped} by this page; ${told.unmatched} had no infrared frame`;
  $("infrared").textContent = milliseconds(told.infrared_ms);
  $("visible").textContent = milliseconds(told.visible_ms);
  $("fuse").textContent = milliseconds(told.fuse_ms);
  $("again").hidden = !told.ended;
  $("record").setAttribute("aria-pressed", Boolean(told.recording));
  $("record").textContent = told.recording ? "Stop" : "Record";
  const recording = told.recording && `Recording ${told.recording}: ${told.recorded} frames${told.lost ? `, ${told.lost} lost` : ""}`;
  $("status").textContent = said || told.message || recording || (told.rate ? "Live" : "Waiting for frames");
  $("status").className = !said && told.ended ? "alert" : "";
}

function tell(text) {
  said = text;
  $("status").textContent = text;
}

// --- the controls -------------------------------------------------------------------------------

function show(told) {
  if (told.views) offer(told);
  state = { ...state, ...told, ...wanted }; // with what is not sent yet
  const [view, ...value] = state.view.split(":");
  set("view", view);
  set("view-value", value.join(":"));
  set("view-palette", view === "fused" ? "" : state.view_palette);
  $("view-palette").disabled = view === "fused";
  $("view-note").textContent = views[view] ?? "";
  set("tone", state.tone);
  set("offset", state.offset);
  set("strength", state.strength ?? 0.5);
  $("strength").disabled = state.strength === null;
  $("strength-note").textContent = state.strength === null ? "This model has no strength."
    : { 0: "0: the visible picture", 0.5: "0.5: natural", 1: "1: all that is brighter" }[state.strength] ?? state.strength;
  $("swap").setAttribute("aria-pressed", state.swapped);
  $("sources").textContent = state.sources.join(" and ");
  for (const radio of document.querySelectorAll("#preview input")) {
    radio.checked = radio.value === (["checker", "blend"].includes(view) ? view : "");
  }
  nudge = state.nudge;
  const { x, y, scale, angle } = nudge;
  $("nudge-note").textContent = `${x} right, ${y} down, size ${(100 * scale).toFixed(1)} %, turned ${angle.toFixed(1)}°`;
}

function set(id, value) {
  if (document.activeElement === $(id) && $(id).type !== "range") return;
  $(id).value = value;
  if ($(id).tagName === "SELECT" && $(id).value !== String(value)) { // of the command line
    $(id).append(new Option(value, value));
    $(id).value = value;
  }
}

function offer(told) {
  views = told.views;
  if ($("view").length) return;
  $("view").append(...Object.keys(views).map((name) => new Option(name, name)));
  $("view-palette").append(...told.palettes.map((name) => new Option(name, name)));
}

function changeView(view = $("view").value, value = $("view-value").value.trim()) {
  change({ view: value ? `${view}:${value}` : view, view_palette: $("view-palette").value });
}

function move(what, times) {
  const value = what === "scale" ? nudge.scale * (1 + STEPS.scale) ** times : nudge[what] + STEPS[what] * times;
  nudge = { ...nudge, [what]: Number(value.toFixed(5)) };
  change({ nudge });
}

// --- events -------------------------------------------------------------------------------------

$("form").addEventListener("submit", (event) => event.preventDefault());
$("token").addEventListener("change", () => { token = $("token").value; $("token-field").hidden = true; });
$("strength").addEventListener("input", () => change({ strength: Number($("strength").value) }));
$("view").addEventListener("change", () => { $("view-value").value = ""; $("view-palette").value = ""; changeView(); });
for (const id of ["view-value", "view-palette"]) $(id).addEventListener("change", () => changeView());
$("tone").addEventListener("change", () => change({ tone: $("tone").value }));
$("offset").addEventListener("change", () => change({ offset: Number($("offset").value) }));
$("swap").addEventListener("click", () => change({ swapped: !state?.swapped }));
for (const radio of document.querySelectorAll("#preview input")) {
  radio.addEventListener("change", () => {
    if (!["checker", "blend"].includes($("view").value)) before = state?.view ?? "fused";
    const [view, ...value] = (radio.value || before).split(":");
    $("view-palette").value = "";
    changeView(view, value.join(":"));
  });
}
for (const button of document.querySelectorAll("[data-move]")) {
  const [what, sign] = button.dataset.move.split(",");
  button.addEventListener("click", (event) => move(what, Number(sign) * (event.shiftKey ? 10 : 1)));
}
$("picture").addEventListener("keydown", (event) => {
  const found = KEYS[event.key];
  if (!found || !$("align").open || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const [what, times] = found;
  move(what, event.shiftKey && event.key.startsWith("Arrow") ? 10 * times : times);
});
$("reset").addEventListener("click", () => change({ nudge: STILL }));
$("estimate").addEventListener("click", (event) => act(event.target, () => post("v1/live/estimate")));
$("save").addEventListener("click", (event) => act(event.target, () => post("v1/live/rig")));
$("again").addEventListener("click", (event) => act(event.target, () => post("v1/live/again")));
$("record").addEventListener("click", (event) => act(event.target, () => post("v1/live/record", { on: event.target.getAttribute("aria-pressed") !== "true" })));
$("snapshot").addEventListener("click", (event) => act(event.target, async () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await (await ask("v1/live/snapshot")).blob());
  link.download = `live-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}));
$("full").addEventListener("click", () => $("picture").requestFullscreen?.());
document.addEventListener("fullscreenchange", () => document.fullscreenElement?.focus());

watch();

// The page of `piafusion serve`. It talks to its own server alone; pictures stay in this tab.

const $ = (id) => document.getElementById(id);
const SIDES = ["left", "right"];
const METRICS = "MI,SD,SF,VIF,Qabf";
const MEANINGS = {
  MI: "mutual information, bit", SD: "contrast: standard deviation", SF: "spatial frequency",
  VIF: "visual information fidelity", Qabf: "edges of both that are kept",
};
const NEXT_STEPS = { // by the last part of a problem's type
  "size-mismatch": "choose “Estimate it from this pair” under Alignment",
  "alignment": "choose “The two are aligned” or another file under Alignment",
  "no-token": "enter it under “Token of this server”",
  "palette": "choose “False colours” under Colours of the infrared",
  "tone": "choose “Percentiles 1 to 99” under Infrared range",
  "polarity": "choose “Dark in the infrared” under Hot things are",
  "visible-tone": "choose the bits of the camera under Visible range",
  "too-slow": "choose a faster one under Model or method, or a smaller picture",
};
const FIXES = { // the control that a button sets, and its value
  "size-mismatch": ["alignment", "auto"],
  "palette": ["palette", "auto"],
  "tone": ["tone", "percentile:1,99"],
  "polarity": ["polarity", "black-hot"],
};
const BARRED = ["edges", "palette", "hot", "isotherm", "inset"];
const MOST_SCORED = 2e6; // pixels
const TRIES = 4;
const SETTLED = 400; // milliseconds without a change
const NARROW = matchMedia("(max-width: 60rem)");

const files = { infrared: null, visible: null };
const images = { infrared: null, visible: null, fused: null }; // object URLs
let fusedFile = null; // as it was shown first
const summaries = {};
let running = null; // the AbortController of the latest request
let pair = ""; // the server's name for the two files, while it keeps them
let settling = 0; // the timer after which the picture is asked for without loss, and scored
let alignment = ""; // the one that was applied
let viewsDue = true; // the infrared and visible pictures that are shown are not those of the files
let strength = ""; // the one that was chosen; empty is the model's own

// --- the server ---------------------------------------------------------------------------------

async function ask(path, options = {}, tries = TRIES) {
  const token = $("token").value;
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running, and is the upload within its limits?");
  }
  if (response.ok) return response;
  if (response.status === 401) {
    $("token-field").hidden = false;
    $("options").open = true;
  }
  const wait = Number(response.headers.get("Retry-After"));
  if (response.status === 503 && wait && tries > 1) {
    say(`The server is busy; trying again in ${wait} s`, "busy");
    await new Promise((done) => setTimeout(done, 1000 * wait));
    options.signal?.throwIfAborted();
    return ask(path, options, tries - 1);
  }
  const problem = await response.json().catch(() => ({}));
  const error = new Error(withControl(problem) ?? `The server answered ${response.status}.`);
  throw Object.assign(error, { gone: response.status === 410 });
}

// Ask for a picture of the two files; they are sent only if the server does not keep them.
async function askFuse(extra, signal) {
  const send = () => ask("v1/fuse", { method: "POST", body: formOf(extra), signal });
  const given = { ...files };
  let response;
  try {
    response = await send();
  } catch (error) {
    if (!error.gone) throw error;
    pair = "";
    response = await send();
  }
  if (given.infrared === files.infrared && given.visible === files.visible) {
    pair = response.headers.get("Piafusion-Pair") ?? pair;
  }
  return response;
}

// The server's messages are "expected, found; next step" for programs: the next step becomes a
// control of this page where it has one.
function withControl({ type = "", detail }) {
  const option = detail?.match(/.*--(visible-tone|tone|palette|polarity)/)?.[1];
  const kind = option ?? type.split(":").pop();
  const end = detail?.lastIndexOf("; ");
  fix = FIXES[kind] ?? null;
  return end > 0 && NEXT_STEPS[kind] ? `${detail.slice(0, end)}; ${NEXT_STEPS[kind]}` : detail;
}

function formOf(extra) {
  const form = new FormData();
  if (pair) form.append("pair", pair);
  else {
    form.append("keep", "true");
    form.append("infrared", files.infrared);
    if (files.visible) form.append("visible", files.visible);
  }
  const [kind, name] = $("how").value.split(":");
  if (name) form.append(kind, name);
  if (strength !== "") form.append("strength", strength);
  form.append("tone", $("tone").value);
  form.append("polarity", $("polarity").value);
  form.append("palette", $("palette").value);
  form.append("visible_tone", $("visible-tone").value);
  const value = $("view-value").value.trim();
  form.append("view", ($("view").value || "fused") + (value ? `:${value}` : ""));
  if ($("view").value !== "fused") form.append("view_palette", $("view-palette").value);
  for (const [key, value] of Object.entries(extra)) if (value) form.append(key, value);
  return form;
}

async function chosenAlignment() {
  if ($("alignment").value !== "file") return $("alignment").value;
  const file = $("rig").files[0];
  return file ? file.text() : "";
}

async function fuse({ views = true } = {}) {
  viewsDue ||= views;
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  const { infrared: first, visible: second } = files;
  if (!first || !(second || await isPhoto(first)) || signal.aborted) return;
  say("Fusing", "busy");
  $("shown").classList.add("old");
  try {
    clearTimeout(settling);
    const chosen = await chosenAlignment();
    const format = $("view").value === "flicker" ? "png" : "jpeg";
    const response = await askFuse({ alignment: chosen, show: "preview", format }, signal);
    const fused = await response.blob();
    alignment = response.headers.get("Piafusion-Alignment") ?? "";
    const blobs = { fused };
    if (viewsDue) {
      blobs.infrared = await view("infrared", signal);
      const asItIs = second && $("visible-tone").value === "full" && await pixelsOf(second);
      blobs.visible = asItIs ? second : await view("visible", signal);
    }
    if (signal.aborted) return;
    viewsDue = false;
    for (const [name, blob] of Object.entries(blobs)) keep(name, blob);
    fusedFile = fused;
    show(response.headers);
    await drawBar(signal);
    settling = setTimeout(() => settle(chosen, signal), SETTLED);
  } catch (error) {
    if (error.name === "AbortError") return;
    fusedFile = null; // what is shown is no picture of these files
    $("download").disabled = true;
    say(error.message, "alert");
  }
}

// Replace the quick JPEG picture by one without loss, with its metrics.
async function settle(chosen, signal) {
  try {
    const small = files.visible && await pixelsOf(files.visible) <= MOST_SCORED;
    const response = await askFuse({ alignment: chosen, metrics: small ? METRICS : "" }, signal);
    const fused = await response.blob();
    if (signal.aborted) return;
    keep("fused", fused);
    paint();
    showMetrics(response.headers.get("Piafusion-Metrics"));
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, "alert");
  }
}

async function view(what, signal) {
  return (await askFuse({ alignment, show: what }, signal)).blob();
}

// --- views and values ---------------------------------------------------------------------------

let values = null; // of the infrared: { width, height, unit, data }
let reading = null; // the promise of them
let box = null; // left, top, right and bottom in shares of the picture
let corner = null; // where the pointer began to draw it
let fix = null; // what the button beside the message sets

async function drawBar(signal) {
  const bar = BARRED.includes($("view").value) ? await view("bar", signal) : null;
  if (signal.aborted) return;
  keep("bar", bar);
  $("bar").hidden = !bar;
  if (bar) $("bar").src = images.bar;
  else $("seen").style.setProperty("--bar", 0);
}

async function valuesOf() { // of the infrared, asked for when the pointer is on the picture
  if (values) return values;
  if (!images.fused) return undefined;
  const asked = fusedFile;
  reading ??= askFuse({ alignment, show: "values" })
    .then(async (response) => {
      const [width, height] = response.headers.get("Piafusion-Size").split("x").map(Number);
      const unit = response.headers.get("Piafusion-Unit") === "celsius" ? " °C" : "";
      return { width, height, unit, data: new Float32Array(await response.arrayBuffer()) };
    })
    .finally(() => { reading = null; });
  const found = await reading;
  if (asked === fusedFile) values = found;
  return found;
}

// --- zoom ---------------------------------------------------------------------------------------

const MOST_ZOOM = 32;
const look = { scale: 1, x: 0, y: 0 }; // where the corner of the picture lies, in shares of the stage
const fingers = new Map(); // pointers that press on the stage, by id
const clip = (value, low, high) => Math.max(low, Math.min(high, value));

function onStage(event) { // in shares of the stage
  const area = $("stage").getBoundingClientRect();
  return [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height];
}

function inPicture(event) { // in shares of the picture
  const [x, y] = onStage(event);
  return [clip((x - look.x) / look.scale, 0, 1), clip((y - look.y) / look.scale, 0, 1)];
}

function zoom(factor, [x, y] = [0.5, 0.5]) {
  const scale = clip(look.scale * factor, 1, MOST_ZOOM);
  const times = scale / look.scale;
  look.scale = scale;
  pan((x - look.x) * (1 - times), (y - look.y) * (1 - times));
}

function pan(x, y) {
  look.x = clip(look.x + x, 1 - look.scale, 0);
  look.y = clip(look.y + y, 1 - look.scale, 0);
  const stage = $("stage");
  for (const [name, value] of [["--zoom", look.scale], ["--x", look.x], ["--y", look.y]]) stage.style.setProperty(name, value);
  stage.classList.toggle("zoomed", look.scale > 1);
  stage.classList.toggle("close", look.scale * stage.clientWidth > 3 * $("image-left").naturalWidth);
  $("zoom-fit").textContent = `${Math.round(100 * look.scale)} %`;
  showBox();
}

function pressed(event) {
  if (event.target !== $("divider")) fingers.set(event.pointerId, onStage(event));
  if (fingers.size > 1) corner = null;
}

function moved(event) {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const now = onStage(event);
  fingers.set(event.pointerId, now);
  const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
  if (other) {
    const apart = ([x, y]) => Math.hypot(x - other[0], y - other[1]);
    zoom(apart(now) / Math.max(apart(before), 0.01), now.map((at, axis) => (at + other[axis]) / 2));
  } else if ($("pad").hidden) {
    pan(now[0] - before[0], now[1] - before[1]);
  }
}

function zoomKey(event) {
  const arrow = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if ("+=".includes(event.key)) zoom(1.5);
  else if ("-_".includes(event.key)) zoom(1 / 1.5);
  else if (event.key === "0") zoom(1 / MOST_ZOOM);
  else if (event.shiftKey && arrow && event.target === $("divider")) pan(arrow[0] / 10, arrow[1] / 10);
  else return;
  event.preventDefault();
}

// --- values under the pointer -------------------------------------------------------------------

const told = (value, unit) => Number.isFinite(value) ? `${value.toFixed(1)}${unit}` : "no infrared";

async function pointed(event) {
  const place = inPicture(event);
  const found = await valuesOf().catch(() => undefined);
  if (found) tellPoint(found, place);
}

function tellPoint(found, place) {
  const [x, y] = [found.width, found.height].map((side, axis) => clip(Math.floor(place[axis] * side), 0, side - 1));
  $("point").textContent = `${x}, ${y}: ${told(found.data[y * found.width + x], found.unit)}`;
}

// The box that was drawn, or all of the picture.
async function measured() {
  const found = await valuesOf().catch(() => undefined);
  if (!found) return;
  const [left, top, right, bottom] = box ?? [0, 0, 1, 1];
  const [x0, x1] = [left, right].map((at) => Math.round(at * found.width));
  const [y0, y1] = [top, bottom].map((at) => Math.round(at * found.height));
  let low = Infinity, high = -Infinity, sum = 0, count = 0;
  for (let y = y0; y < Math.max(y1, y0 + 1); y += 1) {
    for (const value of found.data.subarray(y * found.width + x0, y * found.width + Math.max(x1, x0 + 1))) {
      if (!Number.isFinite(value)) continue;
      low = Math.min(low, value); high = Math.max(high, value); sum += value; count += 1;
    }
  }
  const [least, most, mean] = [low, high, sum / count].map((value) => told(value, found.unit));
  $("ends").textContent = count ? `${box ? "Box" : "All"}: ${least} to ${most}, mean ${mean}` : "Box: no infrared";
}

function boxBetween([x, y], [u, v]) {
  box = [Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)];
}

// By keys: arrows move a point pixel by pixel, with Shift the box grows from where it was.
let spot = null; // column and row, in pixels
let anchor = null; // where the box began

async function measureKey(event) {
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!arrow && event.key !== "Escape") return;
  event.preventDefault();
  const { shiftKey, ctrlKey } = event;
  const found = await valuesOf().catch(() => undefined);
  if (!found) return;
  const sides = [found.width, found.height];
  spot ??= sides.map((side) => side >> 1);
  if (arrow) {
    if (shiftKey) anchor ??= spot;
    else anchor = null;
    spot = spot.map((at, axis) => clip(at + arrow[axis] * (ctrlKey ? 10 : 1), 0, sides[axis] - 1));
    if (anchor) {
      const low = spot.map((at, axis) => Math.min(at, anchor[axis]) / sides[axis]);
      const high = spot.map((at, axis) => (Math.max(at, anchor[axis]) + 1) / sides[axis]);
      box = [...low, ...high];
    }
  } else {
    box = anchor = null;
  }
  showBox();
  tellPoint(found, spot.map((at, axis) => (at + 0.5) / sides[axis]));
  measured();
}

function showBox() {
  const [left, top, right, bottom] = box ?? [0, 0, 0, 0];
  const { scale, x, y } = look;
  const sides = { left: x + left * scale, top: y + top * scale, width: (right - left) * scale, height: (bottom - top) * scale };
  const [frame, mark] = $("pad").children;
  frame.hidden = !box;
  for (const [side, share] of Object.entries(sides)) frame.style[side] = `${100 * share}%`;
  mark.hidden = !spot || !values;
  if (mark.hidden) return;
  const at = [values.width, values.height].map((side, axis) => (spot[axis] + 0.5) / side);
  mark.style.left = `${100 * (x + at[0] * scale)}%`;
  mark.style.top = `${100 * (y + at[1] * scale)}%`;
}

// --- what is shown ------------------------------------------------------------------------------

function say(text, kind = "") {
  if (kind === "busy") fix = null;
  $("fix").hidden = !fix || !text;
  $("status").textContent = text;
  $("status").className = kind;
}

function keep(name, blob) {
  if (images[name]) URL.revokeObjectURL(images[name]);
  images[name] = blob && URL.createObjectURL(blob);
}

function show(headers) {
  const [width, height] = headers.get("Piafusion-Size").split("x").map(Number);
  $("seen").style.setProperty("--ratio", width / height);
  const first = $("shown").hidden;
  $("empty").hidden = true;
  $("shown").hidden = false;
  $("shown").classList.remove("old");
  $("download").disabled = false;
  const shown = $("view").value === "fused" ? "Fused" : "View";
  for (const radio of document.querySelectorAll("input[value=fused]")) radio.nextElementSibling.textContent = shown;
  values = reading = null;
  $("ends").textContent = "";
  if ($("measure").checked) measured();
  paint();
  if (first && NARROW.matches) $("stage").scrollIntoView({ block: "center" });
  showStrength(headers.get("Piafusion-Strength"));
  showLight(headers.get("Piafusion-Day-Probability"));
  const steps = Object.fromEntries(
    headers.get("Server-Timing").split(", ").map((step) => step.split(";dur=")),
  );
  $("timing").textContent = `${width} × ${height}, fused in ${Math.round(steps.fuse)} ms`;
  const advice = headers.get("Piafusion-Advice");
  const fused = `Fused with ${headers.get("Piafusion-Model")}`;
  say(advice ? `${fused}. Note: ${withControl({ detail: advice })}` : fused);
}

function showStrength(used) {
  $("strength").disabled = used === null;
  $("strength-note").textContent = used === null ? "This model has no strength."
    : { 0: "0: the visible picture", 0.5: "0.5: natural", 1: "1: all that is brighter" }[used] ?? used;
  if (used !== null) $("strength").value = used;
}

function paint() {
  for (const side of SIDES) {
    const what = document.querySelector(`input[name="${side}"]:checked`).value;
    $(`image-${side}`).src = images[what];
    $(`image-${side}`).alt = `${what} picture, on the ${side}`;
  }
}

function showLight(day) {
  document.querySelector(".light").hidden = day === null;
  if (day === null) return;
  const percent = Math.round(100 * day);
  $("gauge").style.setProperty("--day", percent);
  $("gauge").setAttribute("aria-valuenow", percent);
  const text = percent >= 50 ? `Day, ${percent} %` : `Night, ${100 - percent} %`;
  $("gauge").setAttribute("aria-valuetext", text);
  $("light").textContent = text;
}

function showMetrics(header) {
  document.querySelector(".scores").hidden = !header;
  if (!header) return;
  const rows = header.split(", ").map((pair) => pair.split("=")).map(([name, value]) => {
    const row = document.createElement("div");
    const term = document.createElement("dt");
    const number = document.createElement("dd");
    term.textContent = name;
    row.title = `${MEANINGS[name]}; higher is better`;
    number.textContent = Number(value).toPrecision(3);
    row.append(term, number);
    return row;
  });
  $("metrics").replaceChildren(...rows);
}

// --- what is chosen -----------------------------------------------------------------------------

function pixelsOf(file) { // 0 if this browser cannot show it
  return createImageBitmap(file).then((map) => map.width * map.height, () => 0);
}

async function isPhoto(file) { // of a FLIR camera: it may hold both pictures
  return new TextDecoder("latin1").decode(await file.slice(0, 2 ** 17).arrayBuffer()).includes("FLIR\0");
}

function clear(side) {
  const drop = $(`drop-${side}`);
  [files[side], pair] = [null, ""];
  $(`name-${side}`).textContent = "Drop a picture or choose one";
  drop.querySelector("img").hidden = true;
  drop.classList.remove("seen", "filled");
}

async function put(side, file) {
  [files[side], pair] = [file, ""];
  clearTimeout(settling);
  zoom(1 / MOST_ZOOM);
  const drop = $(`drop-${side}`), picture = drop.querySelector("img");
  $(`name-${side}`).textContent = file.name;
  const seen = Boolean(await pixelsOf(file));
  if (files[side] !== file) return;
  if (picture.src) URL.revokeObjectURL(picture.src);
  if (seen) picture.src = URL.createObjectURL(file);
  picture.hidden = !seen;
  drop.classList.toggle("seen", seen);
  drop.classList.add("filled");
  $("swap").disabled = !(files.infrared && files.visible);
}

async function take(given) {
  const [first, second] = given;
  if (!second && await isPhoto(first)) {
    clear("visible");
    await put("infrared", first);
  } else if (!second) {
    await put(files.infrared && !files.visible ? "visible" : guess(first) ?? "infrared", first);
  } else {
    const swapped = guess(first) === "visible" || guess(second) === "infrared";
    await put("infrared", swapped ? second : first);
    await put("visible", swapped ? first : second);
  }
  fuse();
}

function guess(file) {
  if (/(^|[^a-z])(i|ir|infrared|thermal|lwir|flir|t)([^a-z]|$)/i.test(file.name)) return "infrared";
  if (/(^|[^a-z])(v|vi|vis|visible|w|rgb|colou?r)([^a-z]|$)/i.test(file.name)) return "visible";
  return undefined;
}

async function scene(name) {
  const parts = await Promise.all(["ir", "vi"].map(async (folder) => {
    const blob = await (await ask(`page/scenes/${folder}/${name}.png`)).blob();
    return new File([blob], `${name}-${folder}.png`, { type: "image/png" });
  }));
  await put("infrared", parts[0]);
  await put("visible", parts[1]);
  fuse();
}

async function download() {
  const format = $("format").value;
  try {
    const blob = await (await askFuse({ alignment, format })).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${(files.visible ?? files.infrared).name.replace(/\.\w+$/, "")}-fused.${format === "jpeg" ? "jpg" : format}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch (error) {
    say(error.message, "alert");
  }
}

async function list() {
  try {
    const found = await (await ask("v1/models")).json();
    const groups = [["Models", "model", found.models], ["Comparison methods", "method", found.methods]];
    const options = groups.map(([label, kind, offered]) => {
      const group = document.createElement("optgroup");
      group.label = label;
      group.append(...offered.map(({ name, summary }) => {
        summaries[`${kind}:${name}`] = summary;
        const chosen = kind === "model" && name === found.default;
        return new Option(name, `${kind}:${name}`, chosen, chosen);
      }));
      return group;
    });
    $("how").replaceChildren(...options);
    if (!$("view").length) {
      const views = found.views.filter(({ name }) => name !== "side-by-side"); // the stage is that
      for (const { name, summary } of views) summaries[`view:${name}`] = summary;
      $("view").append(...views.map(({ name }) => new Option(name, name)));
      $("view-palette").append(...found.palettes.map((name) => new Option(name, name)));
    }
    note();
    if ($("status").className === "alert") say("");
  } catch (error) {
    say(error.message, "alert");
  }
}

function note() {
  $("how-note").textContent = summaries[$("how").value] ?? "";
  $("view-note").textContent = summaries[`view:${$("view").value}`] ?? "";
}

// --- events -------------------------------------------------------------------------------------

$("form").addEventListener("submit", (event) => event.preventDefault());
for (const side of ["infrared", "visible"]) {
  $(side).addEventListener("change", async (event) => {
    if (event.target.files.length) await put(side, event.target.files[0]).then(fuse);
    event.target.value = "";
  });
}
for (const button of document.querySelectorAll("[data-scene]")) {
  button.addEventListener("click", () => scene(button.dataset.scene).catch((error) => say(error.message, "alert")));
}
$("swap").addEventListener("click", async () => {
  const { infrared, visible } = files;
  await put("infrared", visible);
  await put("visible", infrared);
  fuse();
});
$("how").addEventListener("change", () => { strength = ""; note(); fuse(); });
$("strength").addEventListener("input", () => { strength = $("strength").value; fuse({ views: false }); });
for (const name of ["tone", "polarity", "palette", "visible-tone"]) $(name).addEventListener("change", fuse);
$("view").addEventListener("change", () => { $("view-value").value = ""; note(); fuse({ views: false }); });
for (const name of ["view-value", "view-palette"]) $(name).addEventListener("change", () => fuse({ views: false }));
$("bar").addEventListener("load", ({ target }) => $("seen").style.setProperty("--bar", target.naturalWidth / target.naturalHeight));
$("stage").addEventListener("pointermove", pointed);
$("stage").addEventListener("pointerdown", pointed);
$("stage").addEventListener("pointerdown", pressed);
$("stage").addEventListener("pointermove", moved);
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, (event) => fingers.delete(event.pointerId));
$("stage").addEventListener("keydown", zoomKey);
$("stage").addEventListener("wheel", (event) => {
  if (!event.ctrlKey && !event.metaKey && look.scale === 1) return; // the page scrolls
  event.preventDefault();
  zoom(2 ** (-event.deltaY / 300), onStage(event));
}, { passive: false });
$("zoom-in").addEventListener("click", () => zoom(1.5));
$("zoom-out").addEventListener("click", () => zoom(1 / 1.5));
$("zoom-fit").addEventListener("click", () => zoom(1 / MOST_ZOOM));
$("pad").addEventListener("keydown", measureKey);
$("measure").addEventListener("change", () => {
  [box, spot, anchor] = [null, null, null];
  $("pad").hidden = !$("measure").checked;
  showBox();
  if ($("measure").checked) measured();
  else $("ends").textContent = "";
});
$("pad").addEventListener("pointerdown", (event) => {
  if (event.isPrimary) corner = inPicture(event);
  [spot, anchor] = [null, null];
  $("pad").setPointerCapture(event.pointerId);
});
$("pad").addEventListener("pointermove", (event) => {
  if (!corner) return;
  boxBetween(corner, inPicture(event));
  showBox();
});
$("pad").addEventListener("pointerup", () => { corner = null; measured(); });
$("alignment").addEventListener("change", () => {
  $("rig").hidden = $("alignment").value !== "file";
  if ($("rig").hidden || $("rig").files.length) fuse();
});
$("rig").addEventListener("change", fuse);
$("token").addEventListener("change", () => list().then(fuse));
$("divider").addEventListener("input", (event) => $("stage").style.setProperty("--at", event.target.value));
for (const radio of document.querySelectorAll(".segments input")) radio.addEventListener("change", paint);
$("fix").addEventListener("click", () => {
  const [name, value] = fix;
  $(name).value = value;
  $(name).dispatchEvent(new Event("change"));
});
$("download").addEventListener("click", download);

let depth = 0;
const dragging = (step) => { depth = Math.max(0, depth + step); document.body.classList.toggle("dragging", depth > 0); };
document.addEventListener("dragenter", () => dragging(1));
document.addEventListener("dragleave", () => dragging(-1));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  dragging(-depth);
  const given = [...event.dataTransfer.files];
  const side = event.target.closest?.(".drop")?.id.slice(5);
  if (given.length === 1 && side) await put(side, given[0]).then(fuse);
  else if (given.length) await take(given);
});

$("options").open = !NARROW.matches;
list();

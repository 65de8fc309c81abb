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
  "visible-tone": "choose the bits of the camera under Visible range",
  "too-slow": "choose a faster one under Model or method, or a smaller picture",
};
const FIXES = { // the control that a button sets, and its value
  "size-mismatch": ["alignment", "auto"],
  "palette": ["palette", "auto"],
  "tone": ["tone", "percentile:1,99"],
};
const BARRED = ["edges", "palette", "hot", "isotherm", "inset"];
const MOST_SCORED = 2e6; // pixels
const TRIES = 4;
const NARROW = matchMedia("(max-width: 60rem)");

const files = { infrared: null, visible: null };
const images = { infrared: null, visible: null, fused: null }; // object URLs
let fusedFile = null; // as PNG
const summaries = {};
let running = null; // the AbortController of the latest request
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
  throw new Error(withControl(problem) ?? `The server answered ${response.status}.`);
}

// The server's messages are "expected, found; next step" for programs: the next step becomes a
// control of this page where it has one.
function withControl({ type = "", detail }) {
  const option = detail?.match(/--(visible-tone|tone|palette)/)?.[1];
  const kind = option ?? type.split(":").pop();
  const end = detail?.lastIndexOf("; ");
  fix = FIXES[kind] ?? null;
  return end > 0 && NEXT_STEPS[kind] ? `${detail.slice(0, end)}; ${NEXT_STEPS[kind]}` : detail;
}

function formOf(extra) {
  const form = new FormData();
  form.append("infrared", files.infrared);
  if (files.visible) form.append("visible", files.visible);
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
    const small = second && await pixelsOf(second) <= MOST_SCORED;
    const chosen = await chosenAlignment();
    const body = formOf({ alignment: chosen, metrics: small ? METRICS : "" });
    const response = await ask("v1/fuse", { method: "POST", body, signal });
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
  } catch (error) {
    if (error.name === "AbortError") return;
    fusedFile = null; // what is shown is no picture of these files
    $("download").disabled = true;
    say(error.message, "alert");
  }
}

async function view(what, signal) {
  const body = formOf({ alignment, show: what });
  return (await ask("v1/fuse", { method: "POST", body, signal })).blob();
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
  reading ??= ask("v1/fuse", { method: "POST", body: formOf({ alignment, show: "values" }) })
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

const told = (value, unit) => Number.isFinite(value) ? `${value.toFixed(1)}${unit}` : "no infrared";

function placeOf(event, { width, height }) {
  const box = $("stage").getBoundingClientRect();
  const within = (at, side) => Math.max(0, Math.min(side - 1, Math.floor(at * side)));
  return [
    within((event.clientX - box.left) / box.width, width),
    within((event.clientY - box.top) / box.height, height),
  ];
}

async function pointed(event) {
  const found = await valuesOf().catch(() => undefined);
  if (!found) return;
  const [x, y] = placeOf(event, found);
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

function drawn(event) {
  const area = $("pad").getBoundingClientRect();
  const clip = (at) => Math.max(0, Math.min(1, at));
  return [clip((event.clientX - area.left) / area.width), clip((event.clientY - area.top) / area.height)];
}

function showBox() {
  const [left, top, right, bottom] = box ?? [0, 0, 0, 0];
  const sides = { left, top, width: right - left, height: bottom - top };
  const frame = $("pad").firstElementChild;
  frame.hidden = !box;
  for (const [side, share] of Object.entries(sides)) frame.style[side] = `${100 * share}%`;
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
  showMetrics(headers.get("Piafusion-Metrics"));
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
  files[side] = null;
  $(`name-${side}`).textContent = "Drop a picture or choose one";
  drop.querySelector("img").hidden = true;
  drop.classList.remove("seen", "filled");
}

async function put(side, file) {
  files[side] = file;
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
    const body = formOf({ alignment, format });
    const blob = format === "png" ? fusedFile : await (await ask("v1/fuse", { method: "POST", body })).blob();
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
$("measure").addEventListener("change", () => {
  box = null;
  $("pad").hidden = !$("measure").checked;
  showBox();
  if ($("measure").checked) measured();
  else $("ends").textContent = "";
});
$("pad").addEventListener("pointerdown", (event) => {
  corner = drawn(event);
  $("pad").setPointerCapture(event.pointerId);
});
$("pad").addEventListener("pointermove", (event) => {
  if (!corner) return;
  const [x, y] = drawn(event);
  box = [Math.min(x, corner[0]), Math.min(y, corner[1]), Math.max(x, corner[0]), Math.max(y, corner[1])];
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

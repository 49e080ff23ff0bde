"use strict";
// The page of `mpodata review`. Texts of the data only ever become text nodes and values, never HTML.

const FIELDS = { prompt: ["Prompt", ""], chosen: ["Chosen", "the answer to learn"], rejected: ["Rejected", "the answer to unlearn"] };
const DONE = { accept: "accepted", correct: "corrected", drop: "dropped", open: "taken back" };
const byId = (id) => document.getElementById(id);
let setup, row, mode = null, revealed = false, busy = false;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Requests go one at a time; what is on the page stays there until an answer has come.
async function ask(path, body) {
  let answer;
  try {
    const options = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    answer = await fetch(path, options || {});
  } catch {
    throw new Error("The review does not answer: it was stopped. Start `mpodata review` again with the same options and open its new address. Everything saved is kept; what you typed here stays until you close this tab.");
  }
  if (answer.ok) return answer.json();
  const told = await answer.json().catch(() => ({}));
  throw new Error(told.error || `The review answered with status ${answer.status}. Reload the page from the address it printed.`);
}

async function alone(work) {
  if (busy) return;
  busy = true;
  try {
    await work();
  } catch (error) {
    complain(error.message);
  } finally {
    busy = false;
  }
}

function complain(sentence) {
  byId("alert").textContent = sentence;
  byId("alert").hidden = !sentence;
}

async function go(from, step, keepStatus) {
  const reveal = byId("always").checked;
  const filter = byId("filter").value;
  const answer = await ask(`api/row?from=${from}&step=${step}&filter=${filter}&reveal=${reveal ? 1 : 0}`);
  if (!keepStatus) say("");
  showProgress(answer.progress);
  if (answer.number === null) {
    if (row && step < 0) return say("This is the first row of this list.");
    if (filter === "open" && step > 0 && from > 0) return go(0, 1, keepStatus);
    if (row && filter !== "open") return say("This is the last row of this list.");
    return finished(answer.progress);
  }
  row = answer;
  revealed = reveal;
  leave();
  window.scrollTo(0, 0);
}

function finished(progress) {
  const judged = progress.accept + progress.correct + progress.drop;
  row = null;
  leave();
  byId("row").hidden = true;
  byId("done").hidden = false;
  byId("done-title").textContent = progress.open ? "This list is empty" : "Every row is judged";
  byId("done-text").textContent = progress.open
    ? `${progress.open} rows are still to judge: choose another list above.`
    : `${judged} rows: ${counted(progress)}. Stop the review with Ctrl-C in its terminal, then run mpodata apply-review.`;
}

const counted = (progress) => ["accept", "correct", "drop"].map((verdict) => `${progress[verdict]} ${DONE[verdict]}`).join(", ");

function showProgress(progress) {
  const judged = progress.accept + progress.correct + progress.drop;
  const total = judged + progress.open;
  byId("bar").style.width = `${total ? (100 * judged) / total : 0}%`;
  byId("counts").textContent = `${judged} of ${total} judged: ${counted(progress)}`;
}

function show() {
  byId("done").hidden = true;
  byId("row").hidden = !row;
  for (const id of ["accept", "understandable", "correct", "drop"]) byId(id).disabled = !row;
  if (!row) return;
  byId("place").textContent = [`Row ${row.number + 1} of ${row.total}`, row.config, row.split, row.category, row.pair_id].filter(Boolean).join(" · ");
  byId("findings").replaceChildren(...(row.findings.length ? row.findings.map(finding) : [element("li", { className: "fine" }, "The checks found nothing wrong with this row.")]));
  showDecision();
  const corrected = row.decision?.corrected || {};
  byId("fields").replaceChildren(...row.fields.map((field) => fieldOf(field, corrected[field.name])));
  const withheld = row.fields.filter((field) => field.target === null).length;
  byId("hidden").hidden = !withheld && !byId("always").checked;
  byId("reveal").hidden = !withheld;
  byId("reveal").textContent = `Show ${withheld === 1 ? "the harmful text" : `${withheld} harmful texts`} (h)`;
}

function finding(found) {
  const where = found.field === "row" ? "" : ` (${found.field})`;
  return element("li", {}, element("b", {}, found.reason), `${where}: ${found.meaning}`);
}

function showDecision() {
  const told = row.decision;
  byId("decision").hidden = !told;
  if (!told) return;
  const meaning = setup.reasons[told.verdict].find((reason) => reason.name === told.reason).meaning;
  const fields = told.fields.length ? ` (${told.fields.join(", ")})` : "";
  const back = element("button", { type: "button", className: "plain", onclick: () => alone(takeBack) }, "Take back ", element("kbd", {}, "u"));
  byId("decision").replaceChildren(`You ${DONE[told.verdict]} this row${fields}: ${meaning}${told.note ? ` “${told.note}”` : ""} `, back);
}

function fieldOf(field, corrected) {
  const [name, meaning] = FIELDS[field.name];
  const sides = element("div", { className: "sides" }, sideOf(field, 0), sideOf(field, 1, corrected));
  return element("section", { className: "field" }, element("h2", {}, name, element("span", {}, meaning && ` · ${meaning}`)), sides);
}

function sideOf(field, place, corrected) {
  const language = row.languages[place];
  const text = place ? field.target : field.dominant;
  const side = element("div", { className: place ? "side target" : "side" }, element("div", { className: "language" }, corrected ? `${language.name}, as you corrected it` : language.name));
  if (place && row.findings.some((found) => found.field === field.name)) side.classList.add("flagged");
  if (text === null) {
    side.append(element("div", { className: "text withheld" }, "Hidden: it may be harmful."));
  } else if (place && mode?.startsWith("correct")) {
    side.append(element("textarea", { id: `edit-${field.name}`, dir: "auto", lang: language.code, value: corrected ?? text, rows: 5, ariaLabel: `${FIELDS[field.name][0]}, ${language.name}` }));
  } else {
    side.append(element("div", { className: "text", dir: "auto", lang: language.code, tabIndex: 0 }, (place && corrected) || text || "(empty)"));
    if (place && corrected) side.append(element("div", { className: "was", dir: "auto", lang: language.code }, `It was: ${text}`));
  }
  return side;
}

// Modes: null (reading), "correct" (texts are open), "correct-reason" and "drop-reason" (reasons are on the sheet).
function enter(verdict) {
  if (!row || mode) return;
  byId("note").value = "";
  if (verdict === "drop") return askReason("drop");
  mode = "correct";
  show();
  openSheet("Change the texts, then save.", []);
  const areas = [...document.querySelectorAll("textarea")];
  (areas.find((area) => area.closest(".flagged")) || areas[0])?.focus();
}

function askReason(verdict) {
  if (verdict === "correct" && !Object.keys(changes()).length) return say("Nothing was changed. Change a text first, or leave with Esc.");
  mode = `${verdict}-reason`;
  if (verdict === "drop") show();
  openSheet(verdict === "drop" ? "Why does this row leave?" : "What was wrong?", setup.reasons[verdict].map((reason, place) =>
    element("button", { type: "button", onclick: () => alone(() => finish(verdict, reason.name)) }, element("kbd", {}, String(place + 1)), " ", element("b", {}, reason.name), reason.meaning)));
  byId("reasons").firstChild.focus();
}

function openSheet(title, reasons) {
  byId("sheet-title").textContent = title;
  byId("reasons").replaceChildren(...reasons);
  byId("note-label").hidden = byId("reasons").hidden = !reasons.length;
  byId("save").hidden = mode !== "correct";
  byId("sheet").hidden = false;
  byId("actions").hidden = true;
  say("");
}

function leave() {
  mode = null;
  byId("sheet").hidden = true;
  byId("actions").hidden = false;
  show();
}

// The corrected texts: those in the open fields, and of hidden fields what was corrected before.
function changes() {
  const corrected = {};
  for (const field of row.fields) {
    const area = byId(`edit-${field.name}`);
    const text = area ? area.value : row.decision?.corrected[field.name];
    if (text !== undefined && text !== field.target) corrected[field.name] = text;
  }
  return corrected;
}

async function finish(verdict, reason) {
  const note = byId("note").value.trim();
  if (reason === "other" && !note) {
    byId("note").focus();
    return say("Write the reason into the note, then choose “other” again.");
  }
  await decide(verdict, reason, note, verdict === "correct" ? changes() : {});
}

async function decide(verdict, reason, note = "", corrected = {}) {
  const read = row.fields.filter((field) => field.target !== null).map((field) => field.name);
  const answer = await ask("api/decide", { config: row.config, pair_id: row.pair_id, texts: row.texts, verdict, reason, note, corrected, read, revision: row.revision });
  complain(answer.replaced
    ? `Row ${row.number + 1} had been ${DONE[answer.replaced.verdict]} elsewhere meanwhile (${answer.replaced.reason || "no reason"}), in another tab of yours. This decision replaces that one.`
    : "");
  say(`Row ${row.number + 1}: ${DONE[verdict]}, saved.`);
  if (verdict === "open") return go(row.number, 1, true);
  return go(row.number + 1, 1, true);
}

async function takeBack() {
  if (!row?.decision) return;
  const number = row.number;
  const filter = byId("filter").value;
  byId("filter").value = "all";
  await decide("open", "");
  byId("filter").value = filter;
  if (row?.number !== number) await go(number, 1, true);
}

async function reveal() {
  if (!row || revealed || mode) return;
  const shown = await ask(`api/row?from=${row.number}&step=1&filter=all&reveal=1`);
  row = { ...shown, revision: row.revision };
  revealed = true;
  show();
}

function say(sentence) {
  byId("status").textContent = sentence;
}

async function showReaders() {
  if (!byId("readers").open) return;
  const others = await ask("api/readers");
  if (!others.length) {
    return byId("agreement").replaceChildren(element("p", { className: "soft" }, "No other reader's file is beside yours. A second reader runs the same command with another --reader name."));
  }
  const lines = others.map((other) => element("tr", {},
    element("th", { scope: "row" }, other.reader), element("td", {}, String(other.rows)),
    element("td", {}, other.raw === null ? "–" : `${(100 * other.raw).toFixed(1)} %`),
    element("td", {}, other.kappa === null ? "undefined" : other.kappa.toFixed(2))));
  const head = element("tr", {}, ...["reader", "rows both judged", "same verdict", "Cohen's kappa"].map((name) => element("th", { scope: "col" }, name)));
  byId("agreement").replaceChildren(element("table", {}, element("thead", {}, head), element("tbody", {}, ...lines)));
}

// Coming back to a tab: another tab may have gone on meanwhile. A decision being made here is not disturbed.
async function refresh() {
  if (document.hidden || mode || !setup || !row) return;
  const shown = await ask(`api/row?from=${row.number}&step=1&filter=all&reveal=${revealed ? 1 : 0}`);
  showProgress(shown.progress);
  if (shown.revision !== row.revision) {
    row = shown;
    show();
    say(`Row ${row.number + 1} was judged elsewhere meanwhile.`);
  }
}

const ACTIONS = {
  a: () => row && !mode && alone(() => decide("accept", "good")),
  e: () => row && !mode && alone(() => decide("accept", "understandable")),
  c: () => enter("correct"),
  d: () => enter("drop"),
  h: () => alone(reveal),
  u: () => !mode && alone(takeBack),
  j: () => !mode && alone(() => go(row ? row.number + 1 : 0, 1)),
  k: () => !mode && alone(() => go(row ? row.number - 1 : 1e9, -1)),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("textarea, select, input:not([type=checkbox])");
  if (event.key === "Escape" && mode) {
    event.preventDefault();
    leave();
    byId("row").focus();
    return;
  }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && mode === "correct") {
    event.preventDefault();
    askReason("correct");
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const reason = mode?.endsWith("reason") && /^[1-9]$/.test(event.key) && byId("reasons").children[Number(event.key) - 1];
  if (reason) {
    event.preventDefault();
    reason.click();
  } else if (Object.hasOwn(ACTIONS, event.key) && !event.repeat) {
    event.preventDefault();
    ACTIONS[event.key]();
  }
});

for (const [id, key] of Object.entries({ accept: "a", understandable: "e", correct: "c", drop: "d", reveal: "h", next: "j", previous: "k" })) {
  byId(id).addEventListener("click", () => ACTIONS[key]());
}
byId("cancel").addEventListener("click", leave);
byId("save").addEventListener("click", () => askReason("correct"));
byId("filter").addEventListener("change", () => alone(() => go(0, 1)));
byId("always").addEventListener("change", () => { if (byId("always").checked) alone(reveal); });
byId("readers").addEventListener("toggle", () => alone(showReaders));
window.addEventListener("focus", () => alone(refresh));
document.addEventListener("visibilitychange", () => alone(refresh));
window.addEventListener("beforeunload", (event) => { if (mode?.startsWith("correct")) event.preventDefault(); });

alone(async () => {
  setup = await ask("api/setup");
  document.title = `Review of ${setup.title}`;
  byId("title").textContent = `${setup.title}, read by ${setup.reader}`;
  await go(0, 1);
});

// The page: what is chosen, what is asked of the service, and which part shows the answer.

import { Problem, call, key } from "./api.js";
import { MAX_BYTES, TableError, parse } from "./csv.js";
import { announce, byId, complain, make } from "./dom.js";
import { asCsv, showBacktest, showFan } from "./forecast.js";
import { showReport, warnings } from "./report.js";
import { bodyFor, plainBody, seriesOf } from "./series.js";
import { showSkill } from "./skill.js";
import { showWhy } from "./why.js";

const PERCENTS = [50, 80, 90, 95];
const CHOSEN = [50, 80];
const RETRY_MILLISECONDS = 2000;
const EXAMPLES = [
  { file: "weather.csv", frequency: "h", title: "Weather", about: "Hourly temperatures (°F) at New York’s three airports, last eight weeks of 2013. NOAA." },
  { file: "co2.csv", frequency: "W-SAT", title: "CO₂", about: "Weekly CO₂ (ppm) over Mauna Loa, 1992 to 2001. Keeling and Whorf." },
];

const state = { models: [], name: "", data: null, report: null, asked: null, reply: null };
const asksForKey = document.documentElement.dataset.asksForKey === "yes";

// Models and the key.

async function start() {
  if (asksForKey && !key.get()) return askForKey();
  try {
    const found = await call("v1/models");
    byId("key").hidden = true;
    byId("forget-key").hidden = !asksForKey;
    serve(found);
  } catch (problem) {
    failed(problem);
  }
}

function askForKey(text = "") {
  byId("service").textContent = "Waiting for an API key.";
  byId("forget-key").hidden = true;
  for (const section of document.querySelectorAll("main section")) section.hidden = section.id !== "key";
  complain(byId("key"), text);
  byId("key-text").value = "";
  byId("key-text").focus();
}

function failed(problem) {
  if (!(problem instanceof Problem)) throw problem;
  if (asksForKey && [401, 403].includes(problem.status)) {
    key.forget();
    askForKey(problem.message);
    return;
  }
  byId("service").textContent = problem.message;
  setTimeout(start, RETRY_MILLISECONDS);
}

function serve({ models, waiting }) {
  state.models = models;
  if (!models.length) {
    const reason = waiting.map((one) => one.refused?.reason).find(Boolean);
    byId("service").textContent = `No model is in service yet${reason ? `: ${reason}` : ""}. This page looks again.`;
    setTimeout(start, RETRY_MILLISECONDS);
    return;
  }
  byId("service").textContent = `In service: ${models.map((one) => `${one.name} ${one.version}`).join(", ")}`;
  const before = byId("model").value;
  const options = models.map((one) => make("option", { value: one.spec }, `${one.name} ${one.version} · ${one.frequency}`));
  byId("model").replaceChildren(...options);
  if (models.some((one) => one.spec === before)) byId("model").value = before;
  if (waiting.some((one) => !one.refused)) setTimeout(start, RETRY_MILLISECONDS); // still loading
  const fitting = EXAMPLES.filter((example) => models.some((model) => model.frequency === example.frequency && !reads(model).length));
  byId("examples").replaceChildren(...fitting.map(exampleButton));
  for (const id of ["data", "skill"]) byId(id).hidden = false;
}

const reads = (model) => Object.values(model.covariates).flat();
const chosenModel = () => state.models.find((one) => one.spec === byId("model").value);

// Data.

function exampleButton(example) {
  const button = make("button", { type: "button", className: "example" }, make("strong", {}, example.title), make("span", {}, example.about));
  button.addEventListener("click", () => busy(byId("data"), button, async () => {
    const reply = await fetch(`${document.body.dataset.files}/${example.file}`).catch(() => null);
    if (!reply?.ok) throw new Problem("The example could not be fetched.");
    await take(`Example ${example.title}`, await reply.text());
  }));
  return button;
}

async function takeFile(file) {
  await busy(byId("data"), null, async () => {
    if (file.size > MAX_BYTES) throw new TableError(`${file.name} has ${(file.size / 1e6).toFixed(1)} MB, at most ${MAX_BYTES / 1e6} MB are read here.`);
    await take(file.name, await file.text());
  });
}

async function take(name, text) {
  for (const id of ["ask", "forecast", "backtest", "why"]) byId(id).hidden = true;
  byId("report").hidden = true;
  const data = seriesOf(parse(text));
  const report = await reported(data.series.map(plainBody));
  Object.assign(state, { name, data, report, asked: null, reply: null });
  showReport(byId("report"), name, data, report);
  chooseModel();
  byId("ask").hidden = false;
  complain(byId("ask"));
  announce(`${name} is read: ${report.series.length} series of frequency ${report.frequency}. Next: the question.`);
}

/** Gives the report of series. Where they are too short to say their frequency, it is that of a model. */
async function reported(series) {
  let problem;
  for (const frequency of [null, ...new Set(state.models.map((one) => one.frequency))]) {
    try {
      return await call("v1/report", { series, frequency });
    } catch (error) {
      problem ??= error;
      if (problem.code !== "frequency-needed") throw problem;
    }
  }
  throw problem;
}

// The question.

function chooseModel() {
  const columns = new Set(state.data.beside);
  const fitting = state.models.filter((one) => one.frequency === state.report.frequency);
  const best = fitting.find((one) => reads(one).length && reads(one).every((name) => columns.has(name))) ?? fitting.find((one) => !reads(one).length) ?? fitting[0];
  if (best) byId("model").value = best.spec;
  showModel();
}

function showModel() {
  const model = chosenModel();
  const misfit = model.frequency === state.report.frequency ? "" : `The data has the frequency ${state.report.frequency}, this model forecasts ${model.frequency}. `;
  const columns = reads(model).length ? `It reads the columns ${reads(model).join(", ")} beside the target. ` : "";
  byId("model-hint").textContent = `${misfit}${columns}It looks at the last ${model.context_length} steps of a series.`;
  byId("horizon").value = model.horizon;
  byId("horizon-hint").textContent = `Beyond ${model.horizon} steps it goes on from its own forecasts.`;
  const lowest = model.head === "quantile" ? Math.min(...model.levels) : 0;
  const isBeyond = (percent) => (100 - percent) / 200 < lowest - 1e-9;
  byId("intervals").replaceChildren(...PERCENTS.map((percent) => {
    const beyond = isBeyond(percent);
    const input = make("input", { type: "checkbox", value: percent, checked: CHOSEN.includes(percent) && !beyond, disabled: beyond });
    return make("label", { className: "choice" }, input, ` ${percent} %`);
  }));
  byId("intervals-hint").textContent = PERCENTS.some(isBeyond) ? `It knows no interval wider than ${Math.round(100 - 200 * lowest)} %.` : "";
}

async function ask() {
  const model = chosenModel();
  const horizon = byId("horizon").valueAsNumber;
  const intervals = [...byId("intervals").querySelectorAll("input:checked")].map((one) => Number(one.value));
  const series = state.data.series.map((one) => bodyFor(one, model.covariates, state.data.delimiter));
  const asked = { model: model.spec, frequency: state.report.frequency, intervals, series };
  const reply = await call("v1/forecast", { ...asked, horizon, quantiles: [0.5], roll_out: horizon > model.horizon });
  Object.assign(state, { asked: { ...asked, horizon, longest: model.horizon }, reply });
  showAnswer();
}

// Answers.

function showAnswer() {
  const { reply, report } = state;
  const options = report.series.map((one, at) => make("option", { value: at }, one.id));
  byId("series").replaceChildren(...options);
  byId("series-field").hidden = options.length < 2;
  byId("forecast").hidden = false;
  const of = `${reply.model.name} ${reply.model.version}`;
  const known = new Set(report.series.flatMap((one) => one.warnings).map((one) => one.message));
  const fresh = reply.forecasts.flatMap((one) => one.warnings).filter((one) => !known.has(one.message));
  byId("forecast-by").textContent = reply.id ? `By ${of}. Kept as ${reply.id}.` : `By ${of}.`;
  byId("forecast-warnings").replaceChildren(warnings(fresh));
  for (const id of ["backtest", "why"]) byId(id).hidden = false;
  showSeries();
  byId("forecast-title").focus({ preventScroll: true });
  byId("forecast").scrollIntoView({ block: "nearest" });
  announce(`The forecast is there: ${reply.forecasts.length} series, by ${of}.`);
}

const chosen = () => Number(byId("series").value);

function showSeries() {
  const forecast = state.reply.forecasts[chosen()];
  for (const id of ["backtest", "why"]) {
    complain(byId(id));
    byId(id).querySelector(".result").hidden = true;
  }
  const times = forecast.timestamps.slice(0, state.asked.longest);
  const steps = times.map((time, at) => make("option", { value: at + 1 }, `Step ${at + 1}: ${String(time).replace("T", " ").replace(/:00(Z|[+-].*)?$/, "")}`));
  byId("step").replaceChildren(make("option", { value: "" }, "The mean over all steps"), ...steps);
  drawFan();
}

function drawFan() {
  showFan(byId("fan"), state.report.series[chosen()], state.reply.forecasts[chosen()], {
    whole: byId("whole").checked, season: state.report.season_length, pick: explainStep,
  });
}

function explainStep(step) {
  if (step > state.asked.longest) return;
  byId("step").value = step;
  byId("why-form").requestSubmit();
}

async function backtest() {
  const { model, frequency, intervals, series, horizon, longest } = state.asked;
  const reply = await call("v1/backtest", {
    model, frequency, intervals, series: [series[chosen()]], quantiles: [0.5],
    horizon: Math.min(horizon, longest), num_windows: byId("windows").valueAsNumber,
  });
  showBacktest(byId("backtest").querySelector(".result"), state.report.series[chosen()], reply);
  announce("The backtest is there.");
}

async function explain() {
  const { model, frequency, series } = state.asked;
  const step = byId("step").value;
  const reply = await call("v1/explain", { model, frequency, series: [series[chosen()]], step: step ? Number(step) : null });
  showWhy(byId("why").querySelector(".result"), state.report.series[chosen()], reply);
  byId("why").scrollIntoView({ block: "nearest" });
  announce("The explanation is there.");
}

async function skill() {
  showSkill(byId("skill").querySelector(".result"), await call("v1/skill"));
  byId("skill-button").textContent = "Look again";
}

// Wiring.

/** Runs something for a section; meanwhile its button is busy, and what goes wrong is said there. */
async function busy(section, button, run) {
  if (section.getAttribute("aria-busy") === "true") return;
  section.setAttribute("aria-busy", "true");
  button?.setAttribute("aria-disabled", "true");
  complain(section);
  try {
    await run();
  } catch (problem) {
    if (!(problem instanceof Problem || problem instanceof TableError)) throw problem;
    complain(section, problem.message);
  } finally {
    section.removeAttribute("aria-busy");
    button?.removeAttribute("aria-disabled");
  }
}

function onSubmit(form, section, run) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(section, form.querySelector("button"), run);
  });
}

onSubmit(byId("key-form"), byId("key"), async () => {
  key.keep(byId("key-text").value.trim());
  await start();
  if (!byId("data").hidden) byId("main").focus();
});
onSubmit(byId("ask-form"), byId("ask"), ask);
onSubmit(byId("backtest-form"), byId("backtest"), backtest);
onSubmit(byId("why-form"), byId("why"), explain);
byId("skill-button").addEventListener("click", () => busy(byId("skill"), byId("skill-button"), skill));
byId("forget-key").addEventListener("click", () => { key.forget(); location.reload(); });
byId("model").addEventListener("change", showModel);
byId("series").addEventListener("change", showSeries);
byId("whole").addEventListener("change", drawFan);
byId("file").addEventListener("change", ({ target }) => {
  if (target.files.length) takeFile(target.files[0]);
  target.value = ""; // so that the same file can be chosen again
});
byId("download").addEventListener("click", () => {
  const url = URL.createObjectURL(new Blob([asCsv(state.reply)], { type: "text/csv" }));
  make("a", { href: url, download: `forecast-${state.reply.model.name}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length && !byId("data").hidden) takeFile(event.dataTransfer.files[0]);
  });
}

start();

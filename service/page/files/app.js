// The page: asks for a key where there has to be one, then for the models in service, and ties controls to what they do.

import { backtest, drawFan, explain, showSeries, skill } from "./answers.js";
import { Problem, call, key } from "./api.js";
import { showExamples, takeFile } from "./data.js";
import { byId, complain, make } from "./dom.js";
import { asCsv } from "./forecast.js";
import { ask, showModel } from "./question.js";
import { busy, state } from "./state.js";

const RETRY_MILLISECONDS = 1000;
const asksForKey = document.documentElement.dataset.asksForKey === "yes";

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
  const isNews = JSON.stringify(models.map(named)) !== JSON.stringify(state.models.map(named));
  state.models = models;
  if (!models.length) {
    const reason = waiting.map((one) => one.refused?.reason).find(Boolean);
    byId("service").textContent = `No model is in service yet${reason ? `: ${reason}` : ""}. This page looks again.`;
    setTimeout(start, RETRY_MILLISECONDS);
    return;
  }
  if (waiting.some((one) => !one.refused)) setTimeout(start, RETRY_MILLISECONDS); // still loading
  if (isNews) offer(models);
  for (const id of ["data", "skill"]) byId(id).hidden = false;
}

const named = (model) => `${model.name} ${model.version}`;

function offer(models) {
  byId("service").textContent = `In service: ${models.map(named).join(", ")}`;
  const before = byId("model").value;
  const options = models.map((one) => make("option", { value: one.spec }, `${named(one)} · ${one.frequency}`));
  byId("model").replaceChildren(...options);
  if (models.some((one) => one.spec === before)) byId("model").value = before;
  showExamples();
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

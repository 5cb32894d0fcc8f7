// What comes of a question: the forecast, and on request a backtest, an explanation and the live skill.

import { call } from "./api.js";
import { announce, byId, complain, make } from "./dom.js";
import { showBacktest, showFan } from "./forecast.js";
import { warnings } from "./report.js";
import { showSkill } from "./skill.js";
import { state } from "./state.js";
import { showWhy } from "./why.js";

export function showAnswer() {
  const { reply, report } = state;
  const before = chosen();
  const options = report.series.map((one, at) => make("option", { value: at, selected: at === before }, one.id));
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

export function showSeries() {
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

export function drawFan() {
  showFan(byId("fan"), state.report.series[chosen()], state.reply.forecasts[chosen()], {
    whole: byId("whole").checked, season: state.report.season_length, pick: explainStep,
  });
}

function explainStep(step) {
  if (step > state.asked.longest) return;
  byId("step").value = step;
  byId("why-form").requestSubmit();
}

/** Gives whether, later on, the same forecast of the same series is shown as now. */
function stillAsked() {
  const { reply } = state, series = chosen();
  return () => state.reply === reply && chosen() === series;
}

export async function backtest() {
  const { model, frequency, intervals, series, horizon, longest } = state.asked;
  const isStill = stillAsked();
  const reply = await call("v1/backtest", {
    model, frequency, intervals, series: [series[chosen()]], quantiles: [0.5],
    horizon: Math.min(horizon, longest), num_windows: byId("windows").valueAsNumber,
  });
  if (!isStill()) return;
  showBacktest(byId("backtest").querySelector(".result"), state.report.series[chosen()], reply);
  announce("The backtest is there.");
}

export async function explain() {
  const { model, frequency, series } = state.asked;
  const step = byId("step").value, isStill = stillAsked();
  const reply = await call("v1/explain", { model, frequency, series: [series[chosen()]], step: step ? Number(step) : null });
  if (!isStill()) return;
  showWhy(byId("why").querySelector(".result"), state.report.series[chosen()], reply);
  byId("why").scrollIntoView({ block: "nearest" });
  announce("The explanation is there.");
}

export async function skill() {
  showSkill(byId("skill").querySelector(".result"), await call("v1/skill"));
  byId("skill-button").textContent = "Look again";
}

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

/** Gives the chosen series as the report has it, up to where its forecast begins: rows after that were known ahead. */
function known() {
  const series = state.report.series[chosen()];
  const first = series.timestamps.indexOf(state.reply.forecasts[chosen()].timestamps[0]);
  const end = first < 0 ? series.timestamps.length : first;
  return { ...series, timestamps: series.timestamps.slice(0, end), target: series.target.slice(0, end) };
}

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
  showFan(byId("fan"), known(), state.reply.forecasts[chosen()], {
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

/** Gives the series that the forecast of the chosen one saw: itself, then the others of its group, if it has one. */
function company() {
  const { series } = state.asked, own = series[chosen()];
  return [own, ...series.filter((one) => one !== own && own.group && one.group === own.group)];
}

export async function backtest() {
  const { model, frequency, timezone, intervals, horizon, longest } = state.asked;
  const isStill = stillAsked();
  const reply = await call("v1/backtest", {
    model, frequency, timezone, intervals, series: company(), quantiles: [0.5],
    horizon: Math.min(horizon, longest), num_windows: byId("windows").valueAsNumber,
  });
  if (!isStill()) return;
  showBacktest(byId("backtest").querySelector(".result"), known(), reply);
  announce("The backtest is there.");
}

export async function explain() {
  const { model, frequency, timezone } = state.asked;
  const step = byId("step").value, isStill = stillAsked();
  const [own, ...others] = company(); // one series is explained at a time
  const reply = await call("v1/explain", { model, frequency, timezone, series: [own], step: step ? Number(step) : null });
  if (!isStill()) return;
  showWhy(byId("why").querySelector(".result"), known(), reply, others.length > 0);
  byId("why").scrollIntoView({ block: "nearest" });
  announce("The explanation is there.");
}

export async function skill() {
  showSkill(byId("skill").querySelector(".result"), await call("v1/skill"));
  byId("skill-button").textContent = "Look again";
}

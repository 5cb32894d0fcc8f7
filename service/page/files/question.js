// The second step: which model, how far, how sure; and the forecast that comes of it.

import { showAnswer } from "./answers.js";
import { call } from "./api.js";
import { byId, make } from "./dom.js";
import { bodyFor } from "./series.js";
import { chosenModel, fits, reads, state } from "./state.js";

const PERCENTS = [50, 80, 90, 95];
const CHOSEN = [50, 80];
const POINT_HEADS = ["mse", "mae", "huber"];

/** Chooses the model that fits the data best. */
export function chooseModel() {
  const columns = new Set(state.data.beside);
  const fitting = state.models.filter((one) => fits(one, state.report.frequency));
  const best = fitting.find((one) => reads(one).length && reads(one).every((name) => columns.has(name))) ?? fitting.find((one) => !reads(one).length) ?? fitting[0];
  if (best) byId("model").value = best.spec;
  showModel();
}

/** Says what the chosen model is like, and offers what it can do. */
export function showModel() {
  const model = chosenModel();
  const misfit = fits(model, state.report.frequency) ? "" : `The data has the frequency ${state.report.frequency}, this model forecasts ${model.frequency}. `;
  const columns = reads(model).length ? `It reads the columns ${reads(model).join(", ")} beside the target. ` : "";
  const groups = model.reads_groups ? "Series with the same text in a column group see each other. " : "";
  byId("model-hint").textContent = `${misfit}${columns}${groups}It looks at the last ${model.context_length} steps of a series.`;
  byId("horizon").value = model.horizon;
  byId("horizon-hint").textContent = `Beyond ${model.horizon} steps it goes on from its own forecasts.`;
  const isPoint = POINT_HEADS.includes(model.head);
  const lowest = model.head === "quantile" || isPoint ? Math.min(...model.levels) : 0;
  const isBeyond = (percent) => (100 - percent) / 200 < lowest - 1e-9;
  byId("intervals").replaceChildren(...PERCENTS.map((percent) => {
    const beyond = isBeyond(percent);
    const input = make("input", { type: "checkbox", value: percent, checked: CHOSEN.includes(percent) && !beyond, disabled: beyond });
    return make("label", { className: "choice" }, input, ` ${percent} %`);
  }));
  const limit = isPoint ? "It forecasts one value a step, without intervals." : `It knows no interval wider than ${Math.round(100 - 200 * lowest)} %.`;
  byId("intervals-hint").textContent = PERCENTS.some(isBeyond) ? limit : "";
}

export async function ask() {
  const model = chosenModel(), { data } = state;
  const horizon = byId("horizon").valueAsNumber;
  const intervals = [...byId("intervals").querySelectorAll("input:checked")].map((one) => Number(one.value));
  const series = data.series.map((one) => bodyFor(one, model, data.delimiter));
  const { frequency, timezone } = state.report; // as the whole table says, of which a model may get less
  const asked = { model: model.spec, frequency, timezone, intervals, series };
  const reply = await call("v1/forecast", { ...asked, horizon, quantiles: [0.5], roll_out: horizon > model.horizon });
  if (state.data !== data) return; // other data came meanwhile
  Object.assign(state, { asked: { ...asked, horizon, longest: model.horizon }, reply });
  showAnswer();
}

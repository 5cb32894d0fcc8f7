// Live skill: how good the forecasts of each model and version turned out to be.

import { make, number, percent, table } from "./dom.js";

const HEAD = ["Model", "Version", "Segment", "Forecasts", "Steps known", "MASE", "Seasonal naive", "Ratio", "Inside 80 %"];

export function showSkill(place, { skill }) {
  place.hidden = false;
  if (!skill.length) {
    place.replaceChildren(make("p", {}, "No forecast has met yet what then happened."));
    return;
  }
  const rows = skill.map((one) => [
    one.model, one.version, one.segment || "–", String(one.num_forecasts), String(one.num_observed),
    number(one.mase), number(one.naive_mase), number(one.relative_mase), percent(one.coverage_80),
  ]);
  place.replaceChildren(table("Live skill; a ratio below 1 is better than the seasonal naive", HEAD, rows));
}

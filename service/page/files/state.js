// What the page knows by now, and what may be under way.

import { Problem } from "./api.js";
import { TableError } from "./csv.js";
import { byId, complain } from "./dom.js";

// data: the table as series.js reads it; report: as the service does; asked, reply: the last forecast.
export const state = { models: [], data: null, report: null, asked: null, reply: null };

// What a model forecasts: series of one frequency, or of any.
export const fits = (model, frequency) => [frequency, "any"].includes(model.frequency);
export const reads = (model) => Object.values(model.covariates).flat();
export const chosenModel = () => state.models.find((one) => one.spec === byId("model").value);

/** Runs something for a section; meanwhile its button is busy, and what goes wrong is said there. */
export async function busy(section, button, run) {
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

// The first step: an example or a file becomes series, and the service reports how it reads them.

import { Problem, call } from "./api.js";
import { MAX_BYTES, TableError, parse } from "./csv.js";
import { announce, byId, complain, make } from "./dom.js";
import { chooseModel } from "./question.js";
import { showReport } from "./report.js";
import { plainBody, seriesOf } from "./series.js";
import { busy, fits, reads, state } from "./state.js";

const EXAMPLES = [
  { file: "weather.csv", frequency: "h", title: "Weather", about: "Hourly temperatures (°F) at New York’s three airports, last eight weeks of 2013. NOAA." },
  { file: "co2.csv", frequency: "W-SAT", title: "CO₂", about: "Weekly CO₂ (ppm) over Mauna Loa, 1992 to 2001. Keeling and Whorf." },
];

/** Offers the examples that a model in service can forecast. */
export function showExamples() {
  const fitting = EXAMPLES.filter((example) => state.models.some((model) => fits(model, example.frequency) && !reads(model).length));
  byId("examples").replaceChildren(...fitting.map(exampleButton));
}

function exampleButton(example) {
  const button = make("button", { type: "button", className: "example" }, make("strong", {}, example.title), make("span", {}, example.about));
  button.addEventListener("click", () => busy(byId("data"), button, async () => {
    const reply = await fetch(`${document.body.dataset.files}/${example.file}`).catch(() => null);
    if (!reply?.ok) throw new Problem("The example could not be fetched.");
    await take(`Example ${example.title}`, await reply.text());
  }));
  return button;
}

export async function takeFile(file) {
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
  Object.assign(state, { data, report, asked: null, reply: null });
  showReport(byId("report"), name, data, report);
  chooseModel();
  byId("ask").hidden = false;
  complain(byId("ask"));
  announce(`${name} is read: ${report.series.length} series of frequency ${report.frequency}. Next: the question.`);
}

/** Gives the report of series. Where they are too short to say their frequency, it is that of a model. */
async function reported(series) {
  let problem;
  const own = state.models.map((one) => one.frequency).filter((one) => one !== "any");
  for (const frequency of [null, ...new Set(own)]) {
    try {
      return await call("v1/report", { series, frequency });
    } catch (error) {
      problem ??= error;
      if (problem.code !== "frequency-needed") throw problem;
    }
  }
  throw problem;
}

// The data report: how the service reads a table.

import { sparkline } from "./charts.js";
import { clockOf, make, number, table } from "./dom.js";

const MOST_ROWS = 50, MOST_WARNINGS = 8;

export function showReport(place, name, data, report) {
  const series = report.series;
  const steps = series.reduce((sum, one) => sum + one.timestamps.length, 0);
  const zone = report.timezone ? `, time zone ${report.timezone}` : "";
  const facts = `${name}: ${series.length} series, ${steps.toLocaleString("en")} steps of frequency ${report.frequency}${zone}.`;
  const notes = [];
  if (data.delimiter !== ",") notes.push(`Read as columns between ${data.delimiter === ";" ? "semicolons" : "tabs"}, where a comma is the decimal mark.`);
  if (data.beside.length) notes.push(`Columns beside the target: ${data.beside.join(", ")}. A model reads those that it knows.`);
  const ahead = Math.max(...data.series.map((one) => one.ahead));
  if (ahead) notes.push(`Up to ${ahead} rows after the last value of a series: ahead, for a model that reads what is known ahead, else missing values.`);
  const write = clockOf(series.flatMap((one) => [one.timestamps[0], one.timestamps.at(-1)]));
  const rows = series.slice(0, MOST_ROWS).map((one) => [
    one.id, sparkline(one.target), String(one.timestamps.length), write(one.timestamps[0]).join(" "),
    write(one.timestamps.at(-1)).join(" "), String(one.num_missing), number(one.minimum), number(one.maximum),
  ]);
  if (series.length > MOST_ROWS) notes.push(`The first ${MOST_ROWS} of ${series.length} series are listed.`);
  place.replaceChildren(
    make("p", { className: "facts" }, facts),
    ...notes.map((text) => make("p", { className: "hint" }, text)),
    table("How the series are read", ["Series", "Course", "Steps", "From", "To", "Missing", "Lowest", "Highest"], rows),
    warnings(series.flatMap((one) => one.warnings)),
  );
  place.hidden = false;
}

/** Gives a list of warnings, the first of each few. */
export function warnings(found) {
  const texts = [...new Set(found.map((one) => one.message))];
  const more = texts.length > MOST_WARNINGS ? [`and ${texts.length - MOST_WARNINGS} more`] : [];
  const items = [...texts.slice(0, MOST_WARNINGS), ...more].map((text) => make("li", {}, text));
  return items.length ? make("ul", { className: "warnings", "aria-label": "To know of the data" }, ...items) : "";
}

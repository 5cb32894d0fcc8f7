// The fan of a forecast, the same fan over a backtest, and the forecast as a file.

import { show } from "./charts.js";
import { clockOf, make, number, percent, table } from "./dom.js";

// The percents of intervals, which a reply leaves out where none were asked for; the widest first.
const sorted = (intervals = {}) => Object.keys(intervals).sort((a, b) => b - a);
const FANS = [[3], [2, 4], [1, 3, 4], [1, 2, 3, 4]]; // the stronger, the more certain
const fanColour = (at, count) => `band-${FANS[count - 1][at]}`;

/** Draws a forecast behind the end of its series, `known` being the series as the report has it. */
export function showFan(place, known, forecast, { whole, season, pick }) {
  const ahead = forecast.timestamps.length, length = known.timestamps.length;
  const from = whole ? 0 : Math.max(0, length - Math.max(3 * ahead, 2 * season, 40));
  const history = known.target.slice(from);
  const times = [...known.timestamps.slice(from), ...forecast.timestamps];
  const last = history.length - 1;
  // The fan opens at the last value, if there is one.
  const lead = (values) => [...Array(last).fill(null), history[last], ...values];
  const percents = sorted(forecast.intervals);
  const median = forecast.quantiles["0.5"];
  const write = clockOf(times);
  const valueOf = (step) => {
    const at = step - history.length;
    if (at < 0) return history[step] === null ? "no value" : number(history[step]);
    const ranges = percents.toReversed().map((one) => `${one} %: ${number(forecast.intervals[one].lower[at])} to ${number(forecast.intervals[one].upper[at])}`);
    return [`median ${number(median[at])}`, ...ranges].join(" · ");
  };
  show(place, {
    times,
    lines: [
      ...percents.map((one, at) => ({
        label: `${one} %`, values: lead(forecast.intervals[one].upper), band: lead(forecast.intervals[one].lower), colour: fanColour(at, percents.length),
      })),
      { label: "History", values: history, colour: "history", width: 1.6 },
      { label: "Median", values: lead(median), colour: "accent", width: 2.4 },
    ],
    marks: [last],
    read: (step) => `${write(times[step]).join(" ")} · ${valueOf(step)}`,
    label: `Forecast of ${known.id}: ${ahead} steps from ${write(forecast.timestamps[0]).join(" ")} to ${write(forecast.timestamps.at(-1)).join(" ")}, the median from ${number(median[0])} to ${number(median.at(-1))}.`,
    hint: "Touch the chart, point at it or use the arrow keys to read its values. A click on a step of the forecast asks why.",
    pick: (step) => step >= history.length && pick(step - history.length + 1),
    rows: { caption: `Forecast of ${known.id}`, head: headOf(percents), cells: () => cellsOf(forecast, percents, median) },
  });
}

/** Draws what the model would have said of values that are known, and how it compares. */
export function showBacktest(place, known, reply) {
  const { windows, metrics } = reply.series[0];
  if (!windows.length) {
    place.replaceChildren(make("p", {}, "The series is too short for that: no forecast could be made."));
    place.hidden = false;
    return;
  }
  const first = known.timestamps.indexOf(windows[0].timestamps[0]);
  const from = Math.max(0, first - 2 * reply.horizon);
  const times = known.timestamps.slice(from);
  const actual = known.target.slice(from);
  const at = new Map(times.map((time, place) => [time, place]));
  // By their times: where a window was left out for want of values, what follows it stays where it belongs.
  const over = (part) => windows.reduce((values, window) => {
    part(window).forEach((value, step) => { values[at.get(window.timestamps[step])] = value; });
    return values;
  }, Array(times.length).fill(null));
  const percents = sorted(windows[0].intervals);
  const median = over((window) => window.quantiles["0.5"]);
  const ends = Object.fromEntries(percents.map((one) => [one, {
    lower: over((window) => window.intervals[one].lower), upper: over((window) => window.intervals[one].upper),
  }]));
  const write = clockOf(times);
  const widest = percents[0];
  const chart = make("div", { className: "chart-place" });
  show(chart, {
    times,
    lines: [
      ...percents.map((one, place) => ({ label: `${one} %`, values: ends[one].upper, band: ends[one].lower, colour: fanColour(place, percents.length) })),
      { label: "Median", values: median, colour: "accent", width: 2.2 },
      { label: "What happened", values: actual, colour: "history", width: 1.6 },
    ],
    marks: windows.map((window) => known.timestamps.indexOf(window.timestamps[0]) - from),
    read: (step) => {
      const said = median[step] === null ? [] : [`median ${number(median[step])}`];
      if (said.length && widest) said.push(`${widest} %: ${number(ends[widest].lower[step])} to ${number(ends[widest].upper[step])}`);
      return [write(times[step]).join(" "), actual[step] === null ? "no value" : `was ${number(actual[step])}`, ...said].join(" · ");
    },
    label: `Backtest of ${known.id}: ${windows.length} forecasts of ${reply.horizon} steps beside what happened.`,
    rows: {
      caption: `Backtest of ${known.id}`, head: ["Time", "Was", "Median", ...percents.flatMap((one) => [`${one} % from`, `${one} % to`])],
      cells: () => times.slice(first - from).map((time) => {
        const place = at.get(time);
        return [
          write(time).join(" "), number(actual[place]), number(median[place]),
          ...percents.flatMap((one) => [number(ends[one].lower[place]), number(ends[one].upper[place])]),
        ];
      }),
    },
  });
  place.replaceChildren(verdict(metrics), scores(metrics), chart,
    make("p", { className: "hint" }, "No forecast sees what comes after it. A model that was trained on these values is flattered all the same: what it has learned it has not to forecast."));
  place.hidden = false;
}

function verdict({ model, seasonal_naive: naive }) {
  if (model.mase === null || !naive.mase) return make("p", { className: "verdict" }, "Too few values are known to score it.");
  const ratio = model.mase / naive.mase;
  const difference = Math.round(100 * Math.abs(1 - ratio));
  const said = difference < 1 ? "As far off as repeating the last season." : `${difference} % ${ratio < 1 ? "closer" : "further off"} than repeating the last season.`;
  return make("p", { className: `verdict ${ratio < 1 ? "good" : "bad"}` }, said);
}

const score = (value) => (value === null ? number(null) : number(Number(value.toPrecision(3))));

function scores({ model, seasonal_naive: naive }) {
  const covered = Object.keys(model.coverage);
  const rows = [
    ["Mean error, scaled (MASE)", score(model.mase), score(naive.mase)],
    ["sMAPE, %", score(model.smape), score(naive.smape)],
    ["Quantile loss, weighted", score(model.wql), score(naive.wql)],
    ...covered.map((one) => [`Inside the ${one} % interval`, percent(model.coverage[one]), percent(naive.coverage[one])]),
  ];
  return table("The model beside the seasonal naive", ["Measure", "Model", "Seasonal naive"], rows);
}

const headOf = (percents) => ["Time", "Median", ...percents.toReversed().flatMap((one) => [`${one} % from`, `${one} % to`])];

function cellsOf(forecast, percents, median) {
  const write = clockOf(forecast.timestamps);
  return forecast.timestamps.map((time, at) => [
    write(time).join(" "), number(median[at]),
    ...percents.toReversed().flatMap((one) => [number(forecast.intervals[one].lower[at]), number(forecast.intervals[one].upper[at])]),
  ]);
}

/** Gives all forecasts of a reply as the text of a table. */
export function asCsv(reply) {
  const percents = sorted(reply.forecasts[0].intervals).toReversed();
  const quantiles = Object.keys(reply.forecasts[0].quantiles);
  const cell = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
  const head = ["unique_id", "ds", ...quantiles, ...percents.flatMap((one) => [`lower_${one}`, `upper_${one}`])];
  const rows = reply.forecasts.flatMap((one) => one.timestamps.map((time, at) => [
    one.id, time, ...quantiles.map((level) => one.quantiles[level][at]),
    ...percents.flatMap((name) => [one.intervals[name].lower[at], one.intervals[name].upper[at]]),
  ]));
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

// Why a forecast is what it is: where the model looked, and what each stretch of the history contributed.

import { show } from "./charts.js";
import { clockOf, make, number, percent, table } from "./dom.js";

const MOST_STRETCHES = 5;

export function showWhy(place, known, why, isGrouped) {
  const context = why.steps.timestamps;
  const from = Math.max(0, context.length - known.timestamps.length); // what lies before the series is padding
  const times = context.slice(from);
  const write = clockOf(times);
  const kinds = {
    attention: {
      name: "Attention", colour: "look", lower: (value) => `${number(100 * value)} %`, values: spread(why.tokens, "attention_roll_out", times, true),
      said: "How much each stretch takes part in the forecast, through all layers (roll-out).", of: (value) => `${number(100 * value)} % of the attention`,
    },
    occlusion: {
      name: "Effect of hiding", colour: "up", lower: (value) => number(value), values: spread(why.patches, "occlusion", times, false),
      said: `What the forecast would lack without each stretch, in units of the data. ${faith(why.faithfulness.occlusion)}`, of: (value) => `moves it by ${number(value)}`,
    },
    gradients: {
      name: "Share of each step", colour: "up", lower: (value) => number(value), values: why.steps.gradients.slice(from),
      said: `What each step adds to the forecast of a flat history, ${number(why.flat_forecast)} (integrated gradients). ${faith(why.faithfulness.gradients)}`, of: (value) => `adds ${number(value)}`,
    },
  };
  const target = known.target.slice(-times.length);
  const chart = make("div", { className: "chart-place" });
  const said = make("p", { className: "hint" });
  const choose = (kind) => {
    const chosen = kinds[kind];
    said.textContent = chosen.said;
    show(chart, {
      times,
      lines: [
        { label: "History", values: target, colour: "history", width: 1.6 },
        { label: chosen.name, values: chosen.values, colour: chosen.colour, width: 1, steps: true, below: true },
      ],
      lower: chosen.lower,
      read: (step) => `${write(times[step]).join(" ")} · ${target[step] === null ? "no value" : number(target[step])} · ${chosen.values[step] === null ? "not looked at" : chosen.of(chosen.values[step])}`,
      label: `${chosen.name} over the history of ${known.id}, from ${write(times[0]).join(" ")} to ${write(times.at(-1)).join(" ")}.`,
      rows: {
        caption: `${chosen.name} by step`, head: ["Time", "Value", chosen.name],
        cells: () => times.map((time, at) => [write(time).join(" "), number(target[at]), number(chosen.values[at])]),
      },
    });
  };
  const choices = Object.entries(kinds).map(([kind, { name }]) => {
    const input = make("input", { type: "radio", name: "why-kind", value: kind, checked: kind === "attention" });
    input.addEventListener("change", () => choose(kind));
    return make("label", { className: "choice" }, input, ` ${name}`);
  });
  place.replaceChildren(
    make("p", { className: "facts" }, heading(why, isGrouped)),
    make("fieldset", { className: "choices" }, make("legend", { className: "covered" }, "What is drawn below the history"), ...choices),
    said, chart, stretches(why),
  );
  choose("attention");
  place.hidden = false;
}

function heading(why, isGrouped) {
  const write = clockOf([why.first, why.last]);
  const when = why.step === null ? `from ${between(why.first, why.last, write)}, on average,` : `for ${write(why.first).join(" ")}`;
  const alone = isGrouped ? " from this series alone, without the others of its group" : "";
  return `The forecast ${when} is ${number(why.forecast)}${alone}.`;
}

/** Gives both ends of a stretch, the day once where it is one. */
function between(first, last, write) {
  const [begin, end] = [write(first), write(last)];
  return `${begin.join(" ")} to ${(end.length > 1 && begin[0] === end[0] ? end.slice(1) : end).join(" ")}`;
}

/** Gives for each time what the stretches over it say: shared among their steps, or as it is; null under none of them. */
function spread(stretches, name, times, shared) {
  const at = new Map(times.map((time, step) => [time, step]));
  const values = Array(times.length).fill(null);
  stretches.last.forEach((last, position) => {
    const end = at.get(last);
    if (end === undefined) return; // in the padding, or in the horizon
    const begin = at.get(stretches.first[position]) ?? 0;
    const value = stretches[name][position] / (shared ? end - begin + 1 : 1);
    for (let step = begin; step <= end; step += 1) values[step] = (values[step] ?? 0) + value;
  });
  return values;
}

function faith({ num_hidden: hidden, top_change: top, random_change: random, holds }) {
  const belief = holds ? "it can be believed here" : "do not believe it here";
  return `Hiding the ${hidden} that it calls most important moves the forecast by ${number(Math.abs(top))}, hiding any ${hidden} by ${number(Math.abs(random))}: ${belief}.`;
}

function stretches({ tokens }) {
  const places = tokens.last.map((_, at) => at).filter((at) => !tokens.is_future[at]);
  places.sort((a, b) => tokens.attention_roll_out[b] - tokens.attention_roll_out[a]);
  const rows = places.slice(0, MOST_STRETCHES).map((at) => [
    between(tokens.first[at], tokens.last[at], clockOf([...tokens.first, ...tokens.last])), String(tokens.num_steps[at]), percent(tokens.attention_roll_out[at]),
  ]);
  return table("Where it looked most", ["Stretch", "Steps", "Attention"], rows);
}

// The service's public interface. Every failure is a Problem whose message is a sentence for people.

const KEY = "forecaster-key";

export class Problem extends Error {
  constructor(message, status = 0, code = "") {
    super(message);
    Object.assign(this, { status, code });
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY),
  keep: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

/** Gives what a GET of a path answers, or a POST where there is a body. */
export async function call(path, body) {
  const headers = { Accept: "application/json" };
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  if (body) headers["Content-Type"] = "application/json";
  let reply;
  try {
    const method = body ? "POST" : "GET";
    reply = await fetch(path, { method, headers, body: body && JSON.stringify(body), credentials: "omit", redirect: "error" });
  } catch {
    throw new Problem("The service does not answer. Is it running, and is there a connection to it?");
  }
  const said = await reply.json().catch(() => null);
  if (reply.ok && said) return said;
  throw new Problem(sentence(reply, said), reply.status, said?.code);
}

function sentence(reply, said) {
  if (reply.status === 401) return "The service does not know this key, or it is not valid any more.";
  if (!said?.detail) return `The service answered with status ${reply.status}, and did not say why.`;
  const parts = [ended(capital(said.detail))];
  if (said.code === "missing-scope") parts.push("Use a key that has it.");
  const told = (said.errors ?? []).filter((one) => !said.detail.includes(one.message));
  parts.push(...told.map((one) => ended(`${one.field}: ${one.message}`)));
  const seconds = reply.headers.get("Retry-After");
  if (seconds) parts.push(`Try again in ${seconds} s.`);
  return parts.join(" ");
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const ended = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

// Runs one fix. It starts with permission only to read its input and to reach the proxy of the engine,
// and gives the first one up before it loads the fix.
//
// The fix is a module made of a Blob, so that whatever it imported would be asked for at run time,
// under the permissions of that time; a file beside this one would be loaded without asking. Its
// parameters and its error come as JSON and are never run.
//
// The answer is written to stdout after a word that the fix does not know, so that no output of the
// fix is taken for the answer.

import { fetchThrough } from "./fetching.mjs";
import { ALLOWED } from "./globals.mjs";

const { exit, stdout, readTextFileSync, permissions, args } = Deno;
const { parse, stringify } = JSON;
const encoder = new TextEncoder();
const { createObjectURL } = URL;
const startTimer = setTimeout;

const { script, params, error, word, proxy } = parse(readTextFileSync(args[0]));
permissions.revokeSync({ name: "read" });

// Only the first answer counts; the process ends with it.
let isAnswered = false;
const answer = (text) => {
  if (isAnswered) return;
  isAnswered = true;
  const bytes = encoder.encode(word + text);
  for (let sent = 0; sent < bytes.length;) sent += stdout.writeSync(bytes.subarray(sent));
  exit(0);
};
const fail = (reason) => answer(stringify({ error: sentence(reason) }));
const succeed = (result) => {
  try {
    answer(`{"result":${json(result)}}`);
  } catch (reason) {
    answer(stringify({ error: `the result cannot be written as JSON: ${sentence(reason)}` }));
  }
};

/** A result as JSON; a value that JSON would silently leave out is refused. */
function json(result) {
  return stringify(result === undefined ? null : result, (_key, value) => {
    if (typeof value !== "function" && typeof value !== "symbol") return value;
    throw new TypeError(`it holds a ${typeof value}`);
  });
}

/** "TypeError: x is not a function (line 3)"; without the advice to run with more permissions. */
function sentence(reason) {
  if (!(reason instanceof Error) && !(reason instanceof DOMException)) {
    const isShown = reason === null || typeof reason === "string";
    const what = isShown ? stringify(reason) : `a value of type ${typeof reason}`;
    return `the script threw ${what}, not an error`;
  }
  const line = /blob:[^\s)]*?:(\d+):\d+/.exec(String(reason.stack))?.[1];
  const { name, message, cause } = reason;
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  const text = `${name}: ${message}${why}`.replace(/, run again with.*$/s, "");
  return text + (line ? ` (line ${line})` : "");
}

addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  fail(event.reason);
});
addEventListener("error", (event) => {
  event.preventDefault();
  fail(event.error);
});
addEventListener("unload", () => succeed(null));

/** Removes everything that makes code of text, and the globals that a fix does not need. */
function close() {
  // Each kind of function leads to the constructor that makes such functions of text.
  for (const one of [() => {}, async () => {}, function* () {}, async function* () {}]) {
    delete Object.getPrototypeOf(one).constructor;
  }
  for (const name of Reflect.ownKeys(Object.prototype)) {
    if (String(name).startsWith("__")) delete Object.prototype[name];
  }
  delete URL.createObjectURL;
  globalThis.setTimeout = (handler, pause, ...given) => {
    if (typeof handler !== "function") throw new TypeError("setTimeout takes a function");
    // By itself it would be called with the global object as `this`.
    return startTimer(() => handler(...given), pause);
  };
  // Deno itself needs the global object by its name, and what has a symbol for a name.
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    if (name !== "globalThis" && !ALLOWED.has(name)) delete globalThis[name];
  }
}

const module = createObjectURL(new Blob([script], { type: "application/typescript" }));
Object.assign(globalThis, { params, error, fetch: fetchThrough(proxy) });
close();

try {
  const { default: fix } = await import(module);
  // A script without a default function answers when all its work has ended, see "unload" above.
  if (fix !== undefined) succeed(await (typeof fix === "function" ? fix(params, error) : fix));
} catch (reason) {
  fail(reason);
}

// Tries pattern-engine-js with a client that answers as told; prints what came of it as JSON.

import { createCapture } from "../../../clients/pattern-engine-js/index.js";

// Time passes at once: only the order of what happens is looked at.
const pauses = [];
const setTimer = globalThis.setTimeout;
globalThis.setTimeout = (done, pause) => (pauses.push(pause), setTimer(done, pause < 1e5 ? 0 : pause));

function client(...answers) {
  const rows = [];
  const insert = async (row) => {
    const answer = answers.shift() ?? { error: null, status: 201 };
    if (answer instanceof Error) throw answer;
    if (!answer.error) rows.push(JSON.parse(JSON.stringify(row)));
    return answer;
  };
  return { rows, schema: () => ({ from: () => ({ insert }) }) };
}

async function logged(...errors) {
  const server = client();
  const capture = createCapture(server, { source: "shop" });
  const returned = errors.map((error) => capture(error));
  const sent = await capture.flush(1e6);
  return { rows: server.rows, returned: returned.filter((each) => each !== undefined).length, sent, dropped: capture.dropped };
}

const refused = (status, code) => ({ status, error: { code, message: "no" } });
async function answered(count, ...answers) {
  const server = client(...answers);
  const capture = createCapture(server, {});
  pauses.length = 0;
  for (let number = 1; number <= count; number++) capture(`message ${number}`);
  const sent = await capture.flush(1e6);
  return { messages: server.rows.map((row) => row.message), sent, dropped: capture.dropped, pauses: pauses.filter((each) => each < 1e5) };
}

const database = { message: "duplicate key", code: "23505", details: "Key (id)=(1) exists.", hint: null, query: "secret" };
const circle = new Error("outer");
circle.cause = new Error("inner", { cause: circle });
const next = Object.assign(new Error("An error occurred in the Server Components render"), { digest: "4711" });
const firefox = Object.assign(new TypeError("a is undefined"), { stack: "pay@http://shop.test/app.js:5:9\n" });
const unreadable = new Proxy({}, { get() { throw new Error("mine"); } });
const dead = { error: { message: "TypeError: fetch failed" }, status: 0 };

console.log(JSON.stringify({
  chain: await logged(new Error("could not pay", { cause: new RangeError("step", { cause: database }) }), circle),
  several: await logged(new AggregateError([new TypeError("first"), new Error("second")], "all failed")),
  odd: await logged("text", undefined, null, 5, 10n, Symbol("s"), { a: 1 }, () => 1, new Error(), unreadable, "nul \0 \ud83d"),
  events: await logged({ reason: new TypeError("rejected") }, { error: new TypeError("thrown") }, { error: database, data: null }),
  next: await logged(next),
  firefox: await logged(firefox),
  long: await logged(new Error("x".repeat(1e5))),
  dead: await answered(3, dead, new Error("the client threw"), refused(503), refused(429, "PL040"), dead),
  refused: await answered(3, refused(400, "22P05"), refused(401, "PGRST301")),
  duplicate: await answered(1, dead, refused(409, "23505")),
  full: await answered(120),
}));

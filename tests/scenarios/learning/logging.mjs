// Fails as an application does, and logs it with pattern-engine-js. Run by Node, by Deno and in a page.

import { createCapture } from "./index.js";

export async function run({ createClient }, { url, key, signsUp, invoices, locked, source }) {
  const realtime = { transport: globalThis.WebSocket ?? class {} }; // Node 20 has none, and none is used
  const client = createClient(url, key, { auth: { persistSession: false }, realtime });
  if (signsUp) {
    const credentials = { email: `${crypto.randomUUID()}@example.com`, password: "correct-horse-battery" };
    const { error } = await client.auth.signUp(credentials);
    if (error) throw error;
  }
  const capture = createCapture(client, { source, release: "1.4.0", environment: "test" });
  const { error } = await client.from(invoices).insert({ id: 1 });
  capture(error);
  capture(new Error("could not invoice order 17", { cause: error }));
  capture(new AggregateError([error], "one of the invoices failed"));
  capture((await client.from(locked).insert({ id: 1 })).error, { level: "critical" });
  return { sent: await capture.flush(10000), dropped: capture.dropped };
}

// What a web application does, with supabase-js as everyone has it. Prints what it saw, as JSON.
// Environment: URL, KEY (publishable).
import { createClient } from "@supabase/supabase-js";

const { URL: url, KEY: key } = process.env;
const options = {
  auth: { persistSession: false, autoRefreshToken: false },
  db: { schema: "ops" },
  realtime: { transport: globalThis.WebSocket ?? class {} }, // Node.js 20 has none, and we need none
};
const stranger = createClient(url, key, options);
const person = createClient(url, key, options);
const email = `${crypto.randomUUID()}@example.com`;

const refused = await stranger.from("notes").insert({ body: "nobody's" });
const signedUp = await person.auth.signUp({ email, password: "correct-horse-battery" });
const inserted = await person.from("notes").insert({ body: "mine" }).select("body, owner").single();
const count = await person.from("notes").select("*", { count: "exact", head: true });
const invoked = await person.functions.invoke("echo", { body: { a: 1 } });
const failed = await person.rpc("fail_with_hint");

console.log(
  JSON.stringify({
    refused: refused.error?.code,
    user: signedUp.data.user?.id,
    inserted: inserted.data,
    count: count.count,
    sent: JSON.parse(invoked.data.body),
    token: invoked.data.authorization === `Bearer ${signedUp.data.session.access_token}`,
    failed: failed.error,
  }),
);
process.exit(0);

// Invoice an order with supabase-js, and log the error as most applications do: console.error.

import { createClient } from "@supabase/supabase-js";

const [url, key, row] = process.argv.slice(2);
const options = {
  auth: { persistSession: false, autoRefreshToken: false },
  realtime: { transport: globalThis.WebSocket ?? class {} }, // Node 20 has none, and none is used
};
const { error } = await createClient(url, key, options).from("invoices").insert(JSON.parse(row));
if (error) console.error(error);

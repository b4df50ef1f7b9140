// The local gateway: the PostgREST- and Auth-compatible interfaces of @supabase/lite over a real
// Postgres. This file uses internals of lite, so package.json pins its exact version. It corrects lite
// where it differs from hosted Supabase:
//   - Data requests log in as `authenticator`, as with PostgREST. lite's own login is used only for
//     auth and introspection. (lite alone grants ALL to the API roles, at its first request, in every
//     schema that has a table with RLS.)
//   - Numerics arrive as numbers, json arguments as json, timestamps as ISO 8601.
//   - SQLSTATE, message, detail and hint of every database error reach the client. (lite alone
//     answers 500 with the code "SUP".)
//   - `notify pgrst` reloads the schema cache, as with PostgREST.
//   - Browsers of any origin may call REST and Auth with all headers of supabase-js.
//   - An Authorization that is neither a token nor the apikey is refused; lite takes it for nobody.
//   - While Postgres cannot be reached the answer is 503; once it is back it is used again.
//   - Mails are not sent: each becomes a file, and the one to sign in leads to the console.
//   - Requests to /functions/v1 on the same port are passed on to the functions once they are whole.
// Environment: POSTGRES_SOCKET (it needs no password), POSTGRES_DATABASE, JWT_SECRET, PUBLISHABLE_KEY,
// SECRET_KEY, API_SCHEMAS (separated by commas), FUNCTIONS_URL, CONSOLE_URL, MAIL_DIRECTORY, MAX_BODY_BYTES,
// LISTEN_FD (an inherited listening socket).
import crypto from "node:crypto";
import fs from "node:fs/promises";
import http from "node:http";
import { getRequestListener } from "@hono/node-server";
import { App } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import { CompiledQuery } from "kysely";

const env = process.env;
const schemas = env.API_SCHEMAS.split(",");
const FUNCTIONS_PREFIX = "/functions/v1";
const MAX_CALL_MS = 150_000; // the limit of hosted Supabase for a function
const MAX_BODY_BYTES = Number(env.MAX_BODY_BYTES); // of a call of a function
const CONNECTIONS = 10; // of each login
const HEADERS_MS = 10_000;
const REQUEST_MS = 30_000;
const LINGER_MS = 2_000; // to read what is still sent after an answer
const same = (value) => value;
const iso = (text) => text?.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");
const asJson = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const SET = "select set_config(key, value, true) from json_each_text($1::json)";
const OUT_OF_REACH =
  /^(ECONN|EPIPE|ENOTFOUND|ENOENT|ETIMEDOUT|CONNECT_TIMEOUT|CONNECTION_|08|57P0[123]|28)/;
const types = {
  timestamps: { to: 1184, from: [1114, 1184], serialize: same, parse: iso },
  numerics: { to: 1700, from: [1700], serialize: String, parse: Number },
  jsons: { to: 3802, from: [114, 3802], serialize: asJson, parse: JSON.parse },
};

// -- Postgres ----------------------------------------------------------------------------------

async function connect(user) {
  const login = { path: env.POSTGRES_SOCKET, user, database: env.POSTGRES_DATABASE };
  const postgresOptions = { ...login, max: CONNECTIONS, connect_timeout: 5, onnotice() {}, types };
  const connection = await createPostgresConnection({ url: "postgres://", postgresOptions });
  connection.rlsState = "active"; // makes lite leave grants and roles alone
  const reserve = connection.driver.reserve;
  connection.driver.reserve = async () => guarded(await opened(reserve));
  return connection;
}

// A connection whose backend was terminated says so once more when it is opened again.
async function opened(reserve) {
  for (let left = CONNECTIONS; ; left--)
    try {
      return await reserve();
    } catch (error) {
      if (error.code !== "57P01" || left === 0) throw error;
    }
}

// After a connection is lost, the Postgres client must neither end a transaction on it nor get it back:
// it would throw from a timer, and use the connection again.
function guarded(reserved) {
  const { unsafe, release } = reserved;
  let lost = null;
  reserved.unsafe = async (query, parameters) => {
    if (lost) throw lost;
    try {
      // Only SET is prepared: a change of the schema cannot make its plan wrong.
      return await unsafe(query, parameters, { prepare: query === SET });
    } catch (error) {
      if (OUT_OF_REACH.test(error.code)) lost = error;
      throw error;
    }
  };
  reserved.release = () => lost || release();
  return reserved;
}

const admin = await connect("supabase_admin");
const data = await connect("authenticator");
data.introspect = (options) => admin.introspect(options);

const asAdmin = admin.withContext.bind(admin);
admin.withContext = (context, run, options) =>
  context?.auth && !options?.transaction
    ? data.withContext({ ...context, rpc: options?.rpc }, run, options)
    : asAdmin(context, run, options);

// Set the variables of a request for its transaction in one statement (lite takes one for each), together
// with the settings of the role, such as anon's statement time-out, as PostgREST does.
const roleSettings = new Map();

async function readRoleSettings() {
  const rows = await admin.driver`
    select r.rolname as role, s.setconfig as settings
    from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
    where s.setdatabase = 0 and pg_has_role('authenticator', r.oid, 'member')`;
  roleSettings.clear();
  for (const { role, settings } of rows)
    roleSettings.set(role, Object.fromEntries(settings.map((text) => text.split(/=(.*)/s, 2))));
}

data.applyJwtSessionContext = (transaction, { auth, rpc }) => {
  const role = auth?.role || "anon";
  const settings = {
    ...roleSettings.get(role),
    role,
    "request.jwt.claim.sub": String(auth?.uid ?? ""),
    "request.jwt.claim.role": role,
    "request.jwt.claims": auth?.jwt ? JSON.stringify(auth.jwt) : "",
  };
  if (rpc) {
    settings["response.status"] = settings["response.headers"] = "";
    settings["request.method"] = rpc.method;
    settings["request.path"] = rpc.path;
    settings["request.headers"] = JSON.stringify(rpc.requestHeaders ?? {});
  }
  return transaction.executeQuery(CompiledQuery.raw(SET, [JSON.stringify(settings)]));
};
data.applyRpcRequestGucs = () => {}; // applyJwtSessionContext sets these variables, too

// -- Errors ------------------------------------------------------------------------------------

const KEPT_BY_LITE = /^(PGRST|PT...|42...|22...|21...|55...|53...|23502|23503|23505|25006)$/;

function httpStatus(code) {
  if (/^(08|53)/.test(code)) return 503;
  if (code !== "P0001" && /^(09|25|2D|38|39|3B|40|54|55|57|58|P0|XX)/.test(code)) return 500;
  return 400;
}

function asRaised(status, body) {
  const detail = JSON.stringify({ status, headers: {} });
  return Object.assign(new Error(JSON.stringify(body)), { code: "PGRST", detail });
}

function unavailable(details) {
  const message = "Database client error. Retrying the connection.";
  return { code: "PGRST001", message, details, hint: null };
}

const normalize = admin.normalizeDbError.bind(admin);
admin.normalizeDbError = (error) => {
  const seen = normalize(error);
  const code = String(seen?.code ?? "");
  if (OUT_OF_REACH.test(code)) return asRaised(503, unavailable(seen.message || code));
  if (!/^[0-9A-Z]{5}$/.test(code) || KEPT_BY_LITE.test(code)) return seen;
  return asRaised(httpStatus(code), {
    code,
    message: seen.message,
    details: seen.detail ?? null,
    hint: seen.hint ?? null,
  });
};

// -- JSON scalars ------------------------------------------------------------------------------

// For a json column or argument lite binds an object as JSON text, but the string "word" as the text
// word, which is not JSON, and true as a boolean. So this code encodes such a scalar as JSON text before
// lite reads it; twice for a column, since lite decodes a string there once.
const jsonNames = new WeakMap();

function namesOf(known) {
  if (!jsonNames.has(known)) {
    const names = new Map();
    const isJson = (type) => type === "json" || type === "jsonb";
    const add = (key, name) => names.set(key, [...(names.get(key) ?? []), name]);
    for (const { schema, table, name, pg_type } of known.columns)
      if (isJson(pg_type)) add(`${schema}/${table}`, name);
    for (const { schema, name, arg_names, arg_types } of known.functions)
      arg_names.forEach((arg, place) => isJson(arg_types[place]) && add(`${schema}/rpc/${name}`, arg));
    jsonNames.set(known, names);
  }
  return jsonNames.get(known);
}

async function withJsonScalars(request, incoming, target, known) {
  if (!/^(POST|PATCH|PUT)$/.test(request.method)) return request;
  const schema = request.headers.get("content-profile") ?? schemas[0];
  const names = namesOf(known).get(`${schema}/${target}`);
  if (!names) return request;
  // The body is read here, since request.text() makes a web stream and a second Request first.
  let text = "";
  for await (const part of incoming.setEncoding("utf8")) text += part;
  const { url, method, headers } = request;
  return new Request(url, { method, headers, body: encodeScalars(text, names, target) });
}

function encodeScalars(text, names, target) {
  if (!names.some((name) => new RegExp(`"${name}"\\s*:\\s*["tf]`).test(text))) return text;
  const encode = target.startsWith("rpc/")
    ? (value) => JSON.stringify(value)
    : (value) => JSON.stringify(JSON.stringify(value));
  try {
    const body = JSON.parse(text);
    for (const row of Array.isArray(body) ? body : [body])
      for (const name of names)
        if (/^(string|boolean)$/.test(typeof row[name])) row[name] = encode(row[name]);
    return JSON.stringify(body);
  } catch {
    return text; // lite answers with the error
  }
}

// -- The interfaces of Supabase ----------------------------------------------------------------

const mailbox = {
  async send(mail) {
    const file = `${env.MAIL_DIRECTORY}/${Date.now()}-${crypto.randomUUID()}`;
    const text = JSON.stringify({ sent_at: new Date().toISOString(), ...mail }, null, 2);
    await fs.writeFile(`${file}.new`, text, { mode: 0o600 });
    await fs.rename(`${file}.new`, `${file}.json`);
  },
};

const app = new App({
  connection: admin,
  options: { drivers: { email: mailbox } },
  api: { schemas },
  auth: {
    enabled: true,
    enable_signup: true,
    site_url: env.CONSOLE_URL,
    email: {
      enable_confirmations: false,
      template: { magic_link: { content_path: new URL("magic_link.html", import.meta.url).pathname } },
    },
    jwt_secret: env.JWT_SECRET,
    publishable_key: env.PUBLISHABLE_KEY,
    secret_key: env.SECRET_KEY,
  },
});
await app.ensureSystemSchema(); // creates the auth schema if it is missing
await readRoleSettings();
await admin.driver.listen("pgrst", async () => {
  await readRoleSettings();
  await admin.clearSchemaCache();
});

const answerApp = getRequestListener(async (request, { incoming }) => {
  const peer = { peerAddress: incoming.socket.remoteAddress ?? null };
  const target = /^\/rest\/v1\/((?:rpc\/)?[^/?]+)/.exec(incoming.url)?.[1];
  if (!target) return app.fetch(request, peer);
  const known = await admin.introspect({ useCache: true });
  // If introspection fails, lite has an empty schema and would answer that the table does not exist.
  if (!known.functions) return Response.json(unavailable("the schema cannot be read"), { status: 503 });
  return withSqlstate(await app.fetch(await withJsonScalars(request, incoming, target, known), peer));
});

// A failure without a SQLSTATE was not reported by Postgres, so nobody knows what became of the call.
async function withSqlstate(answer) {
  if (answer.status < 500) return answer;
  const { code, message } = await answer.clone().json().catch(() => ({}));
  if (/^([0-9A-Z]{5}|PGRST\w+)$/.test(code)) return answer;
  return Response.json(unavailable(message ?? null), { status: 503 });
}

// Supabase's gateway lets every origin read what REST and Auth answer; no cookie makes that dangerous.
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "content-range, content-location, content-profile, preference-applied",
};

function serveApp(incoming, response) {
  const asked = incoming.headers;
  for (const [name, value] of Object.entries(CORS)) response.setHeader(name, value);
  if (incoming.method === "OPTIONS" && asked["access-control-request-method"]) {
    response.writeHead(204, {
      "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
      "access-control-allow-headers": asked["access-control-request-headers"] ?? "*",
      "access-control-max-age": "600",
    });
    return response.end();
  }
  const problem = incoming.url.startsWith("/rest/") && wrongAuthorization(asked);
  if (!problem) return answerApp(incoming, response);
  incoming.resume();
  const headers = { "www-authenticate": `Bearer error="invalid_token", error_description="${problem}"` };
  answerJson(response, 401, { code: "PGRST301", details: null, hint: null, message: problem }, headers);
}

// Signed-out clients send their key twice. Anything else that is no token is a mistake: taken for an
// anonymous request, it would find no rows instead of an error.
function wrongAuthorization({ authorization, apikey }) {
  if (authorization === undefined) return null;
  const token = /^Bearer +(\S+)$/i.exec(authorization.trim())?.[1];
  if (token === undefined) return "Empty JWT is sent in Authorization header";
  if (token === apikey?.trim()) return null;
  const parts = token.split(".").length;
  return parts === 3 ? null : `Expected 3 parts in JWT; got ${parts}`;
}

// -- The functions -----------------------------------------------------------------------------

// Shorter than the keep-alive of the server, so that no socket is reused while the server closes it.
const agent = new http.Agent({ keepAlive: true, timeout: 30_000 });

// Every origin may read what the gateway itself answers.
function answerJson(response, status, body, headers = { "retry-after": "1" }) {
  if (response.headersSent) return response.destroy();
  const always = { "content-type": "application/json", "access-control-allow-origin": "*" };
  response.writeHead(status, { ...always, ...headers });
  response.end(JSON.stringify(body));
}

// A function is called when its whole body is here, so that a slow client keeps none of its threads.
function serveFunctions(incoming, response) {
  const parts = [];
  let size = 0;
  const take = (part) => {
    size += part.length;
    if (size > MAX_BODY_BYTES) refuse();
    else parts.push(part);
  };
  const refuse = () => {
    incoming.off("data", take).off("end", call).resume();
    setTimeout(() => incoming.destroy(), LINGER_MS).unref();
    answerJson(response, 413, tooLarge(), { connection: "close" });
  };
  const call = () => callFunction(incoming, Buffer.concat(parts), response);
  incoming.on("error", () => response.destroy());
  if (Number(incoming.headers["content-length"]) > MAX_BODY_BYTES) return refuse();
  incoming.on("data", take).on("end", call);
}

// The engine's own answer to a body that is too large.
function tooLarge() {
  const message = "The body is larger than 1 MiB; split it over several requests.";
  const details = { most_bytes: MAX_BODY_BYTES };
  return { error: { code: "body_too_large", message, details }, request_id: crypto.randomUUID() };
}

function callFunction(incoming, body, response) {
  const { "transfer-encoding": chunked, expect, ...headers } = incoming.headers;
  if (chunked) headers["content-length"] = body.length;
  const request = http.request(env.FUNCTIONS_URL + incoming.url.slice(FUNCTIONS_PREFIX.length), {
    method: incoming.method,
    headers: { ...headers, "x-forwarded-host": headers.host ?? "" },
    agent,
    timeout: MAX_CALL_MS,
  });
  request.on("response", (answer) => {
    response.writeHead(answer.statusCode, answer.rawHeaders);
    answer.on("error", () => response.destroy());
    answer.pipe(response);
  });
  request.on("timeout", () => request.destroy(new Error("the function did not answer in time")));
  request.on("error", (error) =>
    answerJson(response, 503, { code: "BOOT_ERROR", message: `Function unavailable: ${error.message}` }),
  );
  response.on("close", () => response.writableFinished || request.destroy());
  request.end(body);
}

// -- One port ----------------------------------------------------------------------------------

const limits = {
  headersTimeout: HEADERS_MS,
  requestTimeout: REQUEST_MS, // of headers and body together; then the answer is 408
  connectionsCheckingInterval: 1_000,
};
const server = http.createServer(limits, (incoming, response) =>
  incoming.url.startsWith(`${FUNCTIONS_PREFIX}/`)
    ? serveFunctions(incoming, response)
    : serveApp(incoming, response),
);
server.keepAliveTimeout = 65_000;
server.listen({ fd: Number(env.LISTEN_FD) }, () => console.log("ready"));

// A failed request must not end the gateway.
process.on("unhandledRejection", (error) => console.error("unhandled rejection:", error));
process.on("SIGTERM", () => process.exit(0));

// Which hosts a script reaches, as far as its text tells. What is computed while it runs is left to
// the runtime, which has the same list.

const SECURE = new Set(["https:", "wss:"]);

/**
 * Judges the known beginning of a URL: returns `{ host }` for people, and `problem`, or null.
 * `allowed` are the approval's hosts: "host" for port 443, or "host:port".
 */
export function judgeUrl({ text, whole }, allowed) {
  const start = text.trimStart().replace(/[\t\n\r]/g, "");
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(start)?.[0].toLowerCase();
  if (scheme && !SECURE.has(scheme)) {
    return { host: scheme, problem: `${scheme}// is not allowed: use https` };
  }
  if (!scheme) {
    if (whole) return { host: "?", problem: "the URL needs https:// and a host" };
    return { host: "(computed)", problem: withoutHosts(allowed) };
  }
  const known = /^[a-z+.-]+:[\\/]*([^\\/?#]*)([\\/?#])?/i.exec(start);
  if (!whole && known[2] === undefined) return partial(known[1], allowed);
  try {
    const url = new URL(start.slice(0, known[0].length));
    return named(url.hostname, url.port || "443", allowed);
  } catch {
    return { host: "?", problem: `${start.slice(0, 60)} is no URL` };
  }
}

/** A host of which only the beginning is known. */
function partial(beginning, allowed) {
  const host = beginning.toLowerCase();
  const fits = allowed.some((one) => one.startsWith(host));
  const problem = fits || allowed.length === 0 ? withoutHosts(allowed) : notListed(host);
  return { host: "(computed)", problem };
}

function named(hostname, port, allowed) {
  const host = hostname.replace(/\.$/, "");
  const wanted = port === "443" ? [host, `${host}:443`] : [`${host}:${port}`];
  const shown = port === "443" ? host : `${host}:${port}`;
  return {
    host: shown,
    problem: wanted.some((one) => allowed.includes(one)) ? null : notListed(shown),
  };
}

const notListed = (host) => `${host} is not allowed: name it in the parameter allowed_hosts`;

function withoutHosts(allowed) {
  return allowed.length ? null : "a host is reached: name it in the parameter allowed_hosts";
}

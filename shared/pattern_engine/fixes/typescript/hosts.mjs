// The hosts in the text of a script. A host that is computed while the script runs is checked by the
// proxy against the same list.

const WITHOUT_HOSTS = "a host is reached: name it in the parameter allowed_hosts";

/**
 * Judges the known beginning of a URL: returns `{ host }` for people, and `problem`, or null.
 * `allowed` are the approval's hosts: "host" for port 443, or "host:port".
 */
export function judgeUrl({ text, whole }, allowed) {
  const start = text.trimStart().replace(/[\t\n\r]/g, "");
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(start)?.[0].toLowerCase();
  const computed = allowed.length > 0 ? null : WITHOUT_HOSTS;
  if (!scheme && !whole) return { host: "(computed)", problem: computed };
  if (!scheme) return { host: "?", problem: "the URL needs https:// and a host" };
  if (scheme !== "https:") {
    return { host: scheme, problem: `${scheme}// is not allowed: use https` };
  }
  const [beginning, host, end] = /^[a-z+.-]+:[\\/]*([^\\/?#]*)([\\/?#])?/i.exec(start);
  if (!whole && end === undefined) {
    const fits = allowed.length === 0 || allowed.some((one) => one.startsWith(host.toLowerCase()));
    return { host: "(computed)", problem: fits ? computed : notListed(host) };
  }
  try {
    const { hostname, port } = new URL(beginning);
    return named(hostname.replace(/\.$/, ""), port || "443", allowed);
  } catch {
    return { host: "?", problem: `${start.slice(0, 60)} is not a valid URL` };
  }
}

function named(host, port, allowed) {
  const full = `${host}:${port}`;
  const shown = port === "443" ? host : full;
  const isListed = allowed.includes(shown) || allowed.includes(full);
  return { host: shown, problem: isListed ? null : notListed(shown) };
}

const notListed = (host) => `${host} is not allowed: name it in the parameter allowed_hosts`;

// See README.md.

const FIELDS = /^(code|details?|hint)$/;

// PostgreSQL stores no NUL and no half of a pair.
const cut = (value, most) => {
	const text = String(value).slice(0, most).replaceAll("\0", "\ufffd");
	return text.toWellFormed?.() ?? text;
};

const isText = (value) => typeof value === "string";

// A database's error is told without the class that the client gives it.
const told = (error) => {
	const { message, name, details } = Object(error);
	if (!isText(message)) return typeof error === "object" ? JSON.stringify(error) : String(error);
	return !name || name === "Error" || details !== undefined ? message : `${name}: ${message}`;
};

const rowOf = (given, { fingerprint, metadata, level, ...row }) => {
	// The root cause comes first: the engine identifies an error by it.
	const chain = [given instanceof Error ? given : (given?.reason ?? given?.error ?? given)];
	let next;
	while (chain.length < 8 && (next = chain[0]?.cause ?? chain[0]?.errors?.[0])) chain.unshift(next);
	const [root, ...outer] = chain;
	const message = cut(told(root), 32768);
	const data = { fingerprint };
	const coded = chain.find((error) => isText(error?.code));
	for (const name in coded) if (FIELDS.test(name) && isText(coded[name])) data[name] = cut(coded[name], 4096);
	if (root?.stack) {
		// Firefox and Safari omit the message.
		const head = root.stack.includes(cut(root.message, 80)) ? "" : message.slice(0, 999) + "\n";
		data.stack = cut(head + root.stack, 4096);
	}
	return {
		...row,
		message,
		log_level: level ?? "error",
		error_data: data,
		event_id: globalThis.crypto?.randomUUID?.() ?? `${Math.random()}`,
		created_at: new Date(),
		metadata: {
			raised_as: outer.reverse().map((error) => cut(told(error), 999)),
			digest: chain.find((error) => error?.digest)?.digest,
			url: globalThis.location?.href,
			...metadata,
		},
	};
};

export function createCapture(client, defaults) {
	const queue = [];
	let sending, wake;

	const send = async () => {
		let pause = 1e3;
		while (queue.length) {
			const { error, status } = await client
				.schema("ops").from("system_logs").insert(queue[0])
				.then((answer) => answer, (error) => ({ error }));
			const sent = !error || error.code === "23505"; // An earlier answer was lost.
			if (sent || (status > 399 && status < 500 && ![408, 425, 429].includes(status))) {
				queue.shift();
				capture.dropped += !sent;
				pause = 1e3;
			} else {
				await new Promise((done) => setTimeout((wake = done), pause).unref?.());
				pause = Math.min(pause * 2, 6e4);
			}
		}
	};

	const capture = (error, options) => {
		try {
			if (queue.length > 99) throw 0;
			queue.push(rowOf(error, { ...defaults, ...options }));
			sending ||= send().finally(() => (sending = 0)).catch(() => 0);
		} catch {
			capture.dropped++;
		}
	};
	capture.dropped = 0;
	capture.flush = async (most = 2000) => {
		let timer;
		wake?.();
		await Promise.race([sending, new Promise((done) => (timer = setTimeout(done, most)))]);
		clearTimeout(timer);
		return !queue.length;
	};
	return capture;
}

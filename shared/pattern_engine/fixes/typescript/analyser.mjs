// Runs in `deno test`, where Deno lends its parser to the tests of lint plugins. Reads the script and
// the approval's hosts from a file, and prints the reasons to refuse the script as one line of JSON.
// Nothing of the script runs here, and its lint comments are ignored.

import { judge } from "./rules.mjs";
import { read, Refusal } from "./tree.mjs";

const MARK = "pattern-engine-analysis:";
const TOO_DEEP = { rule: "depth", message: "the script is nested too deeply: use functions" };

/** Parses a source; gives the root and the comments to a function, and returns its answer. */
function parse(source, use) {
  let answer;
  let failure;
  const create = ({ sourceCode }) => ({
    Program(root) {
      try {
        answer = use(root, sourceCode.getAllComments());
      } catch (caught) {
        failure = caught;
      }
    },
  });
  try {
    Deno.lint.runPlugin({ name: "reader", rules: { reader: { create } } }, "fix.ts", source);
  } catch (caught) {
    failure ??= caught;
  }
  if (failure?.name === "SyntaxError") throw syntax(failure);
  if (failure) throw failure;
  return answer;
}

/** Deno's message about a source that does not parse, without the path of the file. */
function syntax({ message, stack }) {
  const sentence = message.split("\n")[0].replace(/^SyntaxError: | at (blob|file):\S*$/g, "");
  const [, line, column] = /(?:blob:|file:)[^\s)]*?:(\d+):(\d+)/.exec(`${message}\n${stack}`) ?? [];
  const place = line ? `line ${line}, column ${column}` : "somewhere";
  return Object.assign(new Refusal("syntax", sentence), { place });
}

/**
 * Compiles a script as it is compiled when it runs, without running it: a module's imports run before
 * the module, and the one that is added here throws. Throws a Refusal for what the parser lets
 * pass: it forgives more than the runtime does.
 */
async function compile(script) {
  const source = `${script}\nimport "data:text/javascript,throw 0";`;
  const url = URL.createObjectURL(new Blob([source], { type: "application/typescript" }));
  try {
    await import(url);
  } catch (failure) {
    if (failure === 0) return;
    throw syntax(failure);
  }
  throw new Error("a module ran before its imports");
}

async function analyse(script, hosts) {
  let text = script;
  const lineOf = (position) =>
    `line ${text.slice(0, position).split(/\r\n|[\n\r\u2028\u2029]/).length}`;
  const told = ({ rule, message, position, place = lineOf(position) }) => ({
    rule,
    message: `${place}: ${message}`,
  });
  const refused = (refusal) => ({
    refusals: [refusal],
    operations: [],
    destructive: [],
    literals: [],
  });
  try {
    const source = read(script, parse);
    text = source.text;
    const judged = judge(source.tree, hosts);
    if (judged.refusals.length === 0) await compile(script);
    const literals = judged.literals.map((one) => ({ ...one, place: lineOf(one.position) }));
    return { ...judged, literals, refusals: judged.refusals.map(told) };
  } catch (failure) {
    if (failure instanceof Refusal) return refused(told(failure));
    if (failure instanceof RangeError) return refused(TOO_DEEP);
    throw failure;
  }
}

Deno.test("analyse", async () => {
  const { script, hosts } = JSON.parse(Deno.readTextFileSync(Deno.args[0]));
  console.log(MARK + JSON.stringify(await analyse(script, hosts)));
});

// Runs in `deno test`, where Deno lends its parser to the tests of lint plugins. Reads the script and
// the approval's hosts from a file, and prints what stands against the script as one line of JSON.
// The script is data here: nothing of it runs, and no comment in it is an instruction.

import { judgeScript } from "./rules.mjs";
import { read, Refusal } from "./tree.mjs";

const MARK = "pattern-engine-analysis:";
const NAME = "fix.ts";

/** Parses a source; gives the root and the comments to a function, and returns its answer. */
function parse(source, use) {
  let answer;
  let failure;
  const rule = {
    create(context) {
      return {
        Program(root) {
          try {
            answer = use(root, context.sourceCode.getAllComments());
          } catch (caught) {
            failure = caught;
          }
        },
      };
    },
  };
  try {
    Deno.lint.runPlugin({ name: "reader", rules: { reader: rule } }, NAME, source);
  } catch (caught) {
    failure ??= caught;
  }
  if (failure?.name === "SyntaxError") throw syntax(failure.message);
  if (failure) throw failure;
  return answer;
}

/** "SyntaxError: Expression expected … at file:///…/fix.ts:1:6" without the place on the disk. */
function syntax(message) {
  const [, line, column] = /:(\d+):(\d+)\s*$/.exec(message) ?? [];
  const refusal = new Refusal("syntax", sentence(message));
  refusal.place = line ? `line ${line}, column ${column}` : "";
  return refusal;
}

const sentence = (message) =>
  message.split("\n")[0].replace(/^SyntaxError: /, "").replace(/ at blob:\S*$/, "");

function place(text, position) {
  return `line ${text.slice(0, position).split(/\r\n|[\n\r\u2028\u2029]/).length}`;
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
    const refusal = new Refusal("syntax", sentence(failure.message));
    const [, line, column] = /blob:[^\s)]*?:(\d+):(\d+)/.exec(failure.stack) ?? [];
    refusal.place = line ? `line ${line}, column ${column}` : "somewhere";
    throw refusal;
  }
  throw new Error("a module ran before its imports");
}

async function analyse(script, hosts) {
  let text = script;
  try {
    const result = read(script, parse);
    text = result.text;
    const { refusals, literals, ...rest } = judgeScript(result.tree, hosts);
    if (refusals.length === 0) await compile(script);
    return {
      ...rest,
      refusals: refusals.map((one) => told(one, text)),
      literals: literals.map((one) => at(one, text)),
    };
  } catch (failure) {
    if (failure instanceof Refusal) return refused(told(failure, text));
    if (failure instanceof RangeError) {
      return refused({ rule: "depth", message: "the script is nested too deep: make it flat" });
    }
    throw failure;
  }
}

const refused = (refusal) => ({
  refusals: [refusal],
  operations: [],
  destructive: [],
  literals: [],
});
const told = ({ rule, message, position, place: known }, text) => ({
  rule,
  message: `${known ?? place(text, position)}: ${message}`,
});
const at = ({ text, name, position }, script) => ({ text, name, place: place(script, position) });

Deno.test("analyse", async () => {
  const [path] = Deno.args;
  const { script, hosts } = JSON.parse(Deno.readTextFileSync(path));
  console.log(MARK + JSON.stringify(await analyse(script, hosts)));
});

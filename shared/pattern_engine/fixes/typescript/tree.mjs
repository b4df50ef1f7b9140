// Reads the syntax tree that Deno's lint plugins get, into plain objects with parents, and proves
// that it is the whole script.
//
// The proof is needed: that tree is known to lose things (Deno 2.9 drops what follows a hole in an
// array or an empty statement, and does not say that the name of a getter is computed). So every
// piece of the source must belong to a node that was read: what is left between the nodes may be
// spaces, comments, punctuation and words of the language. Anything else refuses the script.

import { ERASED, FACTS, IMPORT, KIND, TOKENS, TYPES, unknown, WORDS } from "./kinds.mjs";

/** Begins the names that stand for holes in patterns while the script is read. */
export const HOLE = "$hole$";
const MAX_ROUNDS = 200;
/** Declarations that are erased after the word declare. */
const DECLARED = new Set(["VariableDeclaration", "TSEnumDeclaration"]);
/** Nodes with a list of statements. */
const LISTS = { Program: "body", BlockStatement: "body", SwitchCase: "consequent" };

/** Why a script is refused; `position` is an index into the source. */
export class Refusal extends Error {
  constructor(rule, message, position = 0) {
    super(message);
    this.rule = rule;
    this.position = position;
  }
}

/**
 * Returns the tree of a script: nodes with `type`, `start`, `end`, `parent`, `heldAs` (the property
 * of the parent that holds it), and what they hold. Throws a Refusal.
 *
 * `parse` takes a source and calls back with the root and the source's comments.
 */
export function read(source, parse) {
  if (source.includes(HOLE)) throw new Refusal("construct", `${HOLE} is a reserved name`);
  // An export makes it a module to the parser, as it is when it runs.
  let text = source.replace(/^\uFEFF/, "") + "\nexport {};";
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const reader = new Reader(text);
    const tree = parse(text, (root, comments) => reader.program(root, comments));
    if (reader.holes.length === 0) {
      reader.prove(tree);
      return { tree, text };
    }
    text = filled(text, reader.holes);
  }
  throw new Refusal("construct", "too many empty statements and holes in arrays: remove them");
}

/** Every node below a node, itself first, in the order of the source where it matters. */
export function* nodes(node) {
  yield node;
  for (const child of children(node)) yield* nodes(child);
}

/** The nodes that a node holds directly. */
export function children(node) {
  return (KIND.get(node.type) ?? []).flatMap((property) => node[property] ?? []);
}

/** What the parser's tree has for an empty statement: nothing. */
function absent(parent, property) {
  const isBody = property === "consequent" ||
    (property === "body" && /^(For|While|DoWhile|Labeled)/.test(parent.type));
  const { end } = parent;
  return isBody ? { type: "EmptyStatement", start: end, end, parent, heldAs: property } : null;
}

function filled(text, holes) {
  let count = 0;
  for (const hole of holes.toSorted((a, b) => b.at - a.at)) {
    const name = hole.filling ?? `${HOLE}${text.length}_${count++}`;
    text = text.slice(0, hole.at) + name + text.slice(hole.at);
  }
  return text;
}

class Reader {
  /** Where something must stand for the parser to read on: `at`, and what, if not a new name. */
  holes = [];
  #text;
  #comments = [];
  /** The pieces that belong to tokens and types, as [start, end]. */
  #pieces = [];

  constructor(text) {
    this.#text = text;
  }

  program(root, comments) {
    for (const { range: [start, end] } of comments) {
      if (!/^(\/\/[^\n\r\u2028\u2029]*|\/\*[^]*\*\/)$/.test(this.#text.slice(start, end))) {
        throw new Refusal("syntax", "HTML comments are not allowed: write // instead", start);
      }
      // Comments that tell Deno to load something.
      if (/@deno-types\b|@jsxImportSource|^\/\/\/\s*</.test(this.#text.slice(start, end))) {
        throw new Refusal(...IMPORT, start);
      }
      this.#comments.push([start, end]);
    }
    const tree = this.#read(root, null, "");
    const last = tree.body.at(-1);
    if (this.holes.length > 0) return tree;
    if (last?.type !== "ExportNamedDeclaration" || last.end !== this.#text.length) {
      throw new Refusal("syntax", "the script does not end where it seems to");
    }
    tree.body.pop();
    [tree.start, tree.end] = [0, this.#text.length];
    this.#pieces.push([last.start, last.end]);
    return tree;
  }

  #read(from, parent, heldAs) {
    const { type, range: [start, end] } = from;
    const node = { type, start, end, parent, heldAs };
    for (const fact of FACTS) {
      const value = from[fact];
      if (value !== undefined && typeof value?.type !== "string") node[fact] = value;
    }
    if (ERASED.has(type) || (node.declare && DECLARED.has(type))) {
      this.#erase(from, type);
      node.type = "EmptyStatement";
      return node;
    }
    const kind = KIND.get(type);
    const isImport = from.meta?.name === "import" || (type.startsWith("Export") && from.source);
    if (isImport) throw new Refusal(...IMPORT, start);
    if (kind === undefined) throw new Refusal(...unknown(type), start);
    if (TOKENS.has(type)) this.#pieces.push([start, end]);
    for (const property of TYPES) {
      for (const child of [from[property] ?? []].flat()) this.#erase(child);
    }
    for (const property of kind) this.#property(from, node, property);
    if (node.decorators?.length) throw new Refusal(...unknown("Decorator"), start);
    if (type in LISTS) this.#lookForEmptyStatement(node, node[LISTS[type]]);
    if (type === "ArrayExpression" || type === "ArrayPattern") {
      this.#lookForHole(node, from.typeAnnotation?.range[0] ?? end);
    }
    if (node.key) this.#lookAtKey(node);
    if (type.startsWith("Class") && type !== "ClassBody") this.#eraseHead(node);
    return node;
  }

  #property(from, node, property) {
    const held = from[property];
    if (Array.isArray(held)) {
      node[property] = held.map((child) => this.#read(child, node, property));
    } else {
      node[property] = held ? this.#read(held, node, property) : absent(node, property);
    }
  }

  /** Takes a type, or a declaration without a value, whole. */
  #erase({ range: [start, end] }, type = "") {
    const text = this.#blank(start, end);
    if (/\bimport\b/.test(text)) throw new Refusal(...IMPORT, start);
    if (type === "VariableDeclaration" && /=(?!>)/.test(text)) {
      throw new Refusal("construct", "a declare statement has no effect: remove it", start);
    }
    this.#pieces.push([start, end]);
  }

  /** Finds the first comma of an array with nothing before it; the parser reads no further. */
  #lookForHole(node, end) {
    let from = node.start + 1;
    let isFirst = true;
    for (const element of [...node.elements, null]) {
      const gap = this.#blank(from, element?.start ?? end);
      const commas = [...gap.matchAll(/,/g)].map((found) => from + found.index);
      const hole = commas[isFirst ? 0 : 1];
      if (hole !== undefined) {
        this.holes.push({ at: hole, filling: node.type === "ArrayPattern" ? null : "undefined" });
        return;
      }
      if (element === null) return;
      // Of a spread the parser's tree has the dots alone.
      [from, isFirst] = [Math.max(element.end, element.argument?.end ?? 0), false];
    }
  }

  /** Finds the first semicolon of a list of statements with nothing before it. */
  #lookForEmptyStatement(node, statements) {
    const isProgram = node.type === "Program";
    let from = isProgram ? this.#begin() : node.test?.end ?? node.start;
    for (const statement of [...statements, null]) {
      const gap = this.#blank(from, statement?.start ?? (isProgram ? this.#text.length : node.end));
      const found = /^[^;]*?(?=;)/.exec(gap)?.[0];
      if (found !== undefined && /^[\s{:)]*$|default\s*:\s*$/.test(found)) {
        this.holes.push({ at: from + found.length, filling: " 0" });
        return;
      }
      from = statement?.end;
    }
  }

  /** Where the program begins: after #!. */
  #begin() {
    return this.#text.startsWith("#!") ? this.#text.search(/[\n\r\u2028\u2029]/) : 0;
  }

  /** Takes the types in the head of a class, which the parser's tree does not always have. */
  #eraseHead(node) {
    const afterWord = node.start + this.#blank(node.start, node.end).search(/\bclass\b/) + 5;
    this.#eraseBrackets(node.id?.end ?? afterWord, node.superClass?.start ?? node.end);
    if (node.superClass) this.#eraseBrackets(node.superClass.end, node.end);
  }

  /** Takes what stands between < and the > that closes it, where the text begins with that. */
  #eraseBrackets(from, limit) {
    const text = this.#blank(from, limit);
    const found = /^[\s)]*</.exec(text);
    if (!found) return;
    let depth = 1;
    for (let at = found[0].length; at < text.length; at++) {
      if (/["'`]/.test(text[at])) return;
      if (text[at] === "<") depth++;
      if (text[at] === ">" && text[at - 1] !== "=" && --depth === 0) {
        return this.#erase({ range: [from, from + at + 1] });
      }
    }
  }

  /** Says whether a key is computed, which the parser's tree does not say of every member. */
  #lookAtKey(node) {
    const before = this.#blank(node.start, node.key.start);
    node.computed = node.computed === true || /\[[\s(]*$/.test(before);
  }

  /** The text of a range with comments as blanks, so that positions stay. */
  #blank(start, end) {
    let text = this.#text.slice(start, end);
    for (const [from, to] of this.#comments) {
      if (from >= start && to <= end) {
        text = text.slice(0, from - start) + " ".repeat(to - from) + text.slice(to - start);
      }
    }
    return text;
  }

  /** Throws unless every piece of the source belongs to a node that was read. */
  prove(tree) {
    const pieces = [...this.#pieces, ...this.#comments].sort((a, b) => a[0] - b[0] || b[1] - a[1]);
    let position = this.#begin();
    for (const [start, end] of [...pieces, [tree.end, tree.end]]) {
      if (start > position) this.#check(position, start);
      position = Math.max(position, end);
    }
  }

  /** What is lost can only be words of the language: it names nothing and holds no text. */
  #check(start, end) {
    const words = this.#text.slice(start, end).matchAll(
      /[^\s{}()[\];,.:?!=<>+\-*/%&|^~`$\uFEFF]+/g,
    );
    for (const { 0: word, index } of words) {
      if (WORDS.has(word)) continue;
      throw new Refusal(
        "construct",
        `the parser lost the text at ${word.slice(0, 40)}: write this statement another way`,
        start + index,
      );
    }
  }
}

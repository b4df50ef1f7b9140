// Tells which identifiers are a script's own and which are globals. Modules are strict, so functions
// belong to their block, and nothing adds names while the script runs.

import { children } from "./tree.mjs";

class Scope {
  names = new Map();
  constructor(parent, holdsVars) {
    this.parent = parent;
    this.vars = holdsVars ? this : parent.vars;
  }
  declare(binding) {
    const known = this.names.get(binding.name);
    if (known === undefined) return this.names.set(binding.name, binding);
    // var twice, or overloads: what it holds is no longer known.
    known.writes.push(binding.id);
  }
  find(name) {
    return this.names.get(name) ?? this.parent?.find(name) ?? null;
  }
}

/**
 * Resolves a tree. Returns `bindings`, and `of`: a map from each identifier that stands for a value to
 * its binding, null for a global. A binding has `name`, `id`, `writes` (identifiers that assign it after
 * its declaration), and `value`: the only one that it ever has, where that is known.
 */
export function resolve(tree) {
  const resolver = new Resolver();
  resolver.enter(tree, new Scope(null, true));
  return resolver.finish();
}

const OWN_SCOPE = /^(Block|For|ForIn|ForOf|Switch)Statement$|^CatchClause$/;

export const isFunction = (node) =>
  /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node?.type);

class Resolver {
  #bindings = [];
  #uses = [];

  finish() {
    const of = new Map();
    for (const { id, scope } of this.#uses) {
      const binding = scope.find(id.name);
      of.set(id, binding);
      if (isWritten(id)) binding?.writes.push(id);
    }
    for (const one of this.#bindings) if (one.writes.length > 0) one.value = null;
    return { bindings: this.#bindings, of };
  }

  #declare(scope, id, value = null) {
    const binding = { name: id.name, id, value, writes: [] };
    this.#bindings.push(binding);
    scope.declare(binding);
  }

  /** Visits a node in a scope; what it declares into its block was declared before. */
  enter(node, scope) {
    if (isFunction(node)) return this.#function(node, scope);
    if (node.type === "ClassDeclaration" || node.type === "ClassExpression") {
      return this.#class(node, scope);
    }
    if (node.type === "TSEnumDeclaration") return this.#enum(node, scope);
    if (node.type === "StaticBlock") scope = new Scope(scope, true);
    if (OWN_SCOPE.test(node.type)) scope = new Scope(scope, false);
    if (node.type === "CatchClause" && node.param) this.#pattern(node.param, scope);
    this.#hoist(node, scope);
    this.#inside(node, scope);
  }

  #inside(node, scope) {
    if (node.type === "Identifier") return this.#uses.push({ id: node, scope });
    if (node.type === "VariableDeclarator") {
      const target = node.parent.kind === "var" ? scope.vars : scope;
      this.#pattern(node.id, target, node.init, scope);
      if (node.init) this.enter(node.init, scope);
      return;
    }
    for (const child of children(node)) {
      if (child === node.param || isName(child)) continue;
      this.enter(child, scope);
    }
  }

  /** Declares the functions, classes and enums of a block before anything in it is looked at. */
  #hoist(node, scope) {
    const statements = node.cases?.flatMap((one) => one.consequent) ?? node.body;
    if (!Array.isArray(statements)) return;
    for (const statement of statements) {
      const declared = statement.declaration ?? statement;
      const isNamed = /^(Function|Class|TSEnum)Declaration$/.test(declared?.type);
      if (isNamed && declared.id) this.#declare(scope, declared.id, declared);
    }
  }

  #function(node, scope) {
    const outer = new Scope(scope, true);
    if (node.type === "FunctionExpression" && node.id) this.#declare(outer, node.id, node);
    const parameters = new Scope(outer, true);
    for (const one of node.params) this.#pattern(one.parameter ?? one, parameters);
    // Defaults do not see what the body declares.
    if (node.body) this.enter(node.body, new Scope(parameters, true));
  }

  #class(node, scope) {
    const inner = new Scope(scope, false);
    if (node.id) this.#declare(inner, node.id, node);
    if (node.superClass) this.enter(node.superClass, inner);
    this.enter(node.body, inner);
  }

  #enum(node, scope) {
    const inner = new Scope(scope, false);
    const { members } = node.body;
    for (const { id } of members) if (id.type === "Identifier") this.#declare(inner, id);
    for (const { initializer } of members) if (initializer) this.enter(initializer, inner);
  }

  /** Declares the names of a pattern; defaults and computed keys are values. */
  #pattern(node, scope, value = null, values = scope) {
    if (!node) return;
    if (node.type === "Identifier") return this.#declare(scope, node, value);
    if (node.computed) this.enter(node.key, values);
    if (node.type === "AssignmentPattern") this.enter(node.right, values);
    const held = node.elements ?? node.properties ?? [node.left ?? node.argument ?? node.value];
    for (const one of held) this.#pattern(one, scope, null, values);
  }
}

/** Whether an identifier only names: a member, a key, a label. */
function isName({ type, parent, heldAs }) {
  if (type !== "Identifier") return false;
  if (parent.type === "ExportSpecifier") {
    return heldAs === "exported" ||
      [parent, parent.parent].some((one) => one.exportKind === "type");
  }
  return /^(Labeled|Break|Continue)Statement$/.test(parent.type) ||
    (!parent.computed && (heldAs === "key" || heldAs === "property"));
}

const AROUND_TARGET =
  /^(ArrayPattern|ObjectPattern|RestElement|TS(As|NonNull|Satisfies)Expression|TSTypeAssertion)$/;

/** Whether an expression that is no declaration gets a value. */
export function isWritten({ parent, heldAs }) {
  switch (parent?.type) {
    case "AssignmentExpression":
    case "ForOfStatement":
    case "ForInStatement":
      return heldAs === "left";
    case "UpdateExpression":
      return true;
    case "UnaryExpression":
      return parent.operator === "delete";
    case "AssignmentPattern":
      return heldAs === "left" && isWritten(parent);
    case "Property":
      return heldAs === "value" && isWritten(parent);
    default:
      return AROUND_TARGET.test(parent?.type) && isWritten(parent);
  }
}

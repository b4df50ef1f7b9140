// Tells which identifiers are a script's own and which are globals. Modules are strict, so functions
// belong to their block, and nothing adds names while the script runs.

import { children } from "./tree.mjs";

/**
 * One name of the script: `kind` (var, let, const, using, param, catch, function, class, enum, member),
 * `id`, `init` (the value at its declaration, where it has one that is no part of something else),
 * `writes` (identifiers that assign it later) and `reads`.
 */
class Binding {
  writes = [];
  reads = [];
  constructor(name, kind, id, init, picked) {
    Object.assign(this, { name, kind, id, init, picked });
  }
  /** The only value that it ever has, if that is known. */
  get value() {
    return this.writes.length === 0 ? this.init : null;
  }
}

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
    for (let scope = this; scope; scope = scope.parent) {
      const binding = scope.names.get(name);
      if (binding) return binding;
    }
    return null;
  }
}

/**
 * Resolves a tree. Returns `bindings`, `references` (identifiers that stand for values) and `of`, a
 * map from each reference to its binding, null for a global.
 */
export function resolve(tree) {
  const resolver = new Resolver();
  resolver.enter(tree, new Scope(null, true));
  return resolver.finish();
}

const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);
const OWN_SCOPE = new Set([
  "BlockStatement",
  "ForStatement",
  "ForInStatement",
  "ForOfStatement",
  "SwitchStatement",
  "CatchClause",
]);

export const isFunction = (node) => FUNCTIONS.has(node?.type);

class Resolver {
  #bindings = [];
  #uses = [];

  finish() {
    const of = new Map();
    for (const { id, scope, written } of this.#uses) {
      const binding = scope.find(id.name);
      of.set(id, binding);
      binding?.[written ? "writes" : "reads"].push(id);
    }
    return { bindings: this.#bindings, of, references: [...of.keys()] };
  }

  #declare(scope, kind, id, init = null, picked = null) {
    const binding = new Binding(id.name, kind, id, init, picked);
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
    if (OWN_SCOPE.has(node.type)) scope = new Scope(scope, false);
    if (node.type === "CatchClause" && node.param) this.#pattern(node.param, scope, "catch");
    this.#hoist(node, scope);
    this.#inside(node, scope);
  }

  #inside(node, scope) {
    if (node.type === "Identifier") return this.#identifier(node, scope);
    if (node.type === "VariableDeclarator") {
      const { kind } = node.parent;
      const target = kind === "var" ? scope.vars : scope;
      this.#pattern(node.id, target, kind, valueOf(node), scope);
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
    const statements = node.type === "SwitchStatement"
      ? node.cases.flatMap((one) => one.consequent)
      : node.type === "Program" || node.type === "BlockStatement"
      ? node.body
      : [];
    for (const statement of statements) {
      const declared = statement.declaration ?? statement;
      const kind = {
        FunctionDeclaration: "function",
        ClassDeclaration: "class",
        TSEnumDeclaration: "enum",
      }[declared?.type];
      if (kind && declared.id) this.#declare(scope, kind, declared.id, declared);
    }
  }

  #function(node, scope) {
    const outer = new Scope(scope, true);
    if (node.type === "FunctionExpression" && node.id) {
      this.#declare(outer, "function", node.id, node);
    }
    const parameters = new Scope(outer, true);
    for (const parameter of node.params) {
      this.#pattern(parameter.parameter ?? parameter, parameters, "param", null, parameters);
    }
    // Defaults do not see what the body declares.
    if (node.body) this.enter(node.body, new Scope(parameters, true));
  }

  #class(node, scope) {
    const inner = new Scope(scope, false);
    if (node.id) this.#declare(inner, "class", node.id, node);
    if (node.superClass) this.enter(node.superClass, inner);
    this.enter(node.body, inner);
  }

  #enum(node, scope) {
    const inner = new Scope(scope, false);
    for (const member of node.body.members) {
      if (member.id.type === "Identifier") this.#declare(inner, "member", member.id);
    }
    for (const { initializer } of node.body.members) {
      if (initializer) this.enter(initializer, inner);
    }
  }

  /** Declares the names of a pattern; defaults and computed keys are values. */
  #pattern(node, scope, kind, init = null, values = scope, picked = null) {
    switch (node?.type) {
      case "Identifier":
        return this.#declare(scope, kind, node, init, picked);
      case "AssignmentPattern":
        this.#pattern(node.left, scope, kind, null, values, picked);
        return this.enter(node.right, values);
      case "RestElement":
        return this.#pattern(node.argument, scope, kind, null, values);
      case "ArrayPattern":
        for (const element of node.elements) this.#pattern(element, scope, kind, null, values);
        return;
      case "ObjectPattern":
        for (const property of node.properties) {
          if (property.type === "RestElement") {
            this.#pattern(property, scope, kind, null, values);
            continue;
          }
          if (property.computed) this.enter(property.key, values);
          this.#pattern(property.value, scope, kind, null, values, property);
        }
        return;
      case undefined:
        return;
      default:
        throw new Error(`a pattern of type ${node.type}`);
    }
  }

  #identifier(id, scope) {
    this.#uses.push({ id, scope, written: isWritten(id) });
  }
}

/** The value of a declaration's name; in the head of for…of the name has many. */
function valueOf({ init, id }) {
  return id.type === "Identifier" ? init : null;
}

/** Whether an identifier only names: a member, a key, a label. */
function isName(node) {
  if (node.type !== "Identifier") return false;
  const { parent, heldAs: key } = node;
  switch (parent.type) {
    case "MemberExpression":
      return key === "property" && !parent.computed;
    case "Property":
    case "MethodDefinition":
    case "PropertyDefinition":
      return key === "key" && !parent.computed;
    case "LabeledStatement":
    case "BreakStatement":
    case "ContinueStatement":
      return true;
    case "ExportSpecifier":
      return key === "exported" || [parent, parent.parent].some((one) => one.exportKind === "type");
    default:
      return false;
  }
}

/** Whether an identifier that is no declaration gets a value. */
export function isWritten(node) {
  const { parent, heldAs: key } = node;
  switch (parent?.type) {
    case "AssignmentExpression":
    case "ForOfStatement":
    case "ForInStatement":
      return key === "left";
    case "UpdateExpression":
      return true;
    case "UnaryExpression":
      return parent.operator === "delete";
    case "AssignmentPattern":
      return key === "left" && isWritten(parent);
    case "ArrayPattern":
    case "RestElement":
    case "TSAsExpression":
    case "TSNonNullExpression":
    case "TSTypeAssertion":
    case "TSSatisfiesExpression":
    case "ObjectPattern":
      return isWritten(parent);
    case "Property":
      return key === "value" && parent.parent.type === "ObjectPattern" && isWritten(parent);
    default:
      return false;
  }
}

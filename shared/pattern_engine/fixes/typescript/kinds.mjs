// The kinds of nodes that a script may be made of, as Deno's lint plugins call them.

/** Kinds of nodes: the properties that hold nodes | the words that its own text may have. */
const KINDS = Object.entries({
  Program: "body",
  // Statements
  BlockStatement: "body",
  BreakStatement: "label|break",
  ContinueStatement: "label|continue",
  DoWhileStatement: "body test|do while",
  EmptyStatement: "",
  ExpressionStatement: "expression",
  ForInStatement: "left right body|for in",
  ForOfStatement: "left right body|for of await",
  ForStatement: "init test update body|for",
  IfStatement: "test consequent alternate|if else",
  LabeledStatement: "label body",
  ReturnStatement: "argument|return",
  SwitchStatement: "discriminant cases|switch",
  SwitchCase: "test consequent|case default",
  ThrowStatement: "argument|throw",
  TryStatement: "block handler finalizer|try finally",
  CatchClause: "param body|catch",
  WhileStatement: "test body|while",
  // Declarations
  VariableDeclaration: "declarations|var let const using await declare export",
  VariableDeclarator: "id init",
  FunctionDeclaration: "id params body|async function export default",
  ClassDeclaration:
    "id superClass body decorators|class extends implements abstract export default",
  ClassBody: "body|class extends implements abstract export default",
  StaticBlock: "body|static",
  MethodDefinition: "key value decorators|async static get set public private protected override",
  PropertyDefinition:
    "key value decorators|static public private protected override readonly declare",
  ExportDefaultDeclaration: "declaration|export default",
  ExportNamedDeclaration: "declaration specifiers source|export type from",
  ExportSpecifier: "local exported|as type",
  TSEnumDeclaration: "id body|const enum export",
  TSEnumBody: "members|const enum export",
  TSEnumMember: "id initializer",
  TSParameterProperty: "parameter decorators|public private protected readonly override",
  // Expressions
  ArrayExpression: "elements",
  ArrowFunctionExpression: "params body|async",
  AssignmentExpression: "left right",
  AwaitExpression: "argument|await",
  BinaryExpression: "left right|in instanceof",
  CallExpression: "callee arguments",
  ChainExpression: "expression",
  ClassExpression: "id superClass body decorators|class extends implements abstract",
  ConditionalExpression: "test consequent alternate",
  FunctionExpression:
    "id params body|async function static get set public private protected override",
  LogicalExpression: "left right",
  MemberExpression: "object property",
  NewExpression: "callee arguments|new",
  ObjectExpression: "properties",
  Property: "key value|async get set",
  SequenceExpression: "expressions",
  SpreadElement: "argument",
  TaggedTemplateExpression: "tag quasi",
  TemplateLiteral: "quasis expressions",
  UnaryExpression: "argument|typeof void delete",
  UpdateExpression: "argument",
  YieldExpression: "argument|yield",
  TSAsExpression: "expression|as const",
  TSInstantiationExpression: "expression",
  TSNonNullExpression: "expression",
  TSSatisfiesExpression: "expression|satisfies",
  TSTypeAssertion: "expression|const",
  // Patterns
  ArrayPattern: "elements decorators",
  AssignmentPattern: "left right decorators",
  ObjectPattern: "properties decorators",
  RestElement: "argument decorators",
  // Tokens
  Identifier: "decorators",
  Literal: "",
  MetaProperty: "",
  PrivateIdentifier: "",
  Super: "",
  TemplateElement: "",
  ThisExpression: "",
}).map(([kind, shape]) => {
  const [properties, words = ""] = shape.split("|");
  const split = (text) => text.split(" ").filter(Boolean);
  return [kind, { properties: split(properties), words: new Set(split(words)) }];
});
export const KIND = new Map(KINDS);

/** Nodes whose whole text is theirs. */
export const TOKENS = new Set(
  "Identifier Literal MetaProperty PrivateIdentifier Super TemplateElement ThisExpression".split(
    " ",
  ),
);
/** Properties that hold types: they are erased before the script runs. */
export const TYPES =
  "typeAnnotation returnType typeParameters typeArguments superTypeArguments implements"
    .split(" ");
/** Nodes that are erased as a whole. */
export const ERASED = new Set([
  "TSInterfaceDeclaration",
  "TSTypeAliasDeclaration",
  "TSDeclareFunction",
  "TSIndexSignature",
  "TSAbstractMethodDefinition",
  "TSAbstractPropertyDefinition",
  "TSEmptyBodyFunctionExpression",
]);
/** Those that are erased after the word declare. */
export const DECLARED = new Set(["VariableDeclaration", "TSEnumDeclaration"]);
/** Properties that hold no nodes. */
export const FACTS =
  "name operator kind computed optional value raw regex bigint static generator async await delegate prefix shorthand method declare exportKind cooked abstract"
    .split(" ");
/** Nodes with a list of statements. */
export const LISTS = { Program: "body", BlockStatement: "body", SwitchCase: "consequent" };

const IMPORT = ["import", "import is not allowed: a fix is one file, without libraries"];
const UNKNOWN = {
  ImportDeclaration: IMPORT,
  ImportExpression: IMPORT,
  TSImportEqualsDeclaration: IMPORT,
  TSImportType: IMPORT,
  TSExternalModuleReference: IMPORT,
  ExportAllDeclaration: IMPORT,
  TSExportAssignment: ["import", "export = is not allowed: export default the function"],
  TSNamespaceExportDeclaration: ["import", "export as namespace is not allowed"],
  MetaProperty: ["import", "import.meta is not allowed: use the parameters"],
  WithStatement: ["with", "with is not allowed: name the object each time"],
  DebuggerStatement: ["construct", "debugger is not allowed: remove it"],
  Decorator: ["construct", "decorators are not allowed: call the function"],
  TSModuleDeclaration: ["construct", "namespaces are not allowed: use functions and objects"],
  AccessorProperty: ["construct", "accessor is not allowed: write a getter and a setter"],
};

/** The rule and the message that refuse a kind of node. */
export function unknown(type) {
  return UNKNOWN[type] ?? ["construct", `${type} is not allowed`];
}

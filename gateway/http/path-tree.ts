import type { Route } from './routes.js';

/** What stands at one place of a path: literal parts, a parameter that takes any part, and the routes that end here. */
export type PathNode = {
  readonly literals: Map<string, PathNode>;
  parameter: { readonly name: string; readonly node: PathNode } | null;
  readonly methods: Map<string, Route>;
};

/** A path that was found: its routes by method, and the parts that stand for its parameters. */
export type Found = {
  readonly methods: ReadonlyMap<string, Route>;
  readonly parameters: readonly (readonly [name: string, part: string])[];
};

/** The routes as a tree of path parts. Throws when two routes claim the same method and path. */
export function pathTree(routes: readonly Route[]): PathNode {
  const root = node();
  for (const route of routes) {
    let at = root;
    for (const part of partsOf(route.path)) at = child(at, part);
    if (at.methods.has(route.method)) throw new Error(`${route.method} ${route.path} is there twice`);
    at.methods.set(route.method, route);
  }
  return root;
}

/** Looks a path up; null when nothing stands there. A literal part goes before a parameter. */
export function findPath(tree: PathNode, path: string): Found | null {
  const parts = path.split('/');
  // A slash at the end means the same; two do not.
  if (parts.length > 2 && parts.at(-1) === '' && parts.at(-2) !== '') parts.pop();
  // What leads nowhere behind a literal part may do so behind a name: a model may be called "stats".
  const descend = (at: PathNode, i: number, parameters: Found['parameters']): Found | null => {
    const part = parts[i];
    if (part === undefined) return at.methods.size === 0 ? null : { methods: at.methods, parameters };
    // A verb only stands behind a name.
    const literal = part.startsWith(':') ? undefined : at.literals.get(part);
    const found = literal === undefined ? null : descend(literal, i + 1, parameters);
    if (found !== null || at.parameter === null) return found;
    const { name, node: next } = at.parameter;
    const colon = part.lastIndexOf(':');
    const verb = colon < 0 ? undefined : next.literals.get(part.slice(colon));
    return descend(verb ?? next, i + 1, [...parameters, [name, verb === undefined ? part : part.slice(0, colon)]]);
  };
  return descend(tree, 1, []);
}

function partsOf(path: string): string[] {
  return path
    .split('/')
    .slice(1)
    .flatMap((part) => {
      const verb = /^(\{\w+\})(:\w+)$/.exec(part);
      return verb === null ? [part] : [verb[1]!, verb[2]!];
    });
}

function child(at: PathNode, part: string): PathNode {
  const parameter = /^\{(\w+)\}$/.exec(part)?.[1];
  if (parameter === undefined) {
    const known = at.literals.get(part) ?? node();
    at.literals.set(part, known);
    return known;
  }
  at.parameter ??= { name: parameter, node: node() };
  if (at.parameter.name !== parameter) throw new Error(`{${parameter}} and {${at.parameter.name}} stand at the same place of a path`);
  return at.parameter.node;
}

const node = (): PathNode => ({ literals: new Map(), parameter: null, methods: new Map() });

import type { Payloads } from './payloads.js';

/** One column of the table: how many connections ask at once, and what. */
export type Shape = { readonly name: string; readonly connections: number; readonly payloads: Payloads; readonly protocol?: 'grpc' };

const row: Payloads = { rows: 1, format: 'json' };

export const one: Shape = { name: '1 connection', connections: 1, payloads: row };
export const sixteen: Shape = { name: '16', connections: 16, payloads: row };
export const sixtyFour: Shape = { name: '64', connections: 64, payloads: row };
export const rows32: Shape = { name: '32 rows, 16', connections: 16, payloads: { rows: 32, format: 'json' } };
export const binary32: Shape = { name: '32 rows binary, 16', connections: 16, payloads: { rows: 32, format: 'binary' } };

/** For servers that speak it. */
export const grpc16: Shape = { name: 'gRPC, 16', connections: 16, payloads: row, protocol: 'grpc' };

/** Callers that ask again the moment they are answered or refused: ten times as many as keep the gateway busy, and eighty times. */
export const floods: readonly Shape[] = [640, 5_000].map((connections) => ({
  name: `${connections.toLocaleString('en')} that ask again at once`,
  connections,
  payloads: row,
}));

/** Bodies of some 4 MB. */
export const large: Shape = { name: '10,000 rows, 4', connections: 4, payloads: { rows: 10_000, format: 'json' } };

export const jsonShapes: readonly Shape[] = [one, sixteen, sixtyFour, rows32];

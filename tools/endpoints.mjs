import { readJson, writeJson } from './json-file.mjs';
import { placesFor } from './places.mjs';

/**
 * Where the parts of a running stack are. Every client of ours reads it, so that a port that moved is no riddle.
 * @typedef {object} Endpoints
 * @property {string} [temporalAddress] host:port of the gRPC frontend
 * @property {string} [temporalNamespace]
 * @property {string} [temporalUi] URL
 * @property {string} [databaseUrl] with the password: the file is readable by its owner only
 * @property {string} [api] URL of the control API and console
 * @property {string} [gateway] URL of the gateway's REST port
 * @property {string} [gatewayGrpc] host:port
 */

/**
 * What is known, or an empty object when nothing was started yet.
 * @param {string} [file]
 * @returns {Endpoints}
 */
export function readEndpoints(file = placesFor().endpoints) {
  return readJson(file) ?? {};
}

/**
 * Adds to what is known. A value of undefined takes the entry out.
 * @param {Partial<Record<keyof Endpoints, string | undefined>>} changes
 * @param {string} [file]
 * @returns {Endpoints} what is known now
 */
export function writeEndpoints(changes, file = placesFor().endpoints) {
  const known = Object.fromEntries(Object.entries({ ...readEndpoints(file), ...changes }).filter(([, value]) => value !== undefined));
  writeJson(file, known);
  return known;
}

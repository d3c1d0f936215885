import { readFile, stat } from 'node:fs/promises';
import { createLocalJWKSet, createRemoteJWKSet } from 'jose';
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose';

/** The keys of a JSON Web Key Set at an http(s) address (fetched when needed, kept ten minutes) or in a file (read again when it changed). */
export function keySetOf(place: string): JWTVerifyGetKey {
  return /^https?:\/\//.test(place) ? createRemoteJWKSet(new URL(place)) : fileKeySet(place);
}

function fileKeySet(file: string): JWTVerifyGetKey {
  let stamp = '';
  let keys: JWTVerifyGetKey | undefined;
  return async (header, token) => {
    const { ino, size, mtimeMs } = await stat(file);
    const now = `${ino} ${size} ${mtimeMs}`;
    if (keys === undefined || now !== stamp) {
      keys = createLocalJWKSet(JSON.parse(await readFile(file, 'utf8')) as JSONWebKeySet);
      stamp = now;
    }
    return keys(header, token);
  };
}

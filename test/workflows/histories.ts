import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

export const historiesFolder = fileURLToPath(new URL('../histories/', import.meta.url));

/** One recorded history; `history` is Temporal's protobuf as JSON: enums by name, bytes in base64. */
export type Recording = {
  readonly release: string;
  readonly name: string;
  readonly workflowId: string;
  readonly workflowType: string;
  readonly history: { readonly events: readonly Record<string, unknown>[] };
};

/** Every recorded history: `histories/<release>/<name>.json.gz`. */
export function recordings(folder = historiesFolder): Recording[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.json.gz'))
    .toSorted()
    .map((path) => {
      const [release = '', name = ''] = path.replace('.json.gz', '').split('/');
      const kept = JSON.parse(gunzipSync(readFileSync(`${folder}/${path}`)).toString('utf8')) as Omit<Recording, 'release' | 'name'>;
      return { release, name, ...kept };
    });
}

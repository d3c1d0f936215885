import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Gateway } from '../../../gateway/gateway.js';
import { post } from './requests.js';
import type { Stage } from './stage.js';

type Side = {
  readonly observedContentType: string;
  readonly mode: 'INPUT' | 'OUTPUT';
  readonly data: string;
  readonly encoding: 'CSV' | 'JSON' | 'BASE64';
};
export type CapturedLine = {
  readonly captureData: { readonly endpointInput?: Side; readonly endpointOutput?: Side };
  readonly eventMetadata: {
    readonly eventId: string;
    readonly inferenceId?: string;
    readonly customAttributes: readonly string[];
    readonly inferenceTime: string;
  };
  readonly eventVersion: string;
};

/** Names of the files of captured requests of a model and a variant, and their lines, when all are stored. */
export async function capturedOf(
  stage: Stage,
  gateway: Gateway,
  of: string,
): Promise<{ readonly names: readonly string[]; readonly lines: readonly CapturedLine[] }> {
  const flushed = await post(`${gateway.url}/v2/captures/flush`, {});
  if (flushed.status !== 200) throw new Error(`captures are not stored: ${JSON.stringify(flushed.body)}`);
  const folder = join(stage.folder, 'captured', of);
  const names = below(folder);
  const lines = names.flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1));
  return { names, lines: lines.map((line) => JSON.parse(line) as CapturedLine) };
}

function below(folder: string): string[] {
  const found = (() => {
    try {
      return readdirSync(folder, { recursive: true, encoding: 'utf8' });
    } catch {
      return [];
    }
  })();
  return found.filter((path) => statSync(join(folder, path)).isFile()).sort();
}

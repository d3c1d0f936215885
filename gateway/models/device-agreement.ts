import type { ModelTrial, TrialRun, TrialTensor, TrialTensors } from '../../activities/trial-ports.js';
import type { DevicePlace } from '../../domain/devices.js';
import { PerennialError } from '../../domain/errors.js';
import type { FirstRunsDeps, TriedVersion } from './first-runs.js';
import { tryVersion } from './first-runs.js';
import { halfNumber } from './half.js';
import type { PackageContents } from './package-files.js';

/** By how much of the largest value a device may differ from the CPU: some compute with 10 bits of mantissa. */
const tolerated = 0.01;

type FirstRun = { readonly feeds: TrialTensors; readonly outputs: TrialTensors };

/**
 * Tries a version on a device, and then its first run on the CPU too, where it was evaluated: what it answers on the device
 * must be the same, within what devices compute less exactly. Throws `ArtifactRejected` with the reason.
 */
export async function tryOnDevice(deps: FirstRunsDeps, contents: PackageContents, on: DevicePlace): Promise<TriedVersion> {
  const { trials, config } = deps;
  let first: FirstRun | null = null;
  const remembering = (trial: ModelTrial): ModelTrial => ({
    inputs: trial.inputs,
    outputs: trial.outputs,
    loadMs: trial.loadMs,
    async run(feeds, times): Promise<TrialRun> {
      const ran = await trial.run(feeds, times);
      first ??= { feeds, outputs: ran.outputs };
      return ran;
    },
    close: () => trial.close(),
  });
  const tried = await tryVersion(
    { config, trials: { ...trials, open: async (model, limits, at) => remembering(await trials.open(model, limits, at)) } },
    contents,
    on,
  );
  const { feeds, outputs } = first as unknown as FirstRun;
  const onCpu = await trials.open(contents.model, { memoryBytes: config.trialMemoryBytes, limitMs: config.loadLimitMs });
  try {
    const expected = (await onCpu.run(feeds, 1)).outputs;
    const other = Object.keys(expected).find((name) => !isSame(expected[name]!, outputs[name]));
    if (other !== undefined)
      throw new PerennialError(
        'ArtifactRejected',
        `on ${on.name} its output ${JSON.stringify(other)} differs by more than ${tolerated * 100}% from the CPU's, on which it was evaluated`,
      );
  } finally {
    await onCpu.close();
  }
  return tried;
}

/** Numbers with a fraction may differ a little; anything else may not. */
export function isSame(expected: TrialTensor, found: TrialTensor | undefined): boolean {
  if (found === undefined || found.type !== expected.type || found.dims.join() !== expected.dims.join()) return false;
  const [a, b] = [valuesOf(expected), valuesOf(found)];
  if (!['float16', 'float32', 'float64'].includes(expected.type)) return a.every((value, i) => value === b[i]);
  const numbers = (a as number[]).filter(Number.isFinite);
  const most = tolerated * numbers.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-6);
  return (a as number[]).every((value, i) => Object.is(value, b[i]) || Math.abs(value - (b[i] as number)) <= most);
}

function valuesOf({ type, data }: TrialTensor): readonly unknown[] {
  const values = Array.from(data as ArrayLike<unknown>);
  return type === 'float16' ? values.map((bits) => halfNumber(bits as number)) : values;
}

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelTrial, ModelTrials, TrialLimits } from '../../activities/trial-ports.js';
import type { DevicePlace } from '../../domain/devices.js';
import { PerennialError } from '../../domain/errors.js';
import { lookForExternalData } from '../../domain/onnx-external-data.js';
import type { TrialAnswer, TrialCall } from './trial-messages.js';
import { refuseNonTensors } from './only-tensors.js';
import { useDevice } from './trial-device.js';
import type { TrialProcess } from './trial-process.js';
import { startTrialProcess } from './trial-process.js';

/**
 * `program` is the path of the compiled `trial-program.js`; `atOnce` bounds the processes at the same time; `prlimit` is the
 * command that sets a process's limits, without which its resident size is watched; `deviceVariables` is what a process gets
 * of the environment when it uses a device, since drivers and their libraries are found by variables.
 */
export type TrialsOptions = {
  readonly program: string;
  readonly atOnce?: number;
  readonly prlimit?: string;
  readonly deviceVariables?: Readonly<Record<string, string>>;
};

/** How long a process waits for another model, and how many models it takes before it is replaced. */
const idleMs = 30_000;
const modelsAProcess = 50;

type Place = { readonly process: TrialProcess; models: number; idle: NodeJS.Timeout | undefined };

/**
 * Trials in child processes. One that has proved its model goes on to the next; after a rejection, or some models, a
 * fresh one is started. No file is read that keeps tensors outside of itself.
 */
export function createModelTrials({ program, atOnce = 2, prlimit = 'prlimit', deviceVariables = {} }: TrialsOptions): ModelTrials {
  const spare: Place[] = [];
  const waiting: (() => void)[] = [];
  let busy = 0;

  const enter = async (): Promise<void> => {
    if (busy >= atOnce) await new Promise<void>((resolve) => waiting.push(resolve));
    else busy++;
  };
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) busy--;
    else next();
  };
  const take = async (): Promise<Place> => {
    for (let place = spare.pop(); place !== undefined; place = spare.pop()) {
      clearTimeout(place.idle);
      if (!place.process.ended) return place;
    }
    return { process: await startTrialProcess(program, { prlimit, variables: {} }), models: 0, idle: undefined };
  };
  const giveBack = (place: Place): void => {
    if (place.process.ended) return;
    // One is enough to be warm.
    if (spare.length > 0 || ++place.models >= modelsAProcess) return place.process.end();
    place.idle = setTimeout(() => {
      spare.splice(spare.indexOf(place), 1);
      place.process.end();
    }, idleMs).unref();
    spare.push(place);
  };

  /** A fresh process, which is never used again: what a device leaves in it would be counted to the next model. */
  const onDevice = async (on: DevicePlace, limits: TrialLimits): Promise<TrialProcess> => {
    const process = await startTrialProcess(program, { prlimit, variables: deviceVariables });
    try {
      // What the driver and its libraries take is no version's.
      await process.limit({ limitMs: limits.limitMs, memoryBytes: Infinity, onDevice: true });
      await useDevice(process, on);
      await process.limit({ ...limits, onDevice: true });
      return process;
    } catch (error) {
      process.end();
      throw error;
    }
  };

  return {
    async open(model, limits, on) {
      refuseWhatLiesOutside(model);
      await enter();
      let place: Place | undefined;
      try {
        place = on === undefined ? await take() : { process: await onDevice(on, limits), models: modelsAProcess, idle: undefined };
        if (on === undefined) await place.process.limit({ ...limits, onDevice: false });
        return await load(place.process, model, () => {
          giveBack(place!);
          leave();
        });
      } catch (error) {
        place?.process.end();
        leave();
        throw hereToBlame(error);
      }
    },
    async probe(on, limits) {
      await enter();
      try {
        (await onDevice(on, limits)).end();
        return null;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      } finally {
        leave();
      }
    },
    async close() {
      for (const { process, idle } of spare.splice(0)) {
        clearTimeout(idle);
        process.end();
      }
    },
  };
}

/** A full disk, or no more processes to be had, says nothing of the model: `Unavailable`. What was said of it stays. */
function hereToBlame(error: unknown): PerennialError {
  if (error instanceof PerennialError) return error;
  return new PerennialError('Unavailable', `no trial can be made here: ${(error as Error).message}`, { cause: error });
}

function refuseWhatLiesOutside(model: Uint8Array): void {
  const look = lookForExternalData(model);
  if (look.kind === 'whole') return;
  throw new PerennialError(
    'ArtifactRejected',
    look.kind === 'broken'
      ? `model.onnx does not load: ${look.reason}; export the model to ONNX`
      : `model.onnx keeps tensor ${JSON.stringify(look.tensor)} in another file (${look.location}), which is not signed with it; export it with all data inside`,
  );
}

async function load(process: TrialProcess, model: Uint8Array, done: () => void): Promise<ModelTrial> {
  const call = async (ask: TrialCall, doing: string): Promise<TrialAnswer> => await process.call(ask, doing);
  const folder = await mkdtemp(join(tmpdir(), 'perennial-trial-'));
  let loaded: TrialAnswer;
  try {
    const path = join(folder, 'model.onnx');
    await writeFile(path, model);
    loaded = await call({ kind: 'load', path }, 'loading it').catch((error: Error) => {
      throw error instanceof PerennialError && error.type === 'ArtifactRejected'
        ? new PerennialError('ArtifactRejected', `model.onnx does not load: ${error.message}`, { cause: error })
        : error;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  if (loaded.kind !== 'loaded') throw new Error(`the trial process answered ${loaded.kind} to a load`);
  const { inputs, outputs, ms } = loaded;
  refuseNonTensors(loaded);
  let left = false;
  const leaveOnce = (): void => {
    if (!left) done();
    left = true;
  };
  return {
    inputs,
    outputs,
    loadMs: ms,
    async run(feeds, times) {
      const doing = times === 1 ? 'its first run' : `its first ${times} runs`;
      const ran = await call({ kind: 'run', feeds, times }, doing).catch((error: unknown) => {
        if (process.ended) leaveOnce();
        throw error;
      });
      if (ran.kind !== 'ran') throw new Error(`the trial process answered ${ran.kind} to a run`);
      return ran;
    },
    async close() {
      if (!process.ended) await call({ kind: 'unload' }, 'releasing it').catch(() => process.end());
      leaveOnce();
    },
  };
}

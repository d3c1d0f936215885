import { afterAll, describe, expect, it } from 'vitest';
import type { ModelTrials, TrialTensors } from '../../activities/trial-ports.js';
import { createModelTrials } from '../../adapters/onnx/model-trials.js';
import type { Device, DevicePlace } from '../../domain/devices.js';
import type { AcceleratorOptions } from '../../domain/serving-options.js';
import { gatewayConfig } from '../../gateway/gateway-config.js';
import { isSame } from '../../gateway/models/device-agreement.js';
import { placeTried } from '../../gateway/models/device-placement.js';
import { deviceBeside } from '../../gateway/models/device-room.js';
import { tryWhereItRuns } from '../../gateway/models/try-on-device.js';
import { linearModel } from './support/onnx-builder.js';
import { pairs } from './support/requests.js';
import { twoNumbers } from './support/stage.js';
import { trialProgram } from './support/trial-program.js';

const mebibyte = 1024 * 1024;
const devices: readonly Device[] = [{ name: 'cuda:1', kind: 'cuda', index: 1, memoryBytes: 1024 * mebibyte }];
const config = gatewayConfig({ id: 'any', host: '127.0.0.1', port: 0, folder: 'any', devices });
const real = createModelTrials({ program: trialProgram() });
afterAll(() => real.close());

/** Trials on the CPU of this machine, which stand for a device too; there, answers are `factor` times what they are. */
function trialsWith(factor: number): { trials: ModelTrials; opened: (DevicePlace | 'cpu')[] } {
  const opened: (DevicePlace | 'cpu')[] = [];
  const scaled = (outputs: TrialTensors): TrialTensors =>
    Object.fromEntries(
      Object.entries(outputs).map(([name, one]) => [name, { ...one, data: (one.data as Float32Array).map((value) => value * factor) }]),
    );
  const trials: ModelTrials = {
    ...real,
    async open(model, limits, on) {
      opened.push(on ?? 'cpu');
      const trial = await real.open(model, limits);
      if (on === undefined) return trial;
      return {
        ...trial,
        async run(feeds, times) {
          const ran = await trial.run(feeds, times);
          return { ...ran, outputs: scaled(ran.outputs) };
        },
      };
    },
  };
  return { trials, opened };
}

/** A gateway's look at versions that ask for an accelerator. */
function trying(factor: number, staying: Parameters<typeof deviceBeside>[2] = []) {
  const { trials, opened } = trialsWith(factor);
  const memory = { deviceFor: (need: Parameters<typeof deviceBeside>[1]) => deviceBeside(devices, need, staying) };
  const deps = { trials, config, memory, tried: new Map() };
  const look = (accelerator: AcceleratorOptions) => {
    const spec = { model: 'demand', ...twoNumbers, accelerator };
    const contents = { model: linearModel(7), spec, example: pairs([[1, 2]]) };
    return tryWhereItRuns(deps, { contents, model: 'demand', digest: 'sha256:1' });
  };
  return { look, opened };
}

const wish = (required: boolean): AcceleratorOptions => ({ provider: 'cuda', required, memoryMiB: 512 });
const onDevice = { provider: 'cuda', name: 'cuda:1', index: 1 };

describe('a version that asks for an accelerator', () => {
  it('is tried there, compared with the CPU, and placed there in one thread however quick it is', async () => {
    const { look, opened } = trying(1);
    const proved = await look(wish(true));
    expect(opened).toEqual([onDevice, 'cpu']);
    expect(proved).toMatchObject({ device: { provider: 'cuda', bytes: 512 * mebibyte }, fallback: null });
    const placed = placeTried(proved, config);
    expect(placed).toMatchObject({
      where: 'thread',
      threads: 1,
      device: proved.device,
      because: expect.stringMatching(/^it asks for cuda/),
    });
    // The same model without its wish is quick enough to run in place.
    expect(placeTried({ ...proved, device: null }, config)).toMatchObject({ where: 'inPlace', device: null });
    // A rollback need not wait for another trial.
    await look(wish(true));
    expect(opened).toHaveLength(2);
  });

  it('may answer a little differently there, as devices compute', async () => {
    expect((await trying(1.005).look(wish(true))).device).not.toBeNull();
  });

  it('is refused where it answers otherwise than on the CPU', async () => {
    await expect(trying(1.05).look(wish(true))).rejects.toMatchObject({
      type: 'ArtifactRejected',
      message: expect.stringMatching(/^on cuda:1 its output "prediction" differs by more than 1% from the CPU's.*It requires cuda/),
    });
  });

  it('runs on the CPU, saying why, where it only prefers the device; and is tried there again the next time', async () => {
    const { look, opened } = trying(1.05);
    const proved = await look(wish(false));
    expect(proved).toMatchObject({ device: null, fallback: expect.stringContaining('differs by more than 1%') });
    expect(placeTried(proved, config)).toMatchObject({
      where: 'inPlace',
      device: null,
      because: expect.stringMatching(/it prefers an accelerator: on cuda:1 its output/),
    });
    await look(wish(false));
    expect(opened.filter((on) => on !== 'cpu')).toEqual([onDevice, onDevice]);
  });

  it('has no room beside what answers: it is not even tried there', async () => {
    const { look, opened } = trying(1, [{ device: devices[0]!, version: '1.0.0', bytes: 768 * mebibyte }]);
    await expect(look(wish(true))).rejects.toThrow('beside what answers: 1.0.0 on cuda:1 (768 MiB)');
    expect(opened).toEqual([]);
    expect(await look(wish(false))).toMatchObject({ device: null, fallback: expect.stringContaining('beside what answers') });
    expect(opened).toEqual(['cpu']);
  });
});

describe('answers of a device', () => {
  const floats = (...values: number[]) => ({ type: 'float32', dims: [values.length], data: Float32Array.from(values) });
  const whole = (...values: bigint[]) => ({ type: 'int64', dims: [values.length], data: BigInt64Array.from(values) });
  const halves = (...bits: number[]) => ({ type: 'float16', dims: [bits.length], data: Uint16Array.from(bits) });

  it('are those of the CPU within 1% of the largest, which is exact for what has no fraction', () => {
    expect(isSame(floats(100, 0.1, NaN, Infinity), floats(100.5, 0.9, NaN, Infinity))).toBe(true);
    expect(isSame(floats(100, 0.1), floats(100, 1.2))).toBe(false);
    expect(isSame(floats(1, 2), floats(1, NaN))).toBe(false);
    expect(isSame(floats(0, 0), floats(0, -0))).toBe(true);
    expect(isSame(whole(1n, 1000n), whole(1n, 1000n))).toBe(true);
    expect(isSame(whole(1n, 1000n), whole(1n, 1001n))).toBe(false);
    // 1.0, and its next neighbours; 2.0.
    expect(isSame(halves(0x3c00), halves(0x3c01))).toBe(true);
    expect(isSame(halves(0x3c00), halves(0x4000))).toBe(false);
    expect(isSame({ type: 'string', dims: [1], data: ['a'] }, { type: 'string', dims: [1], data: ['b'] })).toBe(false);
    expect(isSame(floats(1), undefined)).toBe(false);
    expect(isSame(floats(1), { ...floats(1), dims: [1, 1] })).toBe(false);
  });
});

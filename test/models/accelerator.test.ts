import { describe, expect, it } from 'vitest';
import { servingSpecOf } from '../../activities/evaluation/package-model.js';
import { definitionDigest, parseDefinition } from '../../contracts/define-model.js';
import { executionProvidersOn, needOf, placeOn } from '../../domain/devices.js';
import type { PerennialError } from '../../domain/errors.js';
import type { AcceleratorOptions } from '../../domain/serving-options.js';
import demandForecast from '../../models/demand-forecast.js';

const wishing = (accelerator: unknown): unknown => ({ ...demandForecast, serving: { ...demandForecast.serving, accelerator } });
const wish: AcceleratorOptions = { provider: 'cuda', required: true, memoryMiB: 512 };

describe('an accelerator in a definition', () => {
  it('is carried in serving.json and makes another digest', () => {
    const definition = parseDefinition(wishing(wish));
    expect(servingSpecOf(definition, { input: 'features', output: 'prediction' })).toMatchObject({ accelerator: wish });
    expect(definitionDigest(definition)).not.toBe(definitionDigest(demandForecast));
  });

  it.each<[string, unknown, { path: string; expected: string; found: string }]>([
    [
      'a provider that ONNX Runtime has not got here',
      { ...wish, provider: 'rocm' },
      { path: 'serving.accelerator.provider', expected: 'one of "cuda", "tensorrt", "webgpu"', found: '"rocm"' },
    ],
    [
      'nothing said of whether it must be',
      { provider: 'cuda', memoryMiB: 512 },
      { path: 'serving.accelerator.required', expected: 'a boolean', found: 'nothing' },
    ],
    ['no memory', { ...wish, memoryMiB: 0 }, { path: 'serving.accelerator.memoryMiB', expected: 'a number of at least 1', found: '0' }],
    [
      'bytes where mebibytes belong',
      { ...wish, memoryMiB: 536_870_912 },
      { path: 'serving.accelerator.memoryMiB', expected: 'a number of at most 1048576', found: '536870912' },
    ],
    [
      'a device, which is the gateway’s to choose',
      { ...wish, device: 0 },
      { path: 'serving.accelerator.device', expected: 'no such field', found: '0' },
    ],
  ])('with %s is refused, with the place', (_, accelerator, fault) => {
    let faults: unknown = null;
    try {
      parseDefinition(wishing(accelerator));
    } catch (error) {
      faults = (error as PerennialError).details['faults'];
    }
    expect(faults).toEqual([fault]);
  });
});

describe('execution providers', () => {
  const second = { name: 'cuda:1', kind: 'cuda', index: 1, memoryBytes: 1 } as const;

  it('are asked in order, the CPU last, on the device that was chosen', () => {
    expect(executionProvidersOn(placeOn(second, needOf(wish)))).toEqual([{ name: 'cuda', deviceId: 1 }, { name: 'cpu' }]);
    const tensorrt = needOf({ ...wish, provider: 'tensorrt' });
    expect(tensorrt).toEqual({ provider: 'tensorrt', kind: 'cuda', bytes: 512 * 1024 * 1024 });
    expect(executionProvidersOn(placeOn(second, tensorrt)).map(({ name }) => name)).toEqual(['tensorrt', 'cuda', 'cpu']);
  });

  it('of another release are refused, not taken for the CPU', () => {
    expect(() => needOf({ ...wish, provider: 'rocm' as 'cuda' })).toThrow(/asks for the execution provider "rocm", and this release knows/);
  });
});

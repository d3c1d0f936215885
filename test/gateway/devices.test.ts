import { afterAll, describe, expect, it } from 'vitest';
import { createModelTrials } from '../../adapters/onnx/model-trials.js';
import type { Device } from '../../domain/devices.js';
import { PerennialError } from '../../domain/errors.js';
import type { AcceleratorOptions } from '../../domain/serving-options.js';
import type { GatewaySettings } from '../../gateway/gateway-config.js';
import type { Gateway } from '../../gateway/gateway.js';
import { threadProgram } from '../../gateway/thread-program.js';
import { loadInThreads } from '../../gateway/models/thread-pool.js';
import { readDriverVariables } from '../../workers/gateway-devices.js';
import { linearModel } from './support/onnx-builder.js';
import { ask, get, pairs, until } from './support/requests.js';
import { openStage } from './support/stage.js';
import { trialProgram } from './support/trial-program.js';

const mebibyte = 1024 * 1024;
const cuda: Device = { name: 'cuda:0', kind: 'cuda', index: 0, memoryBytes: 1024 * mebibyte };
const webgpu: Device = { name: 'webgpu:0', kind: 'webgpu', index: 0, memoryBytes: 64 * mebibyte };
const limits = { memoryBytes: 1024 * mebibyte, limitMs: 60_000 };
const trials = createModelTrials({ program: trialProgram(), deviceVariables: readDriverVariables(process.env) });
afterAll(() => trials.close());
/** A graphics card, or a Vulkan driver that computes on the CPU (SwiftShader by VK_DRIVER_FILES), has this run for real. */
const noWebGpu = await trials.probe({ provider: 'webgpu', name: 'webgpu:0', index: 0 }, limits);

type Loaded = { readonly version: string; readonly placement: string; readonly device?: string | null; readonly because: string };

/** A gateway that serves version 1.0.0 of `demand` on the CPU, and its answer to a route to 1.0.1, which asks for an accelerator. */
async function followedBy(accelerator: AcceleratorOptions, settings: Partial<GatewaySettings>) {
  const stage = await openStage();
  await stage.addLive({ model: 'demand', version: '1.0.0', onnx: 'linear', example: pairs([[1, 2]]) });
  const gateway = await stage.start(settings, { trials });
  await stage.addVersion({ model: 'demand', version: '1.0.1', onnx: 'linear-plus-1000', example: pairs([[1, 2]]), spec: { accelerator } });
  const ack = await stage.registry.acknowledged(stage.registry.setRoute({ model: 'demand', variants: [{ version: '1.0.1', weight: 1 }] }));
  return { stage, gateway, ack };
}

async function loaded(gateway: Gateway, version: string): Promise<Loaded | undefined> {
  const { body } = await get<{ loaded: Loaded[] }>(`${gateway.url}/v2/models/demand/route`);
  return body.loaded.find((one) => one.version === version);
}

const scrape = async (gateway: Gateway): Promise<string> => (await get<string>(`${gateway.url}/metrics`)).body;

describe('a version that requires a device', () => {
  const required: AcceleratorOptions = { provider: 'cuda', required: true, memoryMiB: 512 };
  it.each<{ lacking: string; wish?: AcceleratorOptions; devices: readonly Device[]; reason: RegExp }>([
    {
      lacking: 'that no setting names',
      devices: [],
      reason: /demand 1\.0\.1 cannot be served: this gateway has no cuda device: set PERENNIAL_GATEWAY_DEVICES, such as cuda:0=8GiB/,
    },
    {
      lacking: 'of another kind than there is',
      devices: [webgpu],
      reason: /this gateway has no cuda device \(it has webgpu:0\)/,
    },
    {
      lacking: 'that is too small',
      devices: [cuda],
      wish: { ...required, memoryMiB: 2048 },
      reason: /asks for 2048 MiB of a device, and cuda:0 may be given 1024 MiB: lower serving\.accelerator\.memoryMiB/,
    },
    {
      lacking: 'whose library is not installed',
      devices: [cuda],
      reason:
        /cuda:0 cannot be used by ONNX Runtime's provider cuda: its library does not load: .*providers_shared\.so.*; install NVIDIA's driver/,
    },
    {
      lacking: 'of TensorRT, whose library is not installed',
      devices: [cuda],
      wish: { ...required, provider: 'tensorrt' },
      reason: /cuda:0 cannot be used by ONNX Runtime's provider tensorrt: its library does not load/,
    },
  ])('$lacking is refused with that reason and the way out, and the old one goes on', async ({ wish, devices, reason }) => {
    const { gateway, ack, stage } = await followedBy(wish ?? required, { devices });
    expect(ack.refused).toMatch(reason);
    expect(ack.refused).toMatch(/It requires (cuda|tensorrt): with serving\.accelerator\.required false it would run on the CPU$/);
    for (let i = 0; i < 20; i++) expect(await ask(gateway, 'demand')).toMatchObject({ status: 200, body: { model_version: '1.0.0' } });
    expect(await loaded(gateway, '1.0.1')).toBeUndefined();
    expect(stage.log.filter(({ event }) => event === 'versionOnCpu')).toEqual([]);
  });
});

describe('a version that prefers a device which is not there', () => {
  it('runs on the CPU, and says so', async () => {
    const { gateway, ack, stage } = await followedBy({ provider: 'cuda', required: false, memoryMiB: 512 }, { devices: [cuda] });
    expect(ack.refused).toBeNull();
    expect(await ask(gateway, 'demand', [1, 2])).toMatchObject({ body: { model_version: '1.0.1', outputs: [{ data: [1021] }] } });
    expect(await loaded(gateway, '1.0.1')).toMatchObject({
      placement: 'inPlace',
      device: 'cpu',
      because: expect.stringMatching(/run in place; it prefers an accelerator: cuda:0 cannot be used by ONNX Runtime's provider cuda/),
    });
    const told = stage.log.filter(({ event }) => event === 'versionOnCpu');
    expect(told).toMatchObject([
      { level: 'warn', model: 'demand', version: '1.0.1', reason: expect.stringContaining('cuda:0 cannot be used') },
    ]);
    expect(await scrape(gateway)).toContain('gateway_version_device{model_name="demand",version="1.0.1",provider="cuda",device="cpu"} 1\n');
    const { body } = await get<{ instance_group: unknown[] }>(`${gateway.url}/v2/models/demand/config`);
    expect(body.instance_group).toEqual([{ name: 'demand', count: 1, kind: 'KIND_CPU', gpus: [] }]);
  });

  it('is told of when the gateway starts, before any version asks for it', async () => {
    const stage = await openStage();
    await stage.addLive({ model: 'demand', version: '1.0.0', onnx: 'linear' });
    const gateway = await stage.start({ devices: [cuda] });
    await until(() => stage.log.some(({ event }) => event === 'deviceUnusable'));
    expect(stage.log.find(({ event }) => event === 'deviceUnusable')).toMatchObject({ level: 'error', device: 'cuda:0' });
    const text = await scrape(gateway);
    expect(text).toContain('gateway_device_usable{device="cuda:0"} 0\n');
    expect(text).toContain(`gateway_device_memory_budget_bytes{device="cuda:0"} ${cuda.memoryBytes}\n`);
    expect(text).toContain('gateway_device_memory_bytes{device="cuda:0"} 0\n');
  });
});

describe('a gateway without devices', () => {
  it('has no series of them', async () => {
    const stage = await openStage();
    await stage.addLive({ model: 'demand', version: '1.0.0', onnx: 'linear' });
    const text = await scrape(await stage.start());
    expect(text).not.toMatch(/gateway_device|gateway_version_device|nv_gpu/);
  });
});

describe('a thread on a device that cannot be used', () => {
  it.skipIf(noWebGpu === null)('says why, ends alone, and leaves the next one its turn', async () => {
    const model = linearModel(7);
    const on = { provider: 'webgpu', name: 'webgpu:0', index: 0 } as const;
    const input = {
      read: () => Promise.resolve(new Uint8Array(model)),
      program: await threadProgram('./models/inference-thread', null),
      limitMs: 60_000,
      runLimitMs: 60_000,
    };
    for (let i = 0; i < 2; i++) await expect(loadInThreads({ ...input, on }, 1)).rejects.toThrow('Failed to get a WebGPU adapter');
    const runner = await loadInThreads(input, 1);
    expect(await runner.run({ features: { type: 'float32', dims: [1, 2], data: Float32Array.of(1, 2) } })).toMatchObject({
      prediction: { data: Float32Array.of(28) },
    });
    await runner.release();
  });

  it('is told of by a trial as the device’s fault, not as the model’s', async () => {
    const opened = trials.open(linearModel(7), limits, { provider: 'cuda', name: 'cuda:0', index: 0 });
    await expect(opened).rejects.toSatisfy(
      (error) => error instanceof PerennialError && error.type === 'ArtifactRejected' && error.details['refusedBy'] === 'device',
    );
  });
});

describe.runIf(noWebGpu === null)('versions on a device', () => {
  const wish = { provider: 'webgpu', required: true, memoryMiB: 24 } as const;

  it('are tried, run and told of there', async () => {
    const { gateway, ack, stage } = await followedBy(wish, { devices: [webgpu] });
    expect(ack.refused).toBeNull();
    expect(await ask(gateway, 'demand', [1, 2])).toMatchObject({ body: { model_version: '1.0.1', outputs: [{ data: [1021] }] } });
    expect(await loaded(gateway, '1.0.1')).toMatchObject({
      placement: 'thread',
      device: 'webgpu:0',
      because: expect.stringContaining('it asks for webgpu, and proved itself there'),
    });
    const { body } = await get<{ instance_group: unknown[] }>(`${gateway.url}/v2/models/demand/config`);
    expect(body.instance_group).toEqual([{ name: 'demand', count: 1, kind: 'KIND_GPU', gpus: [0] }]);
    const stats = await get<{ model_stats: { version: string; memory_usage: unknown[] }[] }>(`${gateway.url}/v2/models/stats`);
    expect(stats.body.model_stats.find(({ version }) => version === '1.0.1')?.memory_usage).toEqual([
      { type: 'GPU', id: 0, byte_size: 24 * mebibyte },
    ]);
    await until(() => stage.log.some(({ event }) => event === 'deviceUsable'));
    const text = await scrape(gateway);
    expect(text).toContain('gateway_version_device{model_name="demand",version="1.0.1",provider="webgpu",device="webgpu:0"} 1\n');
    expect(text).toContain('gateway_device_usable{device="webgpu:0"} 1\n');
    expect(text).toContain(`gateway_device_memory_bytes{device="webgpu:0"} ${24 * mebibyte}\n`);
  });

  it('are replaced under traffic without one failure, while there is room for both', async () => {
    const { stage, gateway } = await followedBy(wish, { devices: [webgpu] });
    let done = false;
    const failed: unknown[] = [];
    const asking = Promise.all(
      [1, 2].map(async () => {
        while (!done) {
          const answer = await ask(gateway, 'demand', [1, 2]);
          if (answer.status !== 200) failed.push(answer.body);
        }
      }),
    );
    for (let patch = 2; patch < 6; patch++) {
      const version = `1.0.${patch}`;
      await stage.addVersion({
        model: 'demand',
        version,
        onnx: patch % 2 === 0 ? 'linear' : 'linear-plus-1000',
        spec: { accelerator: wish },
      });
      const ack = await stage.registry.acknowledged(stage.registry.setRoute({ model: 'demand', variants: [{ version, weight: 1 }] }));
      expect(ack.refused).toBeNull();
      expect(await loaded(gateway, version)).toMatchObject({ device: 'webgpu:0' });
    }
    done = true;
    await asking;
    expect(failed).toEqual([]);
    await until(async () => (await scrape(gateway)).includes(`gateway_device_memory_bytes{device="webgpu:0"} ${24 * mebibyte}\n`));
  });

  it('take turns on it: four models where two have room, each asked at once, without one failure', async () => {
    const stage = await openStage();
    const models = ['one', 'two', 'three', 'four'];
    for (const [i, model] of models.entries())
      await stage.addLive({ model, version: '1.0.0', onnx: i % 2 === 0 ? 'linear' : 'linear-plus-1000', spec: { accelerator: wish } });
    const gateway = await stage.start({ devices: [webgpu] }, { trials });
    const answers = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => ({ i, answer: await ask(gateway, models[i % 4]!, [i, 2]) })),
    );
    expect(answers.filter(({ answer }) => answer.status !== 200)).toEqual([]);
    for (const { i, answer } of answers) expect(answer.body.outputs[0]!.data).toEqual([20 + i + (i % 2) * 1000]);
    expect(await scrape(gateway)).toContain(`gateway_device_memory_bytes{device="webgpu:0"} ${48 * mebibyte}\n`);
  });
});

import { describe, expect, it } from 'vitest';
import type { Device, DeviceNeed } from '../../domain/devices.js';
import type { Releasable } from '../../gateway/models/device-room.js';
import { chooseDevice, deviceBeside } from '../../gateway/models/device-room.js';
import { HostedVersion } from '../../gateway/models/hosted-version.js';
import { ModelMemory } from '../../gateway/models/model-memory.js';
import type { Placement } from '../../gateway/models/placement.js';
import { echoRunner } from './support/echo-runner.js';
import { directPlan } from '../../gateway/plans/direct-plan.js';
import { addFigures } from '../../gateway/siblings/joined-figures.js';
import { GatewayMetrics } from '../../gateway/watching/metrics.js';
import { partOf, readDevices, readDriverVariables } from '../../workers/gateway-devices.js';
import { identity } from './support/stage.js';
import { until } from './support/requests.js';

const mebibyte = 1024 * 1024;
const card = (index: number, memoryMiB: number): Device => ({
  name: `cuda:${index}`,
  kind: 'cuda',
  index,
  memoryBytes: memoryMiB * mebibyte,
});
const need = (memoryMiB: number, kind: Device['kind'] = 'cuda'): DeviceNeed => ({ provider: kind, kind, bytes: memoryMiB * mebibyte });
const share = (device: Device, memoryMiB: number, version = '1.0.0') => ({ device, version, bytes: memoryMiB * mebibyte });

describe('the device of a version', () => {
  const [small, large] = [card(0, 8), card(1, 16)];
  const gone = (device: Device, memoryMiB: number, [rank, usedMs]: readonly [number, number]): Releasable<string> => {
    const of = `${device.name} ${rank} ${usedMs}`;
    return { share: share(device, memoryMiB), rank, usedMs, of };
  };
  const choose = (bytes: DeviceNeed, releasable: readonly Releasable<string>[], staying: readonly ReturnType<typeof share>[] = []) =>
    chooseDevice([small, large], bytes, { shares: [...staying, ...releasable.map((one) => one.share)], releasable });

  it('is the emptiest with room', () => {
    expect(choose(need(4), [])).toMatchObject({ device: large, first: null });
    expect(choose(need(4), [], [share(large, 10)])).toMatchObject({ device: small, first: null });
  });

  it('is one of its own kind', () => {
    expect(choose(need(4, 'webgpu'), [])).toBeNull();
  });

  it('is, where all are full, the one whose versions are missed least, and the least missed of them goes first', () => {
    // On the large one an idle version would have to go, on the small one two that nobody routes to.
    const releasable = [gone(large, 16, [3, 1]), gone(small, 4, [0, 20]), gone(small, 4, [0, 10])];
    expect(choose(need(8), releasable)).toMatchObject({ device: small, first: 'cuda:0 0 10' });
    // Equal in rank: what was used longest ago.
    expect(choose(need(8), [gone(large, 16, [4, 1]), gone(small, 8, [4, 2])])).toMatchObject({ device: large });
  });

  it('is none while what may go is not enough', () => {
    expect(choose(need(8), [gone(small, 4, [0, 1])], [share(small, 4), share(large, 9)])).toBeNull();
    expect(choose(need(20), [gone(large, 16, [0, 1])])).toBeNull();
  });

  it('is refused with what is missing, and what would help', () => {
    expect(() => deviceBeside([], need(1), [])).toThrow(
      'this gateway has no cuda device: set PERENNIAL_GATEWAY_DEVICES, such as cuda:0=8GiB',
    );
    expect(() => deviceBeside([small], need(1, 'webgpu'), [])).toThrow('has no webgpu device (it has cuda:0)');
    expect(() => deviceBeside([small, large], need(20), [])).toThrow('asks for 20 MiB of a device, and cuda:1 may be given 16 MiB');
    expect(() => deviceBeside([small], need(5), [share(small, 5, '1.0.3')])).toThrow(
      'asks for 5 MiB of a device beside what answers: 1.0.3 on cuda:0 (5 MiB); a device is never given more than PERENNIAL_GATEWAY_DEVICES says (cuda:0: 8 MiB)',
    );
    expect(deviceBeside([small, large], need(5), [share(large, 12)])).toBe(small);
  });
});

describe('versions that share devices', () => {
  const spec = { model: 'any', ...identity };
  const tensor = { type: 'float32', shape: [-1, 1] };
  const plan = directPlan(spec, { inputs: [{ name: 'x', ...tensor }], outputs: [{ name: 'y', ...tensor }] });
  const cost = { loadMs: 1, runMs: 1, rowMs: 0, bestRows: 1, bytes: mebibyte, peakBytes: mebibyte };
  const hot = { mayEvict: 'any', mayExceed: true } as const;
  const asked = { mayEvict: 'any', mayExceed: false } as const;

  /** Memory, and versions whose models this test opens; `memoryMiB` is what they ask of a device, 0 for the CPU. */
  function open(devices: readonly Device[]) {
    const roles = new Map<HostedVersion, 'unrouted' | 'standby' | 'shadow' | 'live'>();
    const evicted: string[] = [];
    const memory = new ModelMemory({
      budgetBytes: 100 * mebibyte,
      devices,
      idleUnloadMs: 0,
      roleOf: (version) => roles.get(version) ?? 'live',
      onUnload: ({ model, version }) => void evicted.push(`${model} ${version}`),
    });
    const version = (model: string, name: string, memoryMiB: number): HostedVersion => {
      const device = memoryMiB === 0 ? null : need(memoryMiB);
      const placed: Placement = { where: 'thread', threads: 1, lanes: 1, maxRows: 1, bytes: mebibyte, device, because: 'a test says so' };
      return new HostedVersion(
        {
          servable: { model, version: name, package: { digest: name, files: [] } },
          origin: 'registry',
          spec,
          plan,
          cost,
          engine: 'onnxRuntime',
          placed,
        },
        {
          metrics: new GatewayMetrics().version(model, name),
          memory,
          config: { maxWaiting: 10, coldWaitMs: 10_000, maxWaitingForLoad: 10 },
          open: () => (model === 'failing' ? Promise.reject(new Error('CUDA failure 2: out of memory')) : Promise.resolve(echoRunner)),
        },
      );
    };
    return { memory, version, evicted, roles };
  }

  it('spread over them, and the least used makes room when both are full', async () => {
    const devices = [card(0, 8), card(1, 8)];
    const { memory, version, evicted } = open(devices);
    const [a, b, c] = [version('a', '1', 5), version('b', '1', 5), version('c', '1', 5)];
    expect([await a.load(asked), await b.load(asked)]).toEqual([true, true]);
    expect(new Set([a.device, b.device])).toEqual(new Set(devices));
    expect(devices.map((device) => memory.usedOn(device) / mebibyte)).toEqual([5, 5]);
    a.enter();
    a.leave();
    expect(await c.load(asked)).toBe(true);
    // Asked for since then.
    expect([evicted, a.resident, b.resident]).toEqual([['b 1'], true, false]);
    expect(devices.reduce((sum, device) => sum + memory.usedOn(device), 0)).toBe(10 * mebibyte);
  });

  it('never go while they answer: whoever wants their room waits', async () => {
    const { version, evicted } = open([card(0, 8)]);
    const [a, b] = [version('a', '1', 5), version('b', '1', 5)];
    await a.load(asked);
    a.enter();
    const loading = b.load(asked);
    await until(() => evicted.length > 0);
    expect([a.state, b.resident]).toEqual(['unloading', false]);
    a.leave();
    expect(await loading).toBe(true);
    expect([a.resident, a.device, b.device?.name]).toEqual([false, null, 'cuda:0']);
  });

  it('leave those on the CPU alone, and the other way round', async () => {
    const { memory, version, evicted } = open([card(0, 8)]);
    const [cpu, a, b] = [version('cpu', '1', 0), version('a', '1', 8), version('b', '1', 8)];
    for (const one of [cpu, a, b]) await one.load(asked);
    expect([evicted, cpu.device, b.device?.name]).toEqual([['a 1'], null, 'cuda:0']);
    expect(memory.residents).toBe(2);
  });

  it('get no more of a device than it may be given, not even for the next version of what answers: it is refused', async () => {
    const { memory, version, evicted, roles } = open([card(0, 8)]);
    const [old, next] = [version('a', '1.0.0', 5), version('a', '1.0.1', 5)];
    await old.load(asked);
    expect(() => memory.deviceFor(need(5), 'a')).toThrow('beside what answers: 1.0.0 on cuda:0 (5 MiB)');
    await expect(next.load(hot)).rejects.toMatchObject({
      type: 'ArtifactRejected',
      message: expect.stringContaining('beside what answers'),
    });
    expect([evicted, old.resident, next.resident]).toEqual([[], true, false]);
    // A smaller one has room beside it, and so has one of another model, for which this one may go.
    expect(memory.deviceFor(need(3), 'a').name).toBe('cuda:0');
    expect(memory.deviceFor(need(8), 'b').name).toBe('cuda:0');
    roles.set(old, 'standby');
    expect(await next.load(hot)).toBe(true);
    expect(evicted).toEqual(['a 1.0.0']);
  });

  it('wait for one that is retired: it goes by itself, when its last request is answered', async () => {
    const { memory, version } = open([card(0, 8)]);
    const [old, next] = [version('a', '1.0.0', 5), version('a', '1.0.1', 5)];
    await old.load(asked);
    old.enter();
    old.retire();
    expect(memory.deviceFor(need(5), 'a').name).toBe('cuda:0');
    const loading = next.load(hot);
    await new Promise((resolve) => setImmediate(resolve));
    expect(next.state).toBe('loading');
    old.leave();
    expect([await loading, next.device?.name]).toEqual([true, 'cuda:0']);
  });

  it('give their room back when loading fails', async () => {
    const device = card(0, 8);
    const { memory, version } = open([device]);
    const failing = version('failing', '1', 5);
    await expect(failing.load(asked)).rejects.toThrow('out of memory');
    expect([memory.usedOn(device), failing.device, failing.reason]).toEqual([0, null, expect.stringContaining('out of memory')]);
    expect(await version('a', '1', 8).load(asked)).toBe(true);
  });
});

describe('what versions take of devices, over the processes of a gateway', () => {
  it('adds up by device, in the statistics of Triton', () => {
    const usage = (id: number, byte_size: number) => ({ type: 'GPU', id, byte_size });
    const [one, other] = [{ memory_usage: [usage(1, 5)] }, { memory_usage: [usage(0, 3), usage(1, 7)] }];
    expect(addFigures<typeof one>(one, other)).toEqual({ memory_usage: [usage(0, 3), usage(1, 12)] });
  });
});

describe('the devices of a gateway', () => {
  const read = (value: string) => readDevices({ PERENNIAL_GATEWAY_DEVICES: value });

  it('are none by default, or as they are named', () => {
    expect([readDevices({}), read('none')]).toEqual([[], []]);
    expect(read('cuda:0=20GiB,cuda:1=512MiB')).toEqual([card(0, 20 * 1024), card(1, 512)]);
    expect(partOf(read('cuda:0=20GiB'), 3)).toEqual([{ ...card(0, 0), memoryBytes: Math.floor((20 * 1024 * mebibyte) / 3) }]);
  });

  it.each([
    ['cuda:0', /^PERENNIAL_GATEWAY_DEVICES=cuda:0: expected devices with the memory .* such as cuda:0=20GiB,cuda:1=20GiB, or none$/],
    ['', /expected devices/],
    ['cuda:0=0GiB', /expected devices/],
    ['gpu:0=1GiB', /expected devices/],
    ['cuda:0=1GiB, cuda:1=1GiB', /expected devices/],
    ['cuda:0=1GiB,cuda:0=2GiB', /cuda:0 stands there twice/],
    ['webgpu:1=1GiB', /of webgpu there is one device, webgpu:0/],
  ])('are refused as %j', (value, reason) => {
    expect(() => read(value)).toThrow(reason);
  });

  it('hand on what drivers are found by, and nothing else of the environment', () => {
    const env = { LD_LIBRARY_PATH: '/cuda', CUDA_VISIBLE_DEVICES: '1', VK_DRIVER_FILES: '/icd', PERENNIAL_TOKEN: 'x', DATABASE_URL: 'y' };
    expect(readDriverVariables(env)).toEqual({ LD_LIBRARY_PATH: '/cuda', CUDA_VISIBLE_DEVICES: '1', VK_DRIVER_FILES: '/icd' });
  });
});

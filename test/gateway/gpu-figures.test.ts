import { spawn } from 'node:child_process';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { nvidiaSmi } from '../../adapters/gpu/nvidia-smi.js';
import { writePackageFolder } from '../../adapters/serving/package-folder.js';
import { nodeBundle } from '../../tools/node-bundle.mjs';
import { get, pairs, until } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
const mebibyte = 1024 * 1024;
/** As `nvidia-smi` of driver 550 writes it, of a card that tells all and one that tells little. */
const two = 'GPU-1f0c, 0, 37, 1024, 81559, 121.54\nGPU-2e9d, 1, [N/A], 512, 15360, [Not Supported]\n';

/** A folder with a program of the name that NVIDIA's has: what it prints, and how it ends. */
async function fakeSmi(name: string, prints: string, code = 0): Promise<string> {
  const folder = join(stage.folder, name);
  await mkdir(folder);
  const text = `#!/bin/sh\necho "$@" >> ${folder}/asked\nprintf '%s' '${prints}'\nexit ${code}\n`;
  await writeFile(join(folder, 'nvidia-smi'), text, { mode: 0o755 });
  return folder;
}

describe('GPUs as nvidia-smi tells of them', () => {
  it('have what it tells, and nothing where it does not', async () => {
    const command = join(await fakeSmi('whole', two), 'nvidia-smi');
    expect(await nvidiaSmi({ command }).sample()).toEqual([
      {
        uuid: 'GPU-1f0c',
        index: 0,
        utilization: 0.37,
        memoryUsedBytes: 1024 * mebibyte,
        memoryTotalBytes: 81_559 * mebibyte,
        powerWatts: 121.54,
      },
      {
        uuid: 'GPU-2e9d',
        index: 1,
        utilization: null,
        memoryUsedBytes: 512 * mebibyte,
        memoryTotalBytes: 15_360 * mebibyte,
        powerWatts: null,
      },
    ]);
  });

  it('are unknown where there is no such program', async () => {
    expect(await nvidiaSmi({ command: join(stage.folder, 'nowhere') }).sample()).toBeNull();
  });

  it.each([
    ['fails', 'Failed to initialize NVML: Driver/library version mismatch', 18],
    ['says something else', 'No devices were found\n', 0],
  ])('are away for once when it %s', async (name, prints, code) => {
    const command = join(await fakeSmi(name, prints, code), 'nvidia-smi');
    await expect(nvidiaSmi({ command }).sample()).rejects.toMatchObject({
      type: 'Unavailable',
      message: expect.stringContaining('does not tell of GPUs'),
    });
  });

  it('are away for once when it hangs', async () => {
    const folder = await fakeSmi('hanging', '');
    await writeFile(join(folder, 'nvidia-smi'), '#!/bin/sh\nexec sleep 600\n');
    await expect(nvidiaSmi({ command: join(folder, 'nvidia-smi'), limitMs: 100 }).sample()).rejects.toMatchObject({ type: 'Unavailable' });
  });
});

describe('a gateway whose GPUs are told of', () => {
  it('tells it on under Triton’s names, until they are away, and logs that once', async () => {
    await stage.addLive({ model: 'demand', version: '1.0.0', onnx: 'linear' });
    let away = false;
    let asked = 0;
    const sample = () => {
      asked++;
      const usage = { uuid: 'GPU-1f0c', index: 0, utilization: 0.37, memoryUsedBytes: 5, memoryTotalBytes: 8, powerWatts: null };
      return away ? Promise.reject(new Error('driver gone')) : Promise.resolve([usage]);
    };
    const { url } = await stage.start({ gpusEveryMs: 5 }, { gpus: { sample } });
    const scrape = async () => (await get<string>(`${url}/metrics`)).body;
    const text = await scrape();
    expect(text).toContain('nv_gpu_utilization{gpu_uuid="GPU-1f0c",gpu="0"} 0.37\n');
    expect(text).toContain('nv_gpu_memory_used_bytes{gpu_uuid="GPU-1f0c",gpu="0"} 5\n');
    expect(text).toContain('nv_gpu_memory_total_bytes{gpu_uuid="GPU-1f0c",gpu="0"} 8\n');
    expect(text).not.toContain('nv_gpu_power_usage');
    away = true;
    const before = asked;
    await until(() => asked > before + 3);
    expect(await scrape()).not.toContain('nv_gpu');
    expect(stage.log.filter(({ event }) => event === 'gpusNotTold')).toMatchObject([{ level: 'warn', reason: 'driver gone' }]);
  });

  it('tells nothing while whoever knows hangs', async () => {
    let asked = 0;
    const usage = { uuid: 'GPU-1f0c', index: 0, utilization: 1, memoryUsedBytes: 5, memoryTotalBytes: 8, powerWatts: 3 };
    const sample = () => (asked++ === 0 ? Promise.resolve([usage]) : new Promise<never>(() => undefined));
    const { url } = await stage.start({ gpusEveryMs: 5, folder: join(stage.folder, 'hanging-gateway') }, { gpus: { sample } });
    await until(async () => !(await get<string>(`${url}/metrics`)).body.includes('nv_gpu'));
    expect(asked).toBe(2);
  });

  it('asks no more where nobody knows', async () => {
    let asked = 0;
    const sample = () => {
      asked++;
      return Promise.resolve(null);
    };
    const { url } = await stage.start({ gpusEveryMs: 1, folder: join(stage.folder, 'none') }, { gpus: { sample } });
    for (let i = 0; i < 20; i++) expect((await get<string>(`${url}/metrics`)).body).not.toContain('nv_gpu');
    expect(asked).toBe(1);
  });
});

describe('the program of the gateway', () => {
  it('finds nvidia-smi and its devices by its environment', { timeout: 60_000 }, async () => {
    const path = await fakeSmi('path', two);
    const folder = join(stage.folder, 'model');
    const accelerator = { provider: 'cuda', required: false, memoryMiB: 256 } as const;
    const pack = await stage.pack({ model: 'demand', version: '1.0.0', onnx: 'linear', example: pairs([[1, 1]]), spec: { accelerator } });
    await writePackageFolder(stage.objects, pack, folder);
    const entry = (at: string): string => fileURLToPath(new URL(`../../${at}`, import.meta.url));
    const built = join(stage.folder, 'built');
    const sources = ['workers/sagemaker-gateway.ts', 'gateway/models/inference-thread.ts', 'adapters/onnx/trial-program.ts'];
    await build({ entryPoints: sources.map(entry), outdir: built, outbase: entry(''), ...nodeBundle });
    await writeFile(join(built, 'package.json'), '{"type":"module"}');
    await symlink(entry('node_modules'), join(built, 'node_modules'));
    const child = spawn(process.execPath, [join(built, 'workers/sagemaker-gateway.js')], {
      env: {
        PATH: [path, process.env['PATH']!].join(delimiter),
        SAGEMAKER_BIND_TO_PORT: '0',
        PERENNIAL_BIND: '127.0.0.1',
        PERENNIAL_MODEL_FOLDER: folder,
        PERENNIAL_HOME: join(stage.folder, 'home'),
        PERENNIAL_TRUSTED_KEY: stage.publicKeyPem,
        PERENNIAL_GATEWAY_DEVICES: 'cuda:0=1GiB',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    try {
      const { url } = await new Promise<{ url: string }>((resolve, reject) => {
        child.stdout.once('data', (line: Buffer) => resolve(JSON.parse(line.toString()) as { url: string }));
        child.once('close', () => reject(new Error(`it ended: ${log}`)));
      });
      let text = '';
      await until(async () =>
        (text = (await get<string>(`${url}/metrics`)).body).includes('nv_gpu_utilization{gpu_uuid="GPU-1f0c",gpu="0"} 0.37\n'),
      );
      expect(text).toContain('gateway_device_memory_budget_bytes{device="cuda:0"} 1073741824\n');
      expect(text).toContain('gateway_version_device{model_name="model",');
      expect(text).toMatch(/provider="cuda",device="cpu"} 1\n/);
      expect(log).toContain('"event":"versionOnCpu"');
    } finally {
      child.kill('SIGTERM');
    }
    await rm(folder, { recursive: true });
  });
});

import type { Device, DeviceKind } from '../domain/devices.js';
import { PerennialError } from '../domain/errors.js';
import type { Environment } from './config.js';

const form = /^(cuda|webgpu):(\d{1,3})=([1-9]\d{0,6})(MiB|GiB)$/;
const expected = 'expected devices with the memory that versions may be given of each, such as cuda:0=20GiB,cuda:1=20GiB, or none';
/** What drivers and their libraries are found by, and told by. */
const driverVariables = /^(LD_LIBRARY_PATH$|CUDA_|NVIDIA_|ORT_TENSORRT_|VK_)/;

/** PERENNIAL_GATEWAY_DEVICES. @throws PerennialError `DataInvalid` naming what was expected and what was found */
export function readDevices(env: Environment): readonly Device[] {
  const value = env['PERENNIAL_GATEWAY_DEVICES'];
  if (value === undefined || value === 'none') return [];
  const refuse = (reason: string): never => {
    throw new PerennialError('DataInvalid', `PERENNIAL_GATEWAY_DEVICES=${value}: ${reason}`);
  };
  const devices = value.split(',').map((text): Device => {
    const [, kind, index, amount, unit] = form.exec(text) ?? refuse(expected);
    // ONNX Runtime's WebGPU provider takes the system's first adapter, whatever is asked.
    if (kind === 'webgpu' && Number(index) > 0) return refuse('of webgpu there is one device, webgpu:0');
    const memoryBytes = Number(amount) * (unit === 'GiB' ? 2 ** 30 : 2 ** 20);
    return { name: `${kind}:${Number(index)}`, kind: kind as DeviceKind, index: Number(index), memoryBytes };
  });
  const twice = devices.find(({ name }, i) => devices.findIndex((other) => other.name === name) < i);
  if (twice !== undefined) refuse(`${twice.name} stands there twice`);
  return devices;
}

/** The part of the environment that a process needs to use a device. */
export function readDriverVariables(env: Environment): Readonly<Record<string, string>> {
  const found = Object.entries(env).filter(([name, value]) => value !== undefined && driverVariables.test(name));
  return Object.fromEntries(found) as Record<string, string>;
}

/** What one of several processes may give of each device. */
export function partOf(devices: readonly Device[], processes: number): readonly Device[] {
  return devices.map((device) => ({ ...device, memoryBytes: Math.floor(device.memoryBytes / processes) }));
}

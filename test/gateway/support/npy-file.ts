/** An array as `numpy.save` writes it. */
export function npy(descr: string, shape: readonly number[], values: NodeJS.TypedArray): Buffer {
  const head = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  const padded = `${head.padEnd(Math.ceil((head.length + 11) / 64) * 64 - 11)}\n`;
  const start = Buffer.from('\x93NUMPY\x01\x00\x00\x00', 'latin1');
  start.writeUInt16LE(padded.length, 8);
  return Buffer.concat([start, Buffer.from(padded), new Uint8Array(values.buffer, values.byteOffset, values.byteLength)]);
}

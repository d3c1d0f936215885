import protobuf from 'protobufjs';
import { invalid } from '../http/request-error.js';

export type MessageReader = protobuf.Reader;

/** Reads the fields of one message in the order they came. `field` takes the ones it knows and answers false for others, which are skipped. */
export function readFields(bytes: Uint8Array, field: (tag: number, reader: MessageReader) => boolean): void {
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag >>> 3 === 0) throw invalid('the message holds a field number 0: it is no protocol buffer');
    if (!field(tag, reader)) reader.skipType(tag & 7);
  }
}

/** Tag of a field with a wire type, as it stands before the field's value. */
export const varint = (field: number): number => field << 3;
export const fixed64 = (field: number): number => (field << 3) | 1;
export const delimited = (field: number): number => (field << 3) | 2;
export const fixed32 = (field: number): number => (field << 3) | 5;

/** The halves of a 64-bit integer, as the reader answers one. */
export type Long = { readonly low: number; readonly high: number };

/** A 64-bit integer as a number; as text where a number cannot hold it. */
export function wholeNumber(long: Long, signed: boolean): number | string {
  const number = (signed ? long.high : long.high >>> 0) * 2 ** 32 + (long.low >>> 0);
  if (Number.isSafeInteger(number)) return number;
  const exact = (BigInt(signed ? long.high : long.high >>> 0) << 32n) | BigInt(long.low >>> 0);
  return String(exact);
}
